/* SPDX-License-Identifier: Apache-2.0 */
#include "config/layers.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "base/buf.h"
#include "config/allow.h"
#include "config/keys.h"
#include "config/setting.h"
#include "config/settle.h"

/* A broken file could hold thousands of keys. */
enum { MAX_WARNINGS = 64 };

/* The least time for the agent to answer: what upstream makes of its own default. */
enum { MIN_RECONNECT_MS = 10000 };

struct reader {
	const struct config_layers *layers;
	struct config *config;
	struct err *err;
};

static int no_memory(const struct reader *r)
{
	return err_sys(r->err, ENOMEM, "read %s", r->config->file);
}

/* Finding keys */

static const struct value *find_section(
	const struct document *doc, const struct key_section *section)
{
	const struct value *v = document_root(doc);

	for (size_t i = 0; i < SECTION_DEPTH && section->path[i]; i++)
		v = value_find(v, section->path[i]);
	return v;
}

static const struct value *find(const struct reader *r, enum key_section_id id, const char *name)
{
	const struct value *v = NULL;

	for (size_t i = r->layers->n; i-- > 0 && !v;)
		v = value_find(find_section(r->layers->docs[i], key_sections[id]), name);
	return v;
}

int config_add_warning(struct config *config, const char *fmt, ...)
{
	auto_buf struct buf text = BUF_INIT;
	char **warnings;
	va_list ap;
	int r;

	if (config->n_warnings == MAX_WARNINGS)
		return 0;
	va_start(ap, fmt);
	r = buf_vprintf(&text, fmt, ap);
	va_end(ap);
	if (r < 0)
		return r;
	warnings = reallocarray(config->warnings, config->n_warnings + 2, sizeof(*warnings));
	if (!warnings)
		return -ENOMEM;
	config->warnings = warnings;
	warnings[config->n_warnings] = buf_take_str(&text);
	if (!warnings[config->n_warnings])
		return -ENOMEM;
	warnings[++config->n_warnings] = NULL;
	return 0;
}

static int warn(const struct reader *r, const struct value *v, const char *what)
{
	char where[VALUE_WHERE_SIZE];
	int e = config_add_warning(r->config, "%s %s", value_format_where(v, where), what);

	return e < 0 ? no_memory(r) : 0;
}

/* Keys */

/* What is told about the value: its place in front. */
static int misplaced(const struct reader *r, const struct value *v)
{
	char where[VALUE_WHERE_SIZE];

	return err_wrap(r->err, "%s", value_format_where(v, where)), -EINVAL;
}

static int apply_key(const struct reader *r, const struct key *key, const struct value *v)
{
	auto_setting struct setting s = {.integer = 0};
	bool is_plain = true;
	int e = setting_read_value(key, v, &s, r->err);

	if (e < 0)
		return e;
	if (setting_check(key, &s, r->err) < 0)
		return misplaced(r, v);
	if (key->use == KEY_WARNED || key->use == KEY_REFUSED)
		e = setting_is_plain(key, &s, &is_plain);
	if (e < 0)
		return no_memory(r);
	if (!is_plain && key->use == KEY_REFUSED)
		return value_error(v, r->err, "not supported yet");
	setting_store(key, &s, r->config);
	return is_plain ? 0 : warn(r, v, "is not supported yet and has no effect");
}

static int apply_section(const struct reader *r, enum key_section_id id)
{
	const struct key_section *section = key_sections[id];

	for (size_t i = 0; i < section->n_keys; i++) {
		const struct value *v = find(r, id, section->keys[i].name);
		int e = v ? apply_key(r, &section->keys[i], v) : 0;

		if (e < 0)
			return e;
	}
	return 0;
}

/* Keys nobody knows */

/* Whether the table at path[0..depth) is a section that has the key. */
static bool is_known_key(const char *const *path, size_t depth, const char *name)
{
	for (size_t i = 0; i < SECTION_COUNT; i++) {
		const struct key_section *s = key_sections[i];
		size_t same = 0;

		while (same < depth && s->path[same] && strcmp(s->path[same], path[same]) == 0)
			same++;
		if (same < depth || (depth < SECTION_DEPTH && s->path[depth]))
			continue;
		for (size_t k = 0; k < s->n_keys; k++)
			if (strcmp(s->keys[k].name, name) == 0)
				return true;
	}
	return false;
}

/* Whether path[0..depth) is a section or leads to one. */
static bool is_section_path(const char *const *path, size_t depth)
{
	for (size_t i = 0; i < SECTION_COUNT; i++) {
		size_t same = 0;

		while (same < depth && key_sections[i]->path[same] &&
			strcmp(key_sections[i]->path[same], path[same]) == 0)
			same++;
		if (same == depth)
			return true;
	}
	return false;
}

static int note_unknown(
	const struct reader *r, const struct value *table, const char **path, size_t depth)
{
	VALUE_FOREACH(v, table)
	{
		int e = 0;

		if (depth < SECTION_DEPTH)
			path[depth] = v->key;
		if (depth < SECTION_DEPTH && is_section_path(path, depth + 1)) {
			e = value_check_type(v, VALUE_TABLE, r->err);
			if (e == 0)
				e = note_unknown(r, v, path, depth + 1);
		} else if (!is_known_key(path, depth, v->key)) {
			e = warn(r, v, "is unknown and has no effect");
		}
		if (e < 0)
			return e;
	}
	return 0;
}

/* What goes beyond single keys */

static int check_hypervisor(const struct reader *r)
{
	const struct value *first = NULL, *image, *initrd;

	for (size_t i = 0; i < r->layers->n; i++) {
		const struct value *all =
			value_find(document_root(r->layers->docs[i]), "hypervisor");

		if (value_find(all, "qemu"))
			first = value_find(all, "qemu");
		else if (!first)
			first = value_first(all);
	}
	if (!first)
		return err_set(r->err, EINVAL, "%s: [hypervisor.qemu] is missing", r->config->file);
	if (strcmp(first->key, "qemu") != 0)
		return value_error(first, r->err, "not supported yet (only qemu)");
	image = find(r, SECTION_HYPERVISOR, "image");
	initrd = find(r, SECTION_HYPERVISOR, "initrd");
	if (image && initrd && image->type == VALUE_STRING && *image->u.string &&
		initrd->type == VALUE_STRING && *initrd->u.string)
		return value_error(image, r->err, "cannot be set together with initrd");
	return 0;
}

/* runtime-rs counts attempts of dial_timeout_ms up to reconnect_timeout_ms; Go has one
 * dial_timeout, in seconds, for all of it. */
static int settle_agent(const struct reader *r)
{
	struct config_agent *agent = &r->config->agent;
	const struct value *reconnect = find(r, SECTION_AGENT, "reconnect_timeout_ms");
	const struct value *dial = find(r, SECTION_AGENT, "dial_timeout");
	const struct value *log = find(r, SECTION_AGENT, "log_port");
	uint64_t s;
	int e;

	if (!reconnect && dial) {
		e = value_get_u64(dial, 1, UINT32_MAX / 1000, &s, r->err);
		if (e < 0)
			return e;
		agent->reconnect_timeout_ms = (uint32_t)s * 1000;
	}
	if (reconnect && agent->reconnect_timeout_ms < agent->dial_timeout_ms)
		return value_error(reconnect, r->err, "%u is less than dial_timeout_ms (%u)",
			agent->reconnect_timeout_ms, agent->dial_timeout_ms);
	if (agent->reconnect_timeout_ms < agent->dial_timeout_ms)
		agent->reconnect_timeout_ms = agent->dial_timeout_ms;
	if (agent->reconnect_timeout_ms < MIN_RECONNECT_MS)
		agent->reconnect_timeout_ms = MIN_RECONNECT_MS;
	if (agent->server_port == agent->log_port)
		return value_error(log ? log : find(r, SECTION_AGENT, "server_port"), r->err,
			"server_port and log_port are both %u", agent->log_port);
	return 0;
}

/* Debian 12 has the daemon in qemu-system-common's directory. */
static int settle_virtiofsd(const struct reader *r)
{
	static const char debian[] = "/usr/lib/qemu/virtiofsd";
	char **path = &r->config->hypervisor.virtio_fs_daemon, *other;
	const struct value *given = find(r, SECTION_HYPERVISOR, "virtio_fs_daemon");

	if ((given && *given->u.string) || access(*path, F_OK) == 0 || access(debian, F_OK) < 0)
		return 0;
	other = strdup(debian);
	if (!other)
		return no_memory(r);
	free(*path);
	*path = other;
	return 0;
}

static int check_patterns(const struct reader *r)
{
	const struct value *list = find(r, SECTION_HYPERVISOR, "enable_annotations");

	VALUE_FOREACH(pattern, list)
	{
		int e = allow_check_pattern(pattern->u.string, r->err);

		if (e < 0)
			return e == -EINVAL ? misplaced(r, pattern) : e;
	}
	return 0;
}

static int settle_all(const struct reader *r)
{
	struct settle_fault fault;
	const struct value *v;
	int e = config_settle(r->config, &fault, r->err);

	if (e == 0)
		e = settle_virtiofsd(r);
	if (e != -EINVAL)
		return e;
	v = find(r, fault.section, fault.key);
	return v ? misplaced(r, v)
		 : (err_wrap(r->err, "%s: %s", r->config->file, fault.key), -EINVAL);
}

static int set_default(const struct key *key, struct config *c)
{
	auto_setting struct setting s = {.integer = 0};
	char **string = setting_member(key, c);
	int r;

	if (!key->offset || (key->kind != KEY_STRING && !key->def))
		return 0;
	if (key->kind != KEY_STRING) {
		r = setting_read_text(key, key->def, &s, NULL);
		assert(r != -EINVAL);
		setting_store(key, &s, c);
		return r;
	}
	if (*string) /* two keys may lead to one member */
		return 0;
	*string = strdup(key->def ? key->def : "");
	return *string ? 0 : -ENOMEM;
}

static int set_defaults(struct config *c)
{
	int r = 0;

	for (size_t i = 0; i < SECTION_COUNT; i++)
		for (size_t k = 0; k < key_sections[i]->n_keys && r == 0; k++)
			r = set_default(&key_sections[i]->keys[k], c);
	return r;
}

static int fill(const struct reader *r)
{
	const char *path[SECTION_DEPTH];
	int e = check_hypervisor(r);

	for (size_t i = 0; i < r->layers->n && e == 0; i++)
		e = note_unknown(r, document_root(r->layers->docs[i]), path, 0);
	for (size_t i = 0; i < SECTION_COUNT && e == 0; i++)
		e = apply_section(r, (enum key_section_id)i);
	if (e == 0)
		e = check_patterns(r);
	if (e == 0)
		e = settle_all(r);
	return e == 0 ? settle_agent(r) : e;
}

int config_from_layers(
	const char *file, const struct config_layers *layers, struct config **ret, struct err *err)
{
	struct config *config = calloc(1, sizeof(*config));
	struct reader r = {.layers = layers, .config = config, .err = err};
	int e;

	if (!config)
		return err_sys(err, ENOMEM, "read %s", file);
	config->file = strdup(file);
	if (!config->file || set_defaults(config) < 0) {
		config_free(config);
		return err_sys(err, ENOMEM, "read %s", file);
	}
	e = fill(&r);
	if (e < 0) {
		config_free(config);
		return e;
	}
	*ret = config;
	return 0;
}

void config_free(struct config *config)
{
	if (!config)
		return;
	setting_free_members(config);
	for (size_t i = 0; i < config->n_warnings; i++)
		free(config->warnings[i]);
	free(config->warnings);
	free(config->file);
	free(config);
}
