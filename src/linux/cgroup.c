/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/cgroup.h"

#include <time.h>

#include "base/clock.h"
#include "base/io.h"
#include "linux/cgroup_dir.h"
#include "linux/cgroup_members.h"

void cgroup_close(struct cgroup *c)
{
	for (size_t i = 0; c->layout && i < c->layout->n_hierarchies; i++)
		close_fd(c->fds[i]);
	*c = (struct cgroup){.layout = NULL};
}

/* Opens or makes the cgroup's directories. Those that are open when it fails are the caller's. */
typedef int fill_fn(
	const struct cgroup_layout *layout, const char *path, struct cgroup *c, struct err *err);

static int start(const struct cgroup_layout *layout, const char *path, fill_fn *fill,
	struct cgroup *ret, struct err *err)
{
	struct cgroup c = {.layout = layout};
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(c.fds); i++)
		c.fds[i] = -1;
	r = fill(layout, path, &c, err);
	if (r < 0)
		cgroup_close(&c);
	else
		*ret = c;
	return r;
}

static int open_all(
	const struct cgroup_layout *layout, const char *path, struct cgroup *c, struct err *err)
{
	bool found = false;

	for (size_t i = 0; i < layout->n_hierarchies; i++) {
		const struct cgroup_hierarchy *h = &layout->hierarchies[i];
		auto_fd int root_fd = cgroup_dir_open_root(h, err);
		int fd;

		if (root_fd < 0)
			return root_fd;
		fd = cgroup_dir_open(root_fd, path);
		if (fd < 0 && fd != -ENOENT)
			return err_sys(err, -fd, "open cgroup %s in %s", path, h->mount_point);
		c->fds[i] = fd < 0 ? -1 : fd;
		found |= fd >= 0;
	}
	return found ? 0 : err_sys(err, ENOENT, "open cgroup %s", path);
}

int cgroup_open(
	const struct cgroup_layout *layout, const char *path, struct cgroup *ret, struct err *err)
{
	return start(layout, path, open_all, ret, err);
}

static int check_empty(const struct cgroup_layout *layout, const char *path, struct err *err)
{
	auto_cgroup struct cgroup c = {.layout = NULL};
	struct err failure = ERR_INIT;
	int r = cgroup_open(layout, path, &c, &failure);

	if (r < 0)
		return r == -ENOENT ? 0 : err_copy(err, &failure);
	for (size_t i = 0; i < layout->n_hierarchies; i++) {
		bool populated = false;

		if (c.fds[i] < 0)
			continue;
		r = cgroup_dir_is_populated(c.fds[i], layout->hierarchies[i].unified, &populated);
		if (r < 0)
			return err_sys(err, -r, "look into cgroup %s", path);
		if (populated)
			return err_set(
				err, EEXIST, "cgroup %s is in use by another container", path);
	}
	return 0;
}

static int create_all(
	const struct cgroup_layout *layout, const char *path, struct cgroup *c, struct err *err)
{
	for (size_t i = 0; i < layout->n_hierarchies; i++) {
		const struct cgroup_hierarchy *h = &layout->hierarchies[i];
		auto_fd int root_fd = cgroup_dir_open_root(h, err);
		int fd;

		if (root_fd < 0)
			return root_fd;
		fd = cgroup_dir_create(root_fd, path, h);
		if (fd < 0)
			return err_sys(err, -fd, "make cgroup %s in %s", path, h->mount_point);
		c->fds[i] = fd;
	}
	return 0;
}

int cgroup_create(
	const struct cgroup_layout *layout, const char *path, struct cgroup *ret, struct err *err)
{
	int r = check_empty(layout, path, err);

	return r < 0 ? r : start(layout, path, create_all, ret, err);
}

int cgroup_join(const struct cgroup *c, bool but_unified)
{
	for (size_t i = 0; c->layout && i < c->layout->n_hierarchies; i++) {
		int r;

		if (c->fds[i] < 0 || (but_unified && c->layout->hierarchies[i].unified))
			continue;
		r = io_write_file(c->fds[i], "cgroup.procs", "0");
		if (r < 0)
			return r;
	}
	return 0;
}

int cgroup_fd_of(const struct cgroup *c, enum cgroup_controller which, bool *ret_unified)
{
	int i = c->layout ? cgroup_layout_find(c->layout, which) : -1;

	if (i < 0)
		return -1;
	*ret_unified = c->layout->hierarchies[i].unified;
	return c->fds[i];
}

int cgroup_fd_of_unified(const struct cgroup *c)
{
	int i = c->layout ? cgroup_layout_find_unified(c->layout) : -1;

	return i < 0 ? -1 : c->fds[i];
}

/* A process is no longer listed a moment before its directory can go; nothing tells when. */
static int remove_dir(int root_fd, const char *path, int64_t deadline_ns)
{
	int r;

	while ((r = cgroup_dir_remove(root_fd, path)) == -EBUSY && clock_now_ns() < deadline_ns)
		(void)nanosleep(&(struct timespec){.tv_nsec = NS_PER_MS}, NULL);
	return r;
}

static int remove_dirs(
	const struct cgroup_layout *layout, const char *path, int64_t deadline_ns, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < layout->n_hierarchies && r == 0; i++) {
		const struct cgroup_hierarchy *h = &layout->hierarchies[i];
		auto_fd int root_fd = cgroup_dir_open_root(h, err);

		if (root_fd < 0)
			return root_fd;
		r = remove_dir(root_fd, path, deadline_ns);
		if (r < 0)
			err_sys(err, -r, "remove cgroup %s in %s", path, h->mount_point);
		else
			cgroup_dir_remove_parents(root_fd, path);
	}
	return r;
}

int cgroup_remove(
	const struct cgroup_layout *layout, const char *path, int64_t deadline_ns, struct err *err)
{
	auto_cgroup struct cgroup c = {.layout = NULL};
	struct err failure = ERR_INIT;
	int r = cgroup_open(layout, path, &c, &failure);

	if (r < 0 && r != -ENOENT)
		return err_copy(err, &failure);
	if (r == 0)
		r = cgroup_kill_members(&c, deadline_ns);
	/* Somebody else, systemd, may remove it at the same time. */
	if (r < 0 && r != -ENOENT && r != -ENODEV)
		return err_sys(err, -r, "end the processes of cgroup %s", path);
	return remove_dirs(layout, path, deadline_ns, err);
}
