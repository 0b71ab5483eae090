/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/cgroup_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"

enum {
	FILE_MAX = 4 << 20, /* cgroup.procs of a very full cgroup */
	MAX_DEPTH = 64,	    /* of cgroups made by the container below its own */
	MAX_RACES = 16,	    /* in which a parent is removed while something is made in it */
};

/* A parent that we have made, so that whoever leaves it last may remove it. */
#define MARK "trusted.kata.made"

int cgroup_dir_open_root(const struct cgroup_hierarchy *h, struct err *err)
{
	auto_fd int fd = open(h->mount_point, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0)
		return err_sys(err, errno, "open %s", h->mount_point);
	if (fstatfs(fd, &fs) < 0)
		return err_sys(err, errno, "statfs %s", h->mount_point);
	if (fs.f_type != (h->unified ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC))
		return err_set(err, EOPNOTSUPP, "%s is not a cgroup v%d file system",
			h->mount_point, h->unified ? 2 : 1);
	return take_fd(&fd);
}

/* Copies the next component of *path; 0 at its end. */
static int next_name(const char **path, char name[NAME_MAX + 1])
{
	size_t len;

	*path += strspn(*path, "/");
	len = strcspn(*path, "/");
	if (len == 0)
		return 0;
	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, *path, len);
	name[len] = '\0';
	*path += len;
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EINVAL;
	return 1;
}

static int open_dir(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* One write for each: a controller that cannot be enabled does not take the others with it. */
static void pass_controllers_on(int dir_fd)
{
	auto_buf struct buf b = BUF_INIT;
	const char *at;

	if (io_read_file(dir_fd, "cgroup.controllers", FILE_MAX, &b) < 0)
		return;
	at = buf_str(&b);
	for (size_t len; at += strspn(at, " \n"), (len = strcspn(at, " \n")) > 0; at += len) {
		char text[64];

		snprintf(text, sizeof(text), "+%.*s", (int)len, at);
		/* Whether it worked is seen by the limit's file being there below. */
		(void)!io_write_file(dir_fd, "cgroup.subtree_control", text);
	}
}

/* A new cpuset of v1 has no processors, and takes nobody before it does. */
static void inherit_cpuset(int parent_fd, int dir_fd)
{
	static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		auto_buf struct buf own = BUF_INIT, parents = BUF_INIT;

		if (io_read_file(dir_fd, files[i], FILE_MAX, &own) < 0 || *buf_str(&own) > '\n')
			continue;
		/* Joining fails if this does, and says so. */
		if (io_read_file(parent_fd, files[i], FILE_MAX, &parents) == 0)
			(void)!io_write_file(dir_fd, files[i], buf_str(&parents));
	}
}

/* Makes dir_fd ready for having children, which h != NULL asks for. */
static int make_child(
	int dir_fd, const char *name, const struct cgroup_hierarchy *h, bool is_parent)
{
	bool is_new;
	int fd;

	if (h && h->unified)
		pass_controllers_on(dir_fd);
	is_new = h && mkdirat(dir_fd, name, 0755) == 0;
	if (h && !is_new && errno != EEXIST)
		return -errno;
	fd = open_dir(dir_fd, name);
	/* Without the mark it stays, which does no harm. */
	if (fd >= 0 && is_new && is_parent)
		(void)fsetxattr(fd, MARK, "1", 1, 0);
	if (fd >= 0 && h && h->controllers & UINT32_C(1) << CGROUP_CPUSET)
		inherit_cpuset(dir_fd, fd);
	return fd;
}

/* Walks all but the last component, which is copied to last; h: makes what is missing. */
static int open_parent(
	int root_fd, const char *path, const struct cgroup_hierarchy *h, char last[NAME_MAX + 1])
{
	auto_fd int at = open_dir(root_fd, ".");
	char next[NAME_MAX + 1];
	int r;

	if (at < 0)
		return at;
	r = next_name(&path, last);
	if (r <= 0)
		return r < 0 ? r : -EINVAL;
	while ((r = next_name(&path, next)) > 0) {
		int below = make_child(at, last, h, true);

		if (below < 0)
			return below;
		close_fd(at);
		at = below;
		memcpy(last, next, sizeof(next));
	}
	return r < 0 ? r : take_fd(&at);
}

int cgroup_dir_open(int root_fd, const char *path)
{
	char name[NAME_MAX + 1];
	auto_fd int parent = open_parent(root_fd, path, NULL, name);

	return parent < 0 ? parent : open_dir(parent, name);
}

static int create(int root_fd, const char *path, const struct cgroup_hierarchy *h)
{
	char name[NAME_MAX + 1];
	auto_fd int parent = open_parent(root_fd, path, h, name);

	if (parent < 0)
		return parent;
	/* One that is left over has old limits. */
	if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return -errno;
	return make_child(parent, name, h, false);
}

int cgroup_dir_create(int root_fd, const char *path, const struct cgroup_hierarchy *h)
{
	int r = create(root_fd, path, h);

	/* Somebody who has left has just taken a parent away. */
	for (int i = 0; (r == -ENOENT || r == -ENODEV) && i < MAX_RACES; i++)
		r = create(root_fd, path, h);
	return r;
}

static int visit_below(int dir_fd, int depth, cgroup_dir_fn *fn, void *data)
{
	int r = fn(dir_fd, data), own_fd;
	struct dirent *entry;
	DIR *dir;

	if (r < 0)
		return r;
	if (depth >= MAX_DEPTH)
		return -ELOOP;
	own_fd = open_dir(dir_fd, ".");
	if (own_fd < 0)
		return own_fd;
	dir = fdopendir(own_fd);
	if (!dir) {
		close_fd(own_fd);
		return -errno;
	}
	while (r == 0 && (entry = readdir(dir))) {
		auto_fd int below = -1;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		below = open_dir(dir_fd, entry->d_name);
		/* It may be removed by those who made it at any time. */
		if (below >= 0)
			r = visit_below(below, depth + 1, fn, data);
		else if (below != -ENOENT)
			r = below;
	}
	closedir(dir);
	return r;
}

int cgroup_dir_visit(int dir_fd, cgroup_dir_fn *fn, void *data)
{
	return visit_below(dir_fd, 0, fn, data);
}

int cgroup_dir_each_pid(int dir_fd, cgroup_dir_pid_fn *fn, void *data)
{
	auto_buf struct buf b = BUF_INIT;
	int r = io_read_file(dir_fd, "cgroup.procs", FILE_MAX, &b);

	/* EOPNOTSUPP: threaded; ENODEV: removed meanwhile. */
	if (r < 0)
		return r == -EOPNOTSUPP || r == -ENODEV ? 0 : r;
	for (const char *at = buf_str(&b); *at;) {
		char *end;
		long pid = strtol(at, &end, 10);

		if (end == at)
			break;
		if (pid > 0)
			fn((pid_t)pid, data);
		at = end + strspn(end, "\n");
	}
	return 0;
}

static int look_for_processes(int dir_fd, void *data)
{
	bool *found = data;
	char byte;
	auto_fd int fd = openat(dir_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT || errno == ENODEV ? 0 : -errno;
	*found |= read(fd, &byte, 1) == 1;
	return 0;
}

/* Whether the line "flag value" says anything but 0. */
static bool has_flag(const char *text, const char *flag)
{
	size_t len = strlen(flag);

	for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
		if (strncmp(text, flag, len) == 0 && text[len] == ' ')
			return strtoull(text + len, NULL, 10) != 0;
	return false;
}

int cgroup_dir_poll(int fd, short events, int64_t deadline_ns, short *ret_events)
{
	struct pollfd p = {.fd = fd, .events = events};
	int64_t left_ns = deadline_ns - clock_now_ns();

	*ret_events = 0;
	if (left_ns <= 0)
		return -ETIMEDOUT;
	left_ns = (left_ns + NS_PER_MS - 1) / NS_PER_MS;
	if (poll(&p, 1, left_ns > INT_MAX ? INT_MAX : (int)left_ns) < 0)
		return errno == EINTR ? 0 : -errno;
	*ret_events = p.revents;
	return 0;
}

/* The file raises POLLPRI when it changes; reading through the polled fd re-arms it. */
int cgroup_dir_wait_flag(int dir_fd, const char *flag, bool value, int64_t deadline_ns)
{
	auto_fd int events_fd = openat(dir_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	int r = events_fd < 0 ? -errno : 0;

	while (r == 0) {
		char text[256];
		ssize_t n = pread(events_fd, text, sizeof(text) - 1, 0);
		short events;

		if (n < 0)
			return -errno;
		text[n] = '\0';
		if (has_flag(text, flag) == value)
			return 0;
		r = cgroup_dir_poll(events_fd, POLLPRI, deadline_ns, &events);
	}
	return r;
}

int cgroup_dir_is_populated(int dir_fd, bool unified, bool *ret)
{
	auto_buf struct buf b = BUF_INIT;
	bool found = false;
	int r;

	if (unified) {
		r = io_read_file(dir_fd, "cgroup.events", FILE_MAX, &b);
		found = r == 0 && has_flag(buf_str(&b), "populated");
	} else {
		r = cgroup_dir_visit(dir_fd, look_for_processes, &found);
	}
	if (r == 0)
		*ret = found;
	return r;
}

static int remove_below(int parent_fd, const char *name, int depth)
{
	struct dirent *entry;
	int fd, r = 0;
	DIR *dir;

	if (unlinkat(parent_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != EBUSY && errno != ENOTEMPTY)
		return -errno;
	if (depth >= MAX_DEPTH)
		return -ELOOP;
	fd = open_dir(parent_fd, name);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	dir = fdopendir(fd);
	if (!dir) {
		close_fd(fd);
		return -errno;
	}
	while (r == 0 && (entry = readdir(dir)))
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			r = remove_below(dirfd(dir), entry->d_name, depth + 1);
	closedir(dir);
	if (r < 0)
		return r;
	return unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

int cgroup_dir_remove(int root_fd, const char *path)
{
	char name[NAME_MAX + 1];
	auto_fd int parent = open_parent(root_fd, path, NULL, name);

	if (parent < 0)
		return parent == -ENOENT ? 0 : parent;
	return remove_below(parent, name, 0);
}

/* False if it is not ours, or still in use. */
static bool remove_parent(int root_fd, const char *path)
{
	char name[NAME_MAX + 1];
	auto_fd int above = open_parent(root_fd, path, NULL, name), fd = -1;

	fd = above < 0 ? above : open_dir(above, name);
	return fd >= 0 && fgetxattr(fd, MARK, NULL, 0) >= 0 &&
	       unlinkat(above, name, AT_REMOVEDIR) == 0;
}

void cgroup_dir_remove_parents(int root_fd, const char *path)
{
	auto_free char *prefix = strdup(path);
	char *slash;

	while (prefix && (slash = strrchr(prefix, '/'))) {
		*slash = '\0';
		if (slash[1] && !remove_parent(root_fd, prefix))
			return;
	}
}
