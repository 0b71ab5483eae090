/* SPDX-License-Identifier: Apache-2.0 */
#include "config/annotations.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "config/allow.h"
#include "config/guest_params.h"
#include "config/layers.h"
#include "config/setting.h"
#include "config/settle.h"

/* A kernel's command line has 2 KiB. */
enum { MAX_VALUE = 4096, MAX_ELEMENTS = 64 };

static const char prefix[] = "io.katacontainers.config.";

const struct annotation_without_key annotations_without_key[] = {
	{"hypervisor.path_hash", "SHA-512 of `path`."},
	{"hypervisor.hypervisor_hash", "The same (Go)."},
	{"hypervisor.jailer_hash", "SHA-512 of `jailer_path`."},
	{"hypervisor.kernel_hash", "SHA-512 of `kernel`."},
	{"hypervisor.image_hash", "SHA-512 of `image`."},
	{"hypervisor.initrd_hash", "SHA-512 of `initrd`."},
	{"hypervisor.firmware_hash", "SHA-512 of `firmware`."},
	{"hypervisor.firmware_volume_hash", "SHA-512 of `firmware_volume`."},
	{"hypervisor.asset_hash_type", "Which hash these are."},
	{NULL, NULL},
};

static const struct {
	const char *name; /* of the annotation, with the dot */
	enum key_section_id section;
} sections[] = {
	{"hypervisor.", SECTION_HYPERVISOR},
	{"runtime.", SECTION_RUNTIME},
	{"agent.", SECTION_AGENT},
};

struct pod {
	struct config *config;
	const struct config_annotation *list;
	size_t n;
};

static int no_memory(struct err *err)
{
	return err_sys(err, ENOMEM, "read the annotations");
}

static int warn(const struct pod *pod, const char *name, const char *what, struct err *err)
{
	return config_add_warning(pod->config, "annotation %.128s %s", name, what) < 0
		       ? no_memory(err)
		       : 0;
}

/* Which key it is about: NULL if none. *ret_name: what the patterns are looked for in. */
static const struct key *find_key(const char *annotation, const char **ret_name)
{
	const char *rest = annotation + strlen(prefix);

	*ret_name = rest;
	for (size_t s = 0; s < ARRAY_SIZE(sections); s++) {
		const struct key_section *section = key_sections[sections[s].section];
		size_t len = strlen(sections[s].name);

		if (strncmp(rest, sections[s].name, len) != 0)
			continue;
		*ret_name = rest + len;
		for (size_t i = 0; i < section->n_keys; i++) {
			const struct key *key = &section->keys[i];

			if (key->annotated != ANNOTATION_NONE &&
				strcmp(key_annotation(key), *ret_name) == 0)
				return key;
		}
	}
	return NULL;
}

/* Paths */

static bool is_host_path(const struct key *key)
{
	return key->is_path || key->allowed;
}

/* The links of a path that is allowed are resolved: nobody can turn them later. */
static int check_path(const struct pod *pod, const struct key *key, char **path, struct err *err)
{
	const void *list = (const char *)pod->config + key->allowed;
	auto_free char *resolved = NULL;
	bool is_allowed = false;
	int r;

	if (**path != '/')
		return err_set(err, EINVAL, "\"%.256s\" is not an absolute path", *path);
	resolved = realpath(*path, NULL);
	if (!resolved)
		return err_sys(err, errno, "%.256s", *path);
	r = key->allowed ? allow_find_path(list, resolved, &is_allowed)
			 : allow_is_beside(pod->config->hypervisor.kernel, resolved, &is_allowed);
	if (r < 0)
		return no_memory(err);
	if (!is_allowed)
		return err_set(err, EACCES, "%.256s is not allowed (%s)", *path,
			key->allowed ? "the list of valid paths" : "not beside the kernel");
	free(*path);
	*path = take_ptr(&resolved);
	return 0;
}

/* Values that have a form of their own */

#define WORD "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

/* "on", "off" and numbers for what QEMU's -machine has besides files, back ends and devices. */
static int check_machine(const char *text, struct err *err)
{
	static const char *const names[] = {"dump-guest-core", "gic-version", "hpet",
		"kernel_irqchip", "mem-merge", "nvdimm", "pit", "sata", "smbus", "smm",
		"suppress-vmdesc", "usb", "vmport"};

	while (*text) {
		size_t len = strcspn(text, ","), name = strcspn(text, "=,");
		size_t value = name + (text[name] == '=');
		bool known = false;

		for (size_t i = 0; i < ARRAY_SIZE(names); i++)
			known = known ||
				(strlen(names[i]) == name && memcmp(names[i], text, name) == 0);
		if (!known)
			return err_set(err, EINVAL, "\"%.*s\" may not be set by an annotation",
				(int)(name < 64 ? name : 64), text);
		if (value + strspn(text + value, WORD "-") < len)
			return err_set(
				err, EINVAL, "\"%.64s\" is not an option of a machine", text);
		text += len + (text[len] == ',');
	}
	return 0;
}

static int check_cpu(const char *text, struct err *err)
{
	if (text[strspn(text, WORD "+-.=,")])
		return err_set(err, EINVAL, "\"%.64s\" is not a list of CPU features", text);
	return 0;
}

/* "512", "512Mi", "1GiB", "1G": MiB, rounded up. */
static int parse_memory(const char *text, struct setting *ret, struct err *err)
{
	static const char units[] = "KMGT";
	size_t n_digits = strspn(text, "0123456789");
	const char *unit = text + n_digits, *at = *unit ? strchr(units, *unit) : NULL;
	uint64_t n, factor = 1;
	bool is_binary = *unit && unit[1] == 'i';
	const char *end = unit + (*unit != '\0') + is_binary;

	if (n_digits == 0 || n_digits > 15 || (*unit && !at) || (*end && strcmp(end, "B") != 0))
		return err_set(err, EINVAL, "\"%.64s\" is not a size", text);
	n = strtoull(text, NULL, 10);
	if (!*unit) {
		ret->integer = (int64_t)n;
		return 0;
	}
	for (const char *u = units; u <= at; u++)
		factor *= is_binary ? 1024 : 1000;
	if (__builtin_mul_overflow(n, factor, &n) || n > INT64_MAX - (1 << 20))
		return err_set(err, EINVAL, "%.64s is out of range", text);
	ret->integer = (int64_t)((n + (1 << 20) - 1) >> 20);
	return 0;
}

static int merge_params(const struct pod *pod, char **text, struct err *err)
{
	auto_buf struct buf merged = BUF_INIT;
	int r = guest_params_check(*text, err);

	if (r < 0)
		return r;
	if (guest_params_merge(pod->config->hypervisor.kernel_params, *text, &merged) < 0)
		return no_memory(err);
	free(*text);
	*text = buf_take_str(&merged);
	return *text ? 0 : no_memory(err);
}

/* Bounds that are narrower for a pod than for the administrator */

static uint64_t memory_limit_mib(const struct config *config)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

	if (config->hypervisor.default_maxmemory_mib)
		return config->hypervisor.default_maxmemory_mib;
	return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size >> 20 : UINT32_MAX;
}

static int check_number(
	const struct pod *pod, const struct key *key, const struct setting *s, struct err *err)
{
	uint64_t limit = UINT64_MAX;

	if (key->kind == KEY_NUMBER && !(isfinite(s->number) && s->number >= 0))
		return err_set(err, EINVAL, "%g is out of range", s->number);
	if (key->kind != KEY_INTEGER && key->kind != KEY_INTEGER64)
		return 0;
	if (key == key_find(SECTION_HYPERVISOR, "default_memory"))
		limit = memory_limit_mib(pod->config);
	else if (key == key_find(SECTION_HYPERVISOR, "default_maxvcpus"))
		limit = settle_host_cpus();
	if (s->integer < 0 || (uint64_t)s->integer > limit)
		return err_set(err, EINVAL, "%lld is out of range (at most %llu)",
			(long long)s->integer, (unsigned long long)limit);
	return 0;
}

static int read_setting(const struct pod *pod, const struct key *key, const char *text,
	struct setting *s, struct err *err)
{
	int r = key == key_find(SECTION_HYPERVISOR, "default_memory")
			? parse_memory(text, s, err)
			: setting_read_text(key, text, s, err);

	if (r == 0)
		r = check_number(pod, key, s, err);
	if (r == 0 && s->strings.n > MAX_ELEMENTS)
		r = err_set(err, EINVAL, "more than %d elements", MAX_ELEMENTS);
	return r == 0 ? setting_check(key, s, err) : r;
}

static int check_form(
	const struct pod *pod, const struct key *key, struct setting *s, struct err *err)
{
	if (key->kind != KEY_STRING || !*s->string)
		return 0;
	if (is_host_path(key))
		return check_path(pod, key, &s->string, err);
	if (key == key_find(SECTION_HYPERVISOR, "kernel_params"))
		return merge_params(pod, &s->string, err);
	if (key == key_find(SECTION_HYPERVISOR, "machine_accelerators"))
		return check_machine(s->string, err);
	if (key == key_find(SECTION_HYPERVISOR, "cpu_features"))
		return check_cpu(s->string, err);
	return 0;
}

static int check_text(const char *text, struct err *err)
{
	if (strlen(text) > MAX_VALUE)
		return err_set(err, E2BIG, "longer than %d bytes", MAX_VALUE);
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return err_set(err, EINVAL, "holds a control character");
	return 0;
}

/* One that is heeded. *ret_is_plain: it has the effect it asks for. */
static int apply_key(const struct pod *pod, const struct key *key, const char *text,
	bool *ret_is_plain, struct err *err)
{
	auto_setting struct setting s = {.integer = 0};
	int r = 0;

	*ret_is_plain = key->use == KEY_USED || key->use == KEY_IDLE;
	if (key->use == KEY_REFUSED && *text && key->kind == KEY_STRING &&
		(!key->plain || strcmp(text, key->plain) != 0))
		return err_set(err, ENOTSUP, "not supported yet");
	r = check_text(text, err);
	if (r == 0)
		r = read_setting(pod, key, text, &s, err);
	if (r < 0)
		return r;
	if (!*ret_is_plain && setting_is_plain(key, &s, ret_is_plain) < 0)
		return no_memory(err);
	if (!*ret_is_plain && key->use == KEY_REFUSED)
		return err_set(err, ENOTSUP, "not supported yet");
	r = check_form(pod, key, &s, err);
	if (r == 0)
		setting_store(key, &s, pod->config);
	return r;
}

/* The rules */

static int apply_known(const struct pod *pod, const struct config_annotation *a,
	const struct key *key, const char *name, struct err *err)
{
	bool is_enabled = key->annotated == ANNOTATION_FREE, is_plain;
	int r;

	if (key->annotated == ANNOTATION_NEVER)
		return warn(pod, a->key, "is never heeded and has no effect", err);
	if (!is_enabled &&
		allow_find_name(&pod->config->hypervisor.enable_annotations, name, &is_enabled) < 0)
		return no_memory(err);
	if (!is_enabled && is_host_path(key))
		return err_set(
			err, EACCES, "annotation %.128s: names a path and is not enabled", a->key);
	if (!is_enabled)
		return warn(
			pod, a->key, "is not enabled (enable_annotations) and has no effect", err);
	r = apply_key(pod, key, a->value, &is_plain, err);
	if (r < 0)
		return err_wrap(err, "annotation %.128s", a->key), r;
	return is_plain ? 0 : warn(pod, a->key, "is not supported yet and has no effect", err);
}

static bool has_no_key(const char *annotation)
{
	for (const struct annotation_without_key *a = annotations_without_key; a->name; a++)
		if (strcmp(a->name, annotation + strlen(prefix)) == 0)
			return true;
	return false;
}

/* What asks for a check that is not made must not run unchecked, once it may ask. */
static int apply_other(
	const struct pod *pod, const struct config_annotation *a, const char *name, struct err *err)
{
	bool is_enabled = false;

	if (!has_no_key(a->key))
		return warn(pod, a->key, "is unknown and has no effect", err);
	if (allow_find_name(&pod->config->hypervisor.enable_annotations, name, &is_enabled) < 0)
		return no_memory(err);
	if (is_enabled)
		return err_set(err, ENOTSUP, "annotation %.128s: not supported yet", a->key);
	return warn(pod, a->key, "is not enabled (enable_annotations) and has no effect", err);
}

static int apply(const struct pod *pod, const struct config_annotation *a, struct err *err)
{
	/* The first would name any file of the host as the configuration; the others are the Go
	 * runtime's spellings. */
	static const char *const ignored[] = {"io.katacontainers.config_path",
		"io.katacontainers.enable_vcpus_pinning", "io.katacontainers.asset_hash_type"};
	const struct key *key;
	const char *name;

	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		if (strcmp(a->key, ignored[i]) == 0)
			return warn(pod, a->key, "is never heeded and has no effect", err);
	if (strncmp(a->key, prefix, strlen(prefix)) != 0)
		return 0;
	key = find_key(a->key, &name);
	return key ? apply_known(pod, a, key, name, err) : apply_other(pod, a, name, err);
}

/* Names the annotation at fault, or if it is none of them the key. */
static int blame(const struct pod *pod, const struct settle_fault *fault, struct err *err)
{
	const struct key *key = key_find(fault->section, fault->key);

	for (size_t i = 0; i < pod->n; i++) {
		const char *name;

		if (strncmp(pod->list[i].key, prefix, strlen(prefix)) == 0 &&
			find_key(pod->list[i].key, &name) == key)
			return err_wrap(err, "annotation %.128s", pod->list[i].key), -EINVAL;
	}
	return err_wrap(err, "annotations: %s", fault->key), -EINVAL;
}

int config_apply_annotations(
	struct config *config, const struct config_annotation *list, size_t n, struct err *err)
{
	const struct pod pod = {.config = config, .list = list, .n = n};
	struct settle_fault fault;
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = apply(&pod, &list[i], err);
	if (r == 0) {
		r = config_settle(config, &fault, err);
		if (r == -EINVAL)
			r = blame(&pod, &fault, err);
	}
	return r;
}
