/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config_file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/log.h"
#include "text/toml.h"

/* A sign and 20 digits. */
enum { NUMBER_SIZE = 24 };

static void warn(const struct value *v, const char *what)
{
	char where[VALUE_WHERE_SIZE];

	log_printf(LOG_WARN, "config", "%s: %s: ignored", value_format_where(v, where), what);
}

static int get_seconds(const struct value *v, char text[static NUMBER_SIZE], struct err *err)
{
	uint64_t seconds = 0, nanos = 0;
	const struct value *part;
	int r = 0;

	if (v->type != VALUE_TABLE) {
		r = value_get_u64(v, 0, UINT64_MAX, &seconds, err);
	} else {
		part = value_find(v, "secs");
		if (part)
			r = value_get_u64(part, 0, UINT64_MAX, &seconds, err);
		part = value_find(v, "nanos");
		if (r == 0 && part)
			r = value_get_u64(part, 0, 999999999, &nanos, err);
	}
	if (r == 0)
		snprintf(text, NUMBER_SIZE, "%" PRIu64, seconds);
	return r;
}

static int get_number(const struct value *v, char text[static NUMBER_SIZE], struct err *err)
{
	int r = value_check_type(v, VALUE_INT, err);

	if (r == 0)
		snprintf(text, NUMBER_SIZE, "%s%" PRIu64, v->u.integer.negative ? "-" : "",
			v->u.integer.magnitude);
	return r;
}

/* The value as it would stand on the kernel command line: *ret is number or borrowed from v. */
static int get_text(const struct value *v, enum option_rule rule, char number[static NUMBER_SIZE],
	const char **ret, struct err *err)
{
	bool on;
	int r;

	*ret = number;
	switch (rule) {
	case RULE_FLAG:
	case RULE_BOOL:
	case RULE_LATER_BOOL:
	case RULE_FLAG_OR_BOOL:
	case RULE_LITERAL:
		r = value_get_bool(v, &on, err);
		if (r == 0)
			*ret = on ? "true" : "false";
		return r;
	case RULE_SECONDS:
		return get_seconds(v, number, err);
	case RULE_PORT:
	case RULE_PIPE_SIZE:
	case RULE_UINT:
	case RULE_INT64:
		return get_number(v, number, err);
	case RULE_LEVEL:
	case RULE_ADDR:
	case RULE_WORD:
	case RULE_URL:
	case RULE_ANY:
	case RULE_REFUSED:
		return value_get_string(v, ret, err);
	}
	return value_error(v, err, "no such rule");
}

static int apply(
	struct options *o, const struct option_key *key, const struct value *v, struct err *err)
{
	char number[NUMBER_SIZE], where[VALUE_WHERE_SIZE];
	const char *text;
	int r = get_text(v, key->rule, number, &text, err);

	if (r < 0)
		return r;
	r = options_set(o, key, text, err);
	return r < 0 ? err_wrap(err, "%s", value_format_where(v, where)) : 0;
}

static int apply_endpoints(struct options *o, const struct value *section, struct err *err)
{
	const char *request;
	int r = value_check_type(section, VALUE_TABLE, err);

	if (r < 0)
		return r;
	/* Even an empty section means that whoever wrote it wants to decide. */
	endpoints_limit(&o->endpoints);
	VALUE_FOREACH(list, section)
	{
		if (strcmp(list->key, "allowed") != 0) {
			warn(list, "unknown key");
			continue;
		}
		r = value_check_type(list, VALUE_ARRAY, err);
		VALUE_FOREACH(v, list)
		{
			if (r == 0)
				r = value_get_string(v, &request, err);
			if (r == 0 && !endpoints_allow(&o->endpoints, request))
				warn(v, "no method takes such a message");
		}
		if (r < 0)
			return r;
	}
	return 0;
}

int config_file_parse(struct options *o, const char *name, struct slice text, struct err *err)
{
	auto_document struct document *doc = NULL;
	int r = toml_parse(name, text, CONFIG_FILE_MAX, &doc, err);

	if (r < 0)
		return r;
	VALUE_FOREACH(v, document_root(doc))
	{
		const struct option_key *key = options_find_toml(v->key);

		if (key)
			r = apply(o, key, v, err);
		else if (strcmp(v->key, "endpoints") == 0)
			r = apply_endpoints(o, v, err);
		else
			warn(v, "unknown key");
		if (r < 0)
			return r;
	}
	return 0;
}

int config_file_read(struct options *o, const char *path, struct err *err)
{
	auto_buf struct buf text = BUF_INIT;
	int r = io_read_file(AT_FDCWD, path, CONFIG_FILE_MAX, &text);

	if (r < 0)
		return err_sys(err, -r, "configuration file %s", path);
	return config_file_parse(o, path, buf_slice(&text), err);
}
