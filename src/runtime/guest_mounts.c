/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/guest_mounts.h"

#include <stdio.h>
#include <string.h>

/* File systems that need nothing of the host. */
static const char *const kernel_types[] = {"proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup",
	"cgroup2", "devtmpfs", "bpf", "debugfs", "securityfs", "tracefs", "ramfs", "binfmt_misc"};

static bool has_option(const Grpc__Mount *m, const char *option)
{
	for (size_t i = 0; i < m->n_options; i++)
		if (strcmp(m->options[i], option) == 0)
			return true;
	return false;
}

static bool is_bind(const Grpc__Mount *m)
{
	return (m->type && strcmp(m->type, "bind") == 0) || has_option(m, "bind") ||
	       has_option(m, "rbind");
}

static bool is_at_or_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static bool is_guests_own(const char *source)
{
	return is_at_or_below(source, "/dev") || is_at_or_below(source, "/proc") ||
	       is_at_or_below(source, "/sys");
}

static int share_bind(
	struct guest_mounts *g, size_t i, const char *cid, struct share_plan *plan, struct err *err)
{
	Grpc__Mount *m = &g->items[i];
	struct share_mount mount = {.type = "bind",
		.source = m->source,
		.options = m->options,
		.n_options = m->n_options,
		.is_readonly = has_option(m, "ro")};
	auto_free char *name = NULL;
	int r;

	if (asprintf(&name, "%s/vol%zu", cid, i) < 0) {
		name = NULL;
		return err_sys(err, ENOMEM, "share %s", m->source);
	}
	if (asprintf(&g->sources[i], "%s/%s", LAYOUT_GUEST_PASSTHROUGH, name) < 0) {
		g->sources[i] = NULL;
		return err_sys(err, ENOMEM, "share %s", m->source);
	}
	r = share_plan_add(plan, &mount, name);
	if (r < 0)
		return err_sys(err, -r, "share %s", m->source);
	m->source = g->sources[i];
	return 0;
}

static int use_sandbox_shm(struct guest_mounts *g, size_t i, struct err *err)
{
	g->sources[i] = strdup(LAYOUT_GUEST_SHM);
	if (!g->sources[i])
		return err_sys(err, ENOMEM, "make the guest's spec");
	g->items[i].source = g->sources[i];
	return 0;
}

static int amend_mount(
	struct guest_mounts *g, size_t i, const char *cid, struct share_plan *plan, struct err *err)
{
	const Grpc__Mount *m = &g->items[i];
	const char *type = m->type ? m->type : "";

	if (!m->destination || m->destination[0] != '/')
		return err_set(err, EINVAL,
			"config.json: mounts[%zu]: destination %s is not absolute", i,
			m->destination ? m->destination : "\"\"");
	if (is_bind(m)) {
		if (strcmp(m->destination, "/dev/shm") == 0)
			return use_sandbox_shm(g, i, err);
		if (!m->source || m->source[0] != '/')
			return err_set(err, EINVAL,
				"config.json: mounts[%zu]: source of a bind mount is not absolute",
				i);
		return is_guests_own(m->source) ? 0 : share_bind(g, i, cid, plan, err);
	}
	for (size_t k = 0; k < ARRAY_SIZE(kernel_types); k++)
		if (strcmp(type, kernel_types[k]) == 0)
			return 0;
	return err_set(err, ENOTSUP,
		"config.json: mounts[%zu]: %s: mounts of type \"%s\" are not supported yet", i,
		m->destination, type);
}

int guest_mounts_init(struct guest_mounts *m, const Grpc__Spec *spec, const char *cid,
	struct share_plan *plan, struct err *err)
{
	size_t n = spec->n_mounts;
	int r = 0;

	*m = (struct guest_mounts){.n = n};
	m->items = calloc(n + 1, sizeof(*m->items));
	m->list = calloc(n + 1, sizeof(*m->list));
	m->sources = calloc(n + 1, sizeof(*m->sources));
	if (!m->items || !m->list || !m->sources)
		return err_sys(err, ENOMEM, "make the guest's spec");
	for (size_t i = 0; i < n && r == 0; i++) {
		m->items[i] = *spec->mounts[i];
		/* They were read with the rest, and named as not carried (oci/spec.c). */
		m->items[i].n_uidmappings = m->items[i].n_gidmappings = 0;
		m->list[i] = &m->items[i];
		r = amend_mount(m, i, cid, plan, err);
	}
	return r;
}

void guest_mounts_fini(struct guest_mounts *m)
{
	for (size_t i = 0; i < m->n && m->sources; i++)
		free(m->sources[i]);
	free(m->sources);
	free(m->items);
	free(m->list);
	*m = (struct guest_mounts){.n = 0};
}
