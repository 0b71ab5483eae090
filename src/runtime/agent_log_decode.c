/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "runtime/agent_log.h"
#include "text/json.h"

/* Written once by the guest's logger, or known to us anyway. */
static const char *const own_keys[] = {
	"ts", "level", "msg", "subsystem", "name", "source", "pid", "version"};

static void copy_cut(char *to, size_t size, struct slice from)
{
	size_t len = from.len < size ? from.len : size - 1;

	for (size_t i = 0; i < len; i++)
		to[i] = from.p[i] == '\0' ? ' ' : (char)from.p[i];
	to[len] = '\0';
}

static enum log_level level_of(const char *text)
{
	static const struct {
		const char *name;
		enum log_level level;
	} names[] = {
		{"TRCE", LOG_TRACE},
		{"DEBG", LOG_DEBUG},
		{"INFO", LOG_INFO},
		{"WARN", LOG_WARN},
		{"ERRO", LOG_ERROR},
		{"CRIT", LOG_CRIT},
	};

	for (size_t i = 0; text && i < ARRAY_SIZE(names); i++)
		if (strcmp(text, names[i].name) == 0)
			return names[i].level;
	return LOG_INFO;
}

static const char *string_of(const struct value *table, const char *key)
{
	const struct value *v = value_find(table, key);
	const char *text = NULL;

	return v && value_get_string(v, &text, NULL) == 0 ? text : NULL;
}

static bool is_own_key(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(own_keys); i++)
		if (strcmp(key, own_keys[i]) == 0)
			return true;
	return false;
}

/* The record's own keys, as far as they are strings (all of upstream's are) and fit. */
static void format_fields(const struct value *root, char *to, size_t size)
{
	size_t len = 0;

	VALUE_FOREACH(v, root)
	{
		const char *text;
		int n;

		if (is_own_key(v->key) || value_get_string(v, &text, NULL) < 0)
			continue;
		n = snprintf(to + len, size - len, "%s%s=%s", len > 0 ? " " : "", v->key, text);
		if (n < 0 || (size_t)n >= size - len)
			return;
		len += (size_t)n;
	}
}

void agent_log_decode(struct slice line, struct agent_log_record *ret)
{
	auto_document struct document *doc = NULL;
	const struct value *root;
	const char *text;

	memset(ret, 0, sizeof(*ret));
	ret->level = LOG_INFO;
	if (json_parse("log", line, AGENT_LOG_LINE_MAX, &doc, NULL) < 0 ||
		value_check_type(document_root(doc), VALUE_TABLE, NULL) < 0) {
		copy_cut(ret->msg, sizeof(ret->msg), line);
		return;
	}
	root = document_root(doc);
	ret->is_span = guest_span_decode(root, &ret->span);
	ret->level = level_of(string_of(root, "level"));
	text = string_of(root, "msg");
	if (text)
		copy_cut(ret->msg, sizeof(ret->msg), slice_of_str(text));
	text = string_of(root, "subsystem");
	if (text)
		copy_cut(ret->subsystem, sizeof(ret->subsystem), slice_of_str(text));
	format_fields(root, ret->fields, sizeof(ret->fields));
}
