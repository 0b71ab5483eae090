/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/cgroup_layout.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "linux/mountinfo.h"

enum { MOUNTINFO_MAX = 16 << 20 };

static const char usual_place[] = "/sys/fs/cgroup";

static const char names[][12] = {
	[CGROUP_CPU] = "cpu",
	[CGROUP_CPUACCT] = "cpuacct",
	[CGROUP_CPUSET] = "cpuset",
	[CGROUP_MEMORY] = "memory",
	[CGROUP_DEVICES] = "devices",
	[CGROUP_FREEZER] = "freezer",
	[CGROUP_BLKIO] = "blkio",
	[CGROUP_PIDS] = "pids",
	[CGROUP_HUGETLB] = "hugetlb",
	[CGROUP_NET_CLS] = "net_cls",
	[CGROUP_NET_PRIO] = "net_prio",
	[CGROUP_PERF_EVENT] = "perf_event",
	[CGROUP_RDMA] = "rdma",
	[CGROUP_MISC] = "misc",
};
static_assert(ARRAY_SIZE(names) == CGROUP_CONTROLLER_COUNT, "a name for each controller");

const char *cgroup_controller_name(enum cgroup_controller which)
{
	return names[which];
}

static uint32_t parse_controllers(const char *options)
{
	uint32_t found = 0;

	for (size_t len; *options; options += len + (options[len] == ',')) {
		len = strcspn(options, ",");
		for (size_t i = 0; i < ARRAY_SIZE(names); i++)
			if (strlen(names[i]) == len && memcmp(names[i], options, len) == 0)
				found |= UINT32_C(1) << i;
	}
	return found;
}

/* False for what is no hierarchy of ours. */
static bool parse_mount(const struct mountinfo *m, struct cgroup_hierarchy *ret)
{
	size_t len = strlen(m->mount_point);

	*ret = (struct cgroup_hierarchy){.unified = strcmp(m->fs_type, "cgroup2") == 0};
	if (!ret->unified && strcmp(m->fs_type, "cgroup") == 0)
		ret->controllers = parse_controllers(m->super_options);
	if ((!ret->unified && ret->controllers == 0) || len >= sizeof(ret->mount_point))
		return false;
	memcpy(ret->mount_point, m->mount_point, len + 1);
	return true;
}

static bool is_usual(const struct cgroup_hierarchy *h)
{
	size_t len = sizeof(usual_place) - 1;

	return strncmp(h->mount_point, usual_place, len) == 0 &&
	       (h->mount_point[len] == '/' || h->mount_point[len] == '\0');
}

static void remove_at(struct cgroup_layout *l, size_t i)
{
	l->n_hierarchies--;
	memmove(&l->hierarchies[i], &l->hierarchies[i + 1],
		(l->n_hierarchies - i) * sizeof(l->hierarchies[0]));
}

static bool overlap(const struct cgroup_hierarchy *a, const struct cgroup_hierarchy *b)
{
	return (a->unified && b->unified) || a->controllers & b->controllers;
}

static void add(struct cgroup_layout *l, const struct cgroup_hierarchy *new)
{
	for (size_t i = 0; i < l->n_hierarchies; i++)
		if (overlap(&l->hierarchies[i], new) &&
			(!is_usual(new) || is_usual(&l->hierarchies[i])))
			return;
	for (size_t i = l->n_hierarchies; i-- > 0;)
		if (overlap(&l->hierarchies[i], new))
			remove_at(l, i);
	/* There is room: no two have a controller in common. */
	assert(l->n_hierarchies < ARRAY_SIZE(l->hierarchies));
	l->hierarchies[l->n_hierarchies++] = *new;
}

/* Whatever is mounted there later. */
static void hide(struct cgroup_layout *l, const char *mount_point)
{
	for (size_t i = l->n_hierarchies; i-- > 0;)
		if (strcmp(l->hierarchies[i].mount_point, mount_point) == 0)
			remove_at(l, i);
}

int cgroup_layout_parse(char *text, struct cgroup_layout *ret)
{
	struct cgroup_layout l = {.n_hierarchies = 0};
	struct cgroup_hierarchy h;
	struct mountinfo m;

	while (mountinfo_next(&text, &m)) {
		hide(&l, m.mount_point);
		if (parse_mount(&m, &h))
			add(&l, &h);
	}
	if (l.n_hierarchies == 0)
		return -ENOENT;
	*ret = l;
	return 0;
}

int cgroup_layout_read(struct cgroup_layout *ret, struct err *err)
{
	auto_buf struct buf text = BUF_INIT;
	auto_free char *copy = NULL;
	int r = io_read_file(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text);

	if (r == 0) {
		copy = buf_take_str(&text);
		r = copy ? 0 : -ENOMEM;
	}
	if (r < 0)
		return err_sys(err, -r, "read /proc/self/mountinfo");
	if (cgroup_layout_parse(copy, ret) < 0)
		return err_set(err, ENOENT, "no cgroup hierarchy is mounted");
	return 0;
}

int cgroup_layout_find(const struct cgroup_layout *layout, enum cgroup_controller which)
{
	for (size_t i = 0; i < layout->n_hierarchies; i++)
		if (layout->hierarchies[i].controllers & UINT32_C(1) << which)
			return (int)i;
	return cgroup_layout_find_unified(layout);
}

int cgroup_layout_find_unified(const struct cgroup_layout *layout)
{
	for (size_t i = 0; i < layout->n_hierarchies; i++)
		if (layout->hierarchies[i].unified)
			return (int)i;
	return -ENOENT;
}
