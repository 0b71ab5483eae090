/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/guest_mounts.h"

#include <stdio.h>
#include <string.h>

#include "wire/message.h"

/* File systems that need nothing of the host. */
static const char *const kernel_types[] = {"proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup",
	"cgroup2", "devtmpfs", "bpf", "debugfs", "securityfs", "tracefs", "ramfs", "binfmt_misc"};

/* Asked for in so many words: not the host's affair. */
static const char guest_prefix[] = "kata:guest-mount:";

enum { HUGEPAGE_DEFAULT_SIZE = 2 << 20 }; /* x86-64's */

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

static bool is_huge(const Grpc__Mount *m)
{
	return m->type && strcmp(m->type, "hugetlbfs") == 0;
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

static bool is_disk_type(const Grpc__Mount *m)
{
	return m->type && strcmp(m->type, "ext4") == 0;
}

/* Of a bind from /dev, or of a file system on a disk: nothing is mounted on the host. */
static int look_for_disk(struct guest_mounts *g, size_t i, enum share_purpose purpose,
	struct share_plan *plan, struct err *err)
{
	Grpc__Mount *m = &g->items[i];
	struct share_mount mount = {.purpose = purpose,
		.type = m->type ? m->type : "bind",
		.source = m->source,
		.options = m->options,
		.n_options = m->n_options};
	int r = share_plan_add(plan, &mount, "");

	if (r < 0)
		return err_sys(err, -r, "look at %s", m->source);
	g->plan_index[i] = plan->n_items - 1;
	return 0;
}

static int share_bind(
	struct guest_mounts *g, size_t i, const char *cid, struct share_plan *plan, struct err *err)
{
	Grpc__Mount *m = &g->items[i];
	struct share_mount mount = {.purpose = SHARE_VOLUME,
		.type = "bind",
		.source = m->source,
		.options = m->options,
		.n_options = m->n_options};
	auto_free char *name = NULL;
	int r;

	if (asprintf(&name, "passthrough/%s/vol%zu", cid, i) < 0) {
		name = NULL;
		return err_sys(err, ENOMEM, "share %s", m->source);
	}
	if (asprintf(&g->sources[i], "%s%s", LAYOUT_GUEST_SHARE, name) < 0) {
		g->sources[i] = NULL;
		return err_sys(err, ENOMEM, "share %s", m->source);
	}
	r = share_plan_add(plan, &mount, name);
	if (r < 0)
		return err_sys(err, -r, "share %s", m->source);
	g->plan_index[i] = plan->n_items - 1;
	m->source = g->sources[i];
	return 0;
}

/* Source becomes place, which is owned from here on and may be NULL: no memory. */
static int set_source(struct guest_mounts *g, size_t i, char *place, struct err *err)
{
	if (!place)
		return err_sys(err, ENOMEM, "make the guest's spec");
	free(g->sources[i]);
	g->sources[i] = g->items[i].source = place;
	return 0;
}

static int use_sandbox_shm(
	struct guest_mounts *g, size_t i, struct share_plan *plan, struct err *err)
{
	struct share_mount look = {.purpose = SHARE_SHM, .type = "", .source = g->items[i].source};
	int r = 0;

	if (look.source && look.source[0] == '/')
		r = share_plan_add(plan, &look, "");
	if (r < 0)
		return err_sys(err, -r, "make the guest's spec");
	return set_source(g, i, strdup(LAYOUT_GUEST_SHM), err);
}

static int amend_mount(
	struct guest_mounts *g, size_t i, const char *cid, struct share_plan *plan, struct err *err)
{
	Grpc__Mount *m = &g->items[i];
	const char *type = m->type ? m->type : "";

	if (!m->destination || m->destination[0] != '/')
		return err_set(err, EINVAL,
			"config.json: mounts[%zu]: destination %s is not absolute", i,
			m->destination ? m->destination : "\"\"");
	if (strncmp(type, guest_prefix, strlen(guest_prefix)) == 0) {
		m->type += strlen(guest_prefix);
		return 0;
	}
	if (is_bind(m)) {
		if (strcmp(m->destination, "/dev/shm") == 0)
			return use_sandbox_shm(g, i, plan, err);
		if (!m->source || m->source[0] != '/')
			return err_set(err, EINVAL,
				"config.json: mounts[%zu]: source of a bind mount is not absolute",
				i);
		if (is_at_or_below(m->source, "/dev"))
			return look_for_disk(g, i, SHARE_DEVICE, plan, err);
		return is_guests_own(m->source) ? 0 : share_bind(g, i, cid, plan, err);
	}
	for (size_t k = 0; k < ARRAY_SIZE(kernel_types); k++)
		if (strcmp(type, kernel_types[k]) == 0)
			return 0;
	if (is_huge(m))
		return 0;
	if (is_disk_type(m) && m->source && m->source[0] == '/')
		return look_for_disk(g, i, SHARE_DISK, plan, err);
	return err_set(err, ENOTSUP,
		"config.json: mounts[%zu]: %s: mounts of type \"%s\" are not supported yet", i,
		m->destination, type);
}

int guest_mounts_init(struct guest_mounts *m, const Grpc__Spec *spec, const char *cid,
	struct share_plan *plan, struct err *err)
{
	size_t n = spec->n_mounts;
	int r = 0;

	*m = (struct guest_mounts){.n = n, .n_list = n};
	m->items = calloc(n + 1, sizeof(*m->items));
	m->list = calloc(n + 1, sizeof(*m->list));
	m->sources = calloc(n + 1, sizeof(*m->sources));
	m->plan_index = calloc(n + 1, sizeof(*m->plan_index));
	if (!m->items || !m->list || !m->sources || !m->plan_index)
		return err_sys(err, ENOMEM, "make the guest's spec");
	for (size_t i = 0; i < n && r == 0; i++) {
		m->items[i] = *spec->mounts[i];
		/* They were read with the rest, and named as not carried (oci/spec.c). */
		m->items[i].n_uidmappings = m->items[i].n_gidmappings = 0;
		m->list[i] = &m->items[i];
		m->plan_index[i] = SIZE_MAX;
		r = amend_mount(m, i, cid, plan, err);
	}
	return r;
}

/* The last component of a path, to be freed; NULL: no memory, or it has none that names something. */
static char *name_of(const char *path)
{
	size_t end = strlen(path), start;

	while (end > 0 && path[end - 1] == '/')
		end--;
	start = end;
	while (start > 0 && path[start - 1] != '/')
		start--;
	if (end == start || (end - start == 1 && path[start] == '.') ||
		(end - start == 2 && memcmp(path + start, "..", 2) == 0))
		return NULL;
	return strndup(path + start, end - start);
}

/* From now on the mount is a bind of what the guest has at place; its type and options for the file
 * system are of no use to it. */
static void make_bind(Grpc__Mount *m)
{
	static char rbind[] = "rbind";
	static char *options[] = {rbind};

	m->type = message_text("bind");
	m->options = options;
	m->n_options = 1;
}

static int own_hugetlbfs(struct guest_mounts *g, size_t i,
	const struct guest_mounts_context *context, struct err *err)
{
	static const char key[] = "pagesize=";
	struct volume_facts facts = {.kind = VOLUME_HUGEPAGES, .page_size = HUGEPAGE_DEFAULT_SIZE};
	Grpc__Mount *m = &g->items[i];
	auto_free char *name = NULL;
	int r;

	for (size_t k = 0; k < m->n_options; k++) {
		const char *option = m->options[k];

		if (strncmp(option, key, strlen(key)) == 0 &&
			!guest_storages_parse_size(option + strlen(key), &facts.page_size))
			return err_set(
				err, EINVAL, "config.json: mounts[%zu]: %s: not a size", i, option);
	}
	if (asprintf(&name, "%s-vol%zu", context->cid, i) < 0) {
		name = NULL;
		return err_sys(err, ENOMEM, "make the guest's spec");
	}
	r = set_source(g, i, guest_storages_place(VOLUME_HUGEPAGES, name, NULL), err);
	if (r == 0)
		r = guest_storages_add_hugepages(
			&g->storages, context->resources, &facts, m->source, err);
	make_bind(m);
	return r;
}

/* A file system on a disk is mounted once in the guest and bound from there. */
static int settle_file_system(struct guest_mounts *g, size_t i,
	const struct guest_mounts_context *context, struct err *err)
{
	const struct share_mount *from = &context->plan->items[g->plan_index[i]];
	Grpc__Mount *m = &g->items[i];
	char *place;
	int r;

	if (asprintf(&place, "%s/%s-vol%zu", LAYOUT_GUEST_STORAGE, context->cid, i) < 0)
		place = NULL;
	r = set_source(g, i, place, err);
	if (r < 0)
		return r;
	r = guest_storages_add_disk(
		&g->storages, from->address, m->type, m->options, m->n_options, place);
	make_bind(m);
	return r < 0 ? err_sys(err, -r, "make the guest's storages") : 0;
}

/* Its mount becomes a device. */
static void settle_disk(
	struct guest_mounts *g, size_t i, const struct guest_mounts_context *context)
{
	size_t at = g->plan_index[i];

	guest_devices_add(context->devices, g->items[i].destination,
		context->plan->items[at].address, share_plan_facts(context->plan, at));
	g->list[i] = NULL;
}

static int add_storage(struct guest_mounts *g, const Grpc__LinuxResources *resources,
	const struct volume_facts *facts, const char *from, const char *place, struct err *err)
{
	int r;

	if (facts->kind == VOLUME_HUGEPAGES)
		return guest_storages_add_hugepages(&g->storages, resources, facts, place, err);
	if (facts->kind == VOLUME_MEMORY)
		r = guest_storages_add_memory(&g->storages, facts, place);
	else if (facts->kind == VOLUME_LOCAL)
		r = guest_storages_add_local(&g->storages, facts, place);
	else
		r = guest_storages_add_watchable(&g->storages, from, place);
	return r < 0 ? err_sys(err, -r, "make the guest's storages") : 0;
}

static int settle_bind(struct guest_mounts *g, size_t i, const struct guest_mounts_context *context,
	struct err *err)
{
	size_t at = g->plan_index[i];
	const struct volume_facts *facts = share_plan_facts(context->plan, at);
	auto_free char *name = NULL;
	char *place;
	int r;

	if (facts->kind == VOLUME_SHARED)
		return 0;
	if (facts->kind == VOLUME_BLOCK) {
		if (context->plan->items[at].purpose == SHARE_DISK)
			return settle_file_system(g, i, context, err);
		settle_disk(g, i, context);
		return 0;
	}
	if (facts->kind != VOLUME_WATCHABLE)
		name = name_of(context->plan->items[at].source);
	else if (asprintf(&name, "%s-vol%zu", context->cid, i) < 0)
		name = NULL;
	place = name ? guest_storages_place(facts->kind, name, context->sandbox_id) : NULL;
	r = place ? add_storage(g, context->resources, facts, g->items[i].source, place, err)
		  : err_sys(err, ENOMEM, "make the guest's spec");
	if (r < 0) {
		free(place);
		return r;
	}
	return set_source(g, i, place, err);
}

int guest_mounts_settle(
	struct guest_mounts *m, const struct guest_mounts_context *context, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < m->n && r == 0; i++) {
		if (m->plan_index[i] != SIZE_MAX)
			r = settle_bind(m, i, context, err);
		else if (is_huge(&m->items[i]))
			r = own_hugetlbfs(m, i, context, err);
	}
	m->n_list = 0;
	for (size_t i = 0; i < m->n; i++)
		if (m->list[i])
			m->list[m->n_list++] = m->list[i];
	return r;
}

void guest_mounts_fini(struct guest_mounts *m)
{
	for (size_t i = 0; i < m->n && m->sources; i++)
		free(m->sources[i]);
	guest_storages_fini(&m->storages);
	free(m->sources);
	free(m->plan_index);
	free(m->items);
	free(m->list);
	*m = (struct guest_mounts){.n = 0};
}
