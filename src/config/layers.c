/* SPDX-License-Identifier: Apache-2.0 */
#include "config/layers.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "config/keys.h"

/* QEMU's q35 takes 288 and upstream stops at 256; a broken file could hold thousands of keys. */
enum { MAX_VCPUS = 256, MAX_WARNINGS = 64 };

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

static void *member(const struct reader *r, const struct key *key)
{
	return (char *)r->config + key->offset;
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
		v = value_find(find_section(r->layers->docs[i], &key_sections[id]), name);
	return v;
}

static int warn(const struct reader *r, const struct value *v, const char *what)
{
	struct config *c = r->config;
	char where[VALUE_WHERE_SIZE];
	char **warnings;

	if (c->n_warnings == MAX_WARNINGS)
		return 0;
	warnings = reallocarray(c->warnings, c->n_warnings + 2, sizeof(*warnings));
	if (!warnings)
		return no_memory(r);
	c->warnings = warnings;
	warnings[c->n_warnings] = NULL;
	if (asprintf(&warnings[c->n_warnings], "%s %s", value_format_where(v, where), what) < 0) {
		warnings[c->n_warnings] = NULL;
		return no_memory(r);
	}
	warnings[++c->n_warnings] = NULL;
	return 0;
}

/* Types */

/* Elements and their types; when text is not NULL, strings go there with a space between them. */
static int check_elements(
	const struct reader *r, const struct value *v, enum value_type type, struct buf *text)
{
	int e = value_check_type(v, VALUE_ARRAY, r->err);

	if (e < 0)
		return e;
	VALUE_FOREACH(element, v)
	{
		e = value_check_type(element, type, r->err);
		if (e < 0)
			return e;
		if (type == VALUE_STRING &&
			buf_printf(text, "%s%s", buf_len(text) ? " " : "", element->u.string) < 0)
			return no_memory(r);
	}
	return 0;
}

/* Checks the type and writes the value as text: "" if it is its type's nothing. */
static int check_kind(
	const struct reader *r, const struct key *key, const struct value *v, struct buf *text)
{
	const char *s = "";
	double number = 0;
	bool b = false;
	int64_t n = 0;
	int e = 0, p = 0;

	switch (key->kind) {
	case KEY_BOOL:
		e = value_get_bool(v, &b, r->err);
		p = buf_append_str(text, b ? "true" : "");
		break;
	case KEY_STRING:
		e = value_get_string(v, &s, r->err);
		p = buf_append_str(text, s);
		break;
	case KEY_INTEGER:
		e = value_get_i64(v, INT64_MIN, INT64_MAX, &n, r->err);
		p = n ? buf_printf(text, "%lld", (long long)n) : 0;
		break;
	case KEY_NUMBER:
		e = value_get_double(v, &number, r->err);
		p = number != 0 ? buf_printf(text, "%g", number) : 0;
		break;
	case KEY_STRINGS:
		return check_elements(r, v, VALUE_STRING, text);
	case KEY_TABLES:
		e = check_elements(r, v, VALUE_TABLE, NULL);
		p = e == 0 && value_count(v) ? buf_append_str(text, "[...]") : 0;
		break;
	}
	return e == 0 && p < 0 ? no_memory(r) : e;
}

/* Whether text is one of "a|b|c". */
static bool is_listed(const char *text, const char *list)
{
	size_t len = strlen(text);

	while (list) {
		const char *end = strchrnul(list, '|');

		if ((size_t)(end - list) == len && memcmp(list, text, len) == 0)
			return true;
		list = *end ? end + 1 : NULL;
	}
	return false;
}

/* Keys we use */

static int store_string(const struct reader *r, const struct key *key, const struct value *v)
{
	char **to = member(r, key), *copy;
	const char *s;
	int e = value_get_string(v, &s, r->err);

	/* Empty is how upstream's files say "the default". */
	if (e < 0 || !*s)
		return e;
	if (key->plain && !is_listed(s, key->plain))
		return value_error(v, r->err, "\"%s\" is not supported (only %s)", s, key->plain);
	if (key->is_path && *s != '/')
		return value_error(v, r->err, "\"%s\" is not an absolute path", s);
	copy = strdup(s);
	if (!copy)
		return no_memory(r);
	free(*to);
	*to = copy;
	return 0;
}

static int store_integer(const struct reader *r, const struct key *key, const struct value *v)
{
	uint64_t n;
	int e = value_get_u64(v, key->min, key->max ? key->max : UINT32_MAX, &n, r->err);

	if (e == 0)
		*(uint32_t *)member(r, key) = (uint32_t)n;
	return e;
}

static int store(const struct reader *r, const struct key *key, const struct value *v)
{
	switch (key->kind) {
	case KEY_BOOL:
		return value_get_bool(v, member(r, key), r->err);
	case KEY_STRING:
		return store_string(r, key, v);
	case KEY_INTEGER:
		return store_integer(r, key, v);
	case KEY_NUMBER:
		return value_get_double(v, member(r, key), r->err);
	case KEY_STRINGS:
	case KEY_TABLES:
		break;
	}
	assert(!"no key that is used is an array");
	return -EINVAL;
}

static int apply_key(const struct reader *r, const struct key *key, const struct value *v)
{
	auto_buf struct buf text = BUF_INIT;
	int e;

	if (key->use == KEY_USED)
		return store(r, key, v);
	e = check_kind(r, key, v, &text);
	if (e < 0 || key->use == KEY_IDLE)
		return e;
	/* A boolean that has a list is plain when true. */
	if (is_listed(buf_str(&text), key->plain) ||
		(buf_len(&text) == 0 && !(key->kind == KEY_BOOL && key->plain)))
		return 0;
	if (key->use == KEY_REFUSED)
		return value_error(v, r->err, "not supported yet");
	return warn(r, v, "is not supported yet and has no effect");
}

static int apply_section(const struct reader *r, enum key_section_id id)
{
	const struct key_section *section = &key_sections[id];

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
		const struct key_section *s = &key_sections[i];
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

		while (same < depth && key_sections[i].path[same] &&
			strcmp(key_sections[i].path[same], path[same]) == 0)
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

static uint32_t host_cpus(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > MAX_VCPUS ? MAX_VCPUS : (uint32_t)n;
}

static int settle_cpus(const struct reader *r)
{
	struct config_hypervisor *hv = &r->config->hypervisor;
	const struct value *given = find(r, SECTION_HYPERVISOR, "default_vcpus");
	uint32_t needed;

	if (given && !(hv->default_vcpus <= MAX_VCPUS)) /* also if it is no number */
		return value_error(given, r->err, "%g is out of range (at most %d)",
			hv->default_vcpus, MAX_VCPUS);
	if (hv->default_vcpus < 0)
		hv->default_vcpus = host_cpus();
	else if (hv->default_vcpus == 0)
		hv->default_vcpus = 1;
	needed = (uint32_t)hv->default_vcpus;
	needed += (double)needed < hv->default_vcpus;
	if (hv->default_maxvcpus == 0)
		hv->default_maxvcpus = host_cpus() < needed ? needed : host_cpus();
	if (hv->default_maxvcpus > MAX_VCPUS)
		hv->default_maxvcpus = MAX_VCPUS;
	if (needed > hv->default_maxvcpus)
		return value_error(find(r, SECTION_HYPERVISOR, "default_maxvcpus"), r->err,
			"%u is less than default_vcpus", hv->default_maxvcpus);
	return 0;
}

static int settle_files(const struct reader *r)
{
	struct config_hypervisor *hv = &r->config->hypervisor;
	const struct value *queue = find(r, SECTION_HYPERVISOR, "virtio_fs_queue_size");

	if (hv->virtio_fs_queue_size & (hv->virtio_fs_queue_size - 1))
		return value_error(
			queue, r->err, "%u is not a power of two", hv->virtio_fs_queue_size);
	if (strcmp(hv->virtio_fs_cache, "none") == 0) {
		free(hv->virtio_fs_cache);
		hv->virtio_fs_cache = strdup("never");
		if (!hv->virtio_fs_cache)
			return no_memory(r);
	}
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

/* Upstream's place, or the one of Debian 12's qemu-system-common. */
static const char *default_virtiofsd(void)
{
	static const char upstream[] = "/usr/libexec/virtiofsd",
			  debian[] = "/usr/lib/qemu/virtiofsd";

	return access(upstream, F_OK) < 0 && access(debian, F_OK) == 0 ? debian : upstream;
}

static int set_defaults(struct config *c)
{
	const struct {
		char **to;
		const char *text;
	} strings[] = {
		{&c->hypervisor.path, "/usr/bin/qemu-system-x86_64"},
		{&c->hypervisor.kernel, KIHON_PREFIX "/share/kata-containers/vmlinux.container"},
		{&c->hypervisor.initrd,
			KIHON_PREFIX "/share/kata-containers/kata-containers-initrd.img"},
		{&c->hypervisor.kernel_params, ""},
		{&c->hypervisor.machine_type, "q35"},
		{&c->hypervisor.machine_accelerators, ""},
		{&c->hypervisor.cpu_features, ""},
		{&c->hypervisor.virtio_fs_daemon, default_virtiofsd()},
		{&c->hypervisor.virtio_fs_cache, "auto"},
		{&c->hypervisor.shared_fs, "virtio-fs"},
		{&c->hypervisor.seccomp_sandbox, ""},
		{&c->hypervisor.entropy_source, "/dev/urandom"},
		{&c->runtime.hypervisor_name, "qemu"},
	};

	c->hypervisor.default_vcpus = 1;
	c->hypervisor.default_memory_mib = 2048;
	c->hypervisor.virtio_fs_queue_size = 1024;
	c->agent = (struct config_agent){.server_port = 1024,
		.log_port = 1025,
		.dial_timeout_ms = 10,
		.reconnect_timeout_ms = 3000,
		.create_container_timeout_s = 30,
		.health_check_request_timeout_ms = 90000};
	c->runtime.disable_guest_seccomp = true;
	for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
		*strings[i].to = strdup(strings[i].text);
		if (!*strings[i].to)
			return -ENOMEM;
	}
	return 0;
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
		e = settle_cpus(r);
	if (e == 0)
		e = settle_files(r);
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
	for (size_t i = 0; i < SECTION_COUNT; i++)
		for (size_t k = 0; k < key_sections[i].n_keys; k++) {
			const struct key *key = &key_sections[i].keys[k];
			char **s = (void *)((char *)config + key->offset);

			if (key->use != KEY_USED || key->kind != KEY_STRING)
				continue;
			free(*s);
			*s = NULL; /* two keys may lead to one member */
		}
	for (size_t i = 0; i < config->n_warnings; i++)
		free(config->warnings[i]);
	free(config->warnings);
	free(config->file);
	free(config);
}
