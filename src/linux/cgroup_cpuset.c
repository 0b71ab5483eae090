/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/cgroup_cpuset.h"

#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "linux/cgroup_dir.h"

#define CPUS_FILE "cpuset.cpus"

enum { MAX_CPUS = 65536 };

static int read_cpus(int fd, struct buf *ret)
{
	return io_read_file(fd, CPUS_FILE, MAX_CPUS, ret);
}

/* Each directory above the last of path, from the top. */
static int widen_parents(int root_fd, const char *path, const char *all)
{
	auto_free char *prefix = strdup(path);
	char *at = prefix;

	if (!prefix)
		return -ENOMEM;
	for (at += strspn(at, "/"); (at = strchr(at, '/')); *at = '/', at += strspn(at, "/")) {
		auto_fd int fd = -1;
		int r;

		if (!at[strspn(at, "/")])
			break;
		*at = '\0';
		fd = cgroup_dir_open(root_fd, prefix);
		r = fd < 0 ? fd : io_write_file(fd, CPUS_FILE, all);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Whether it has the processors of its parent, as it had when it was made. */
static int has_parents_cpus(int root_fd, const char *path, bool *ret)
{
	auto_buf struct buf above = BUF_INIT, own = BUF_INIT;
	const char *slash = strrchr(path, '/');
	auto_free char *parent = strndup(path, slash ? (size_t)(slash - path) : 0);
	auto_fd int fd = cgroup_dir_open(root_fd, path), parent_fd = -1;
	int r = !parent ? -ENOMEM : fd < 0 ? fd : read_cpus(fd, &own);

	/* That of the hierarchy's root has changed already. */
	*ret = true;
	if (r < 0 || !parent[strspn(parent, "/")])
		return r;
	parent_fd = cgroup_dir_open(root_fd, parent);
	r = parent_fd < 0 ? parent_fd : read_cpus(parent_fd, &above);
	*ret = slice_equal(buf_slice(&above), buf_slice(&own));
	return r;
}

static int renew_v1(int root_fd, const struct cgroup_cpuset *set, const char *all)
{
	auto_fd int fd = cgroup_dir_open(root_fd, set->path);
	int r = fd < 0 ? fd : widen_parents(root_fd, set->path, all);

	if (r < 0 || !set->has_parents)
		return r;
	r = io_write_file(fd, CPUS_FILE, all);
	if (*set->cpus)
		(void)!io_write_file(fd, CPUS_FILE, set->cpus);
	return r;
}

static int renew_all_v1(int root_fd, struct cgroup_cpuset *sets, size_t n)
{
	auto_buf struct buf all = BUF_INIT;
	int r = read_cpus(root_fd, &all);

	/* Before any parent changes. */
	for (size_t i = 0; i < n && r >= 0; i++) {
		r = has_parents_cpus(root_fd, sets[i].path, &sets[i].has_parents);
		if (r == -ENOENT)
			r = 0;
	}
	for (size_t i = 0; i < n && r >= 0; i++) {
		r = renew_v1(root_fd, &sets[i], buf_str(&all));
		if (r == -ENOENT)
			r = 0;
	}
	return r;
}

static void renew_v2(int root_fd, const struct cgroup_cpuset *set)
{
	auto_fd int fd = cgroup_dir_open(root_fd, set->path);
	auto_buf struct buf own = BUF_INIT;

	if (fd >= 0 && *set->cpus && read_cpus(fd, &own) == 0 && *buf_str(&own) <= '\n')
		(void)!io_write_file(fd, CPUS_FILE, set->cpus);
}

int cgroup_cpuset_renew(const struct cgroup_layout *layout, struct cgroup_cpuset *sets, size_t n)
{
	auto_fd int root_fd = -1;
	int at = cgroup_layout_find(layout, CGROUP_CPUSET);

	if (at < 0)
		return 0;
	root_fd = cgroup_dir_open_root(&layout->hierarchies[at], NULL);
	if (root_fd < 0)
		return root_fd;
	if (!layout->hierarchies[at].unified)
		return renew_all_v1(root_fd, sets, n);
	for (size_t i = 0; i < n; i++)
		renew_v2(root_fd, &sets[i]);
	return 0;
}
