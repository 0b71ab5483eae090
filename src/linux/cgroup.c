/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"

enum {
	FILE_MAX = 4 << 20, /* cgroup.procs of a very full cgroup */
	MAX_DEPTH = 64,	    /* of cgroups made by the container below its own */
	SIGNAL_PASSES = 16, /* see signal_each_pass */
};

int cgroup_open_root(const char *root, struct err *err)
{
	auto_fd int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0)
		return err_sys(err, errno, "open %s", root);
	if (fstatfs(fd, &fs) < 0)
		return err_sys(err, errno, "statfs %s", root);
	if (fs.f_type != CGROUP2_SUPER_MAGIC)
		return err_set(err, EOPNOTSUPP, "%s is not a cgroup v2 file system", root);
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
static void pass_controllers_on(int cgroup_fd)
{
	auto_buf struct buf b = BUF_INIT;
	const char *at;

	if (io_read_file(cgroup_fd, "cgroup.controllers", FILE_MAX, &b) < 0)
		return;
	at = buf_str(&b);
	for (size_t len; at += strspn(at, " \n"), (len = strcspn(at, " \n")) > 0; at += len) {
		char text[64];

		snprintf(text, sizeof(text), "+%.*s", (int)len, at);
		/* Whether it worked is seen by the limit's file being there below. */
		(void)!io_write_file(cgroup_fd, "cgroup.subtree_control", text);
	}
}

/* Walks all but the last component, which is copied to last; make: makes what is missing. */
static int open_parent(
	int root_fd, const char *path, bool make, char last[NAME_MAX + 1], int *ret_fd)
{
	auto_fd int at = open_dir(root_fd, ".");
	char next[NAME_MAX + 1];
	int r;

	if (at < 0)
		return at;
	r = next_name(&path, last);
	if (r <= 0)
		return r < 0 ? r : -EINVAL;
	for (;;) {
		int below;

		if (make)
			pass_controllers_on(at);
		r = next_name(&path, next);
		if (r <= 0)
			break;
		if (make && mkdirat(at, last, 0755) < 0 && errno != EEXIST)
			return -errno;
		below = open_dir(at, last);
		if (below < 0)
			return below;
		close_fd(at);
		at = below;
		memcpy(last, next, sizeof(next));
	}
	if (r < 0)
		return r;
	*ret_fd = take_fd(&at);
	return 0;
}

int cgroup_create(int root_fd, const char *path, struct err *err)
{
	auto_fd int parent = -1, fd = -1;
	char name[NAME_MAX + 1];
	bool populated;
	int r = open_parent(root_fd, path, true, name, &parent);

	if (r < 0)
		return err_sys(err, -r, "make the parents of cgroup %s", path);
	if (mkdirat(parent, name, 0755) < 0) {
		if (errno != EEXIST)
			return err_sys(err, errno, "make cgroup %s", path);
		fd = open_dir(parent, name);
		r = fd < 0 ? fd : cgroup_is_populated(fd, &populated);
		if (r < 0)
			return err_sys(err, -r, "look into cgroup %s", path);
		if (populated)
			return err_set(
				err, EEXIST, "cgroup %s is in use by another container", path);
		/* Left over: a new one has no limit set. */
		if (unlinkat(parent, name, AT_REMOVEDIR) < 0 || mkdirat(parent, name, 0755) < 0)
			return err_sys(err, errno, "make cgroup %s anew", path);
		close_fd(fd);
	}
	fd = open_dir(parent, name);
	if (fd < 0)
		return err_sys(err, -fd, "open cgroup %s", path);
	return take_fd(&fd);
}

int cgroup_open(int root_fd, const char *path)
{
	auto_fd int parent = -1;
	char name[NAME_MAX + 1];
	int r = open_parent(root_fd, path, false, name, &parent);

	return r < 0 ? r : open_dir(parent, name);
}

int cgroup_join(int cgroup_fd)
{
	return io_write_file(cgroup_fd, "cgroup.procs", "0");
}

int cgroup_is_populated(int cgroup_fd, bool *ret)
{
	auto_buf struct buf b = BUF_INIT;
	int r = io_read_file(cgroup_fd, "cgroup.events", FILE_MAX, &b);

	if (r == 0)
		*ret = strstr(buf_str(&b), "populated 1") != NULL;
	return r;
}

typedef int visit_fn(int cgroup_fd, void *data);

/* Calls fn for the cgroup and each below it, parents first; the first error ends it. */
static int visit(int cgroup_fd, int depth, visit_fn *fn, void *data)
{
	int r = fn(cgroup_fd, data), dir_fd;
	struct dirent *entry;
	DIR *dir;

	if (r < 0)
		return r;
	if (depth >= MAX_DEPTH)
		return -ELOOP;
	dir_fd = open_dir(cgroup_fd, ".");
	if (dir_fd < 0)
		return dir_fd;
	dir = fdopendir(dir_fd);
	if (!dir) {
		close_fd(dir_fd);
		return -errno;
	}
	while (r == 0 && (entry = readdir(dir))) {
		auto_fd int below = -1;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		below = open_dir(cgroup_fd, entry->d_name);
		/* It may be removed by those who made it at any time. */
		if (below >= 0)
			r = visit(below, depth + 1, fn, data);
		else if (below != -ENOENT)
			r = below;
	}
	closedir(dir);
	return r;
}

struct signalling {
	int signo;
	unsigned int n_sent;
};

static int signal_members(int cgroup_fd, void *data)
{
	struct signalling *s = data;
	auto_buf struct buf b = BUF_INIT;
	int r = io_read_file(cgroup_fd, "cgroup.procs", FILE_MAX, &b);

	/* A threaded cgroup (EOPNOTSUPP): its processes are listed in its domain. */
	if (r < 0)
		return r == -EOPNOTSUPP || r == -ENODEV ? 0 : r;
	for (const char *at = buf_str(&b); *at;) {
		char *end;
		long pid = strtol(at, &end, 10);

		if (end == at)
			break;
		/* 0 is a process of a pid namespace that cannot be seen from here. */
		if (pid > 0 && kill((pid_t)pid, s->signo) == 0)
			s->n_sent++;
		at = end + strspn(end, "\n");
	}
	return 0;
}

static int kill_by_hand(int cgroup_fd)
{
	struct signalling s = {.signo = SIGKILL};
	int r = 0;

	/* Without a freezer somebody may fork past a pass: again until nobody is left to be killed.
	 * A killed process is listed until it has gone, hence the bound. */
	for (int i = 0; i < SIGNAL_PASSES && r == 0; i++) {
		s.n_sent = 0;
		r = visit(cgroup_fd, 0, signal_members, &s);
		if (s.n_sent == 0)
			break;
	}
	return r;
}

static bool is_frozen(int cgroup_fd)
{
	auto_buf struct buf b = BUF_INIT;

	return io_read_file(cgroup_fd, "cgroup.freeze", FILE_MAX, &b) == 0 && *buf_str(&b) == '1';
}

int cgroup_signal(int cgroup_fd, int signo)
{
	struct signalling s = {.signo = signo};
	bool frozen = false;
	int r, thawed;

	if (signo == SIGKILL) {
		r = io_write_file(cgroup_fd, "cgroup.kill", "1");
		return r == -ENOENT ? kill_by_hand(cgroup_fd) : r;
	}
	/* A paused container stays so. */
	if (!is_frozen(cgroup_fd))
		frozen = io_write_file(cgroup_fd, "cgroup.freeze", "1") == 0;
	r = visit(cgroup_fd, 0, signal_members, &s);
	thawed = frozen ? io_write_file(cgroup_fd, "cgroup.freeze", "0") : 0;
	return r < 0 ? r : thawed;
}

/* Waits until nothing in the cgroup runs. cgroup.events raises POLLPRI when it changes. */
static int wait_empty(int cgroup_fd, int64_t deadline_ns)
{
	auto_fd int events_fd = openat(cgroup_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);

	if (events_fd < 0)
		return -errno;
	for (;;) {
		struct pollfd p = {.fd = events_fd, .events = POLLPRI};
		int64_t left_ns = deadline_ns - clock_now_ns();
		bool populated;
		char text[256];
		ssize_t n;

		/* Read through the polled fd: that is what re-arms it. */
		n = pread(events_fd, text, sizeof(text) - 1, 0);
		if (n < 0)
			return errno == ENODEV ? 0 : -errno;
		text[n] = '\0';
		populated = strstr(text, "populated 1") != NULL;
		if (!populated)
			return 0;
		if (left_ns <= 0)
			return -ETIMEDOUT;
		left_ns = (left_ns + NS_PER_MS - 1) / NS_PER_MS;
		if (poll(&p, 1, left_ns > INT_MAX ? INT_MAX : (int)left_ns) < 0 && errno != EINTR)
			return -errno;
	}
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

int cgroup_remove(int root_fd, const char *path, int64_t deadline_ns, struct err *err)
{
	auto_fd int parent = -1, fd = -1;
	char name[NAME_MAX + 1];
	int r = open_parent(root_fd, path, false, name, &parent);

	if (r == 0) {
		fd = open_dir(parent, name);
		r = fd < 0 ? fd : 0;
	}
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return err_sys(err, -r, "open cgroup %s", path);
	r = cgroup_signal(fd, SIGKILL);
	if (r < 0 && r != -ENODEV)
		return err_sys(err, -r, "kill the processes of cgroup %s", path);
	r = wait_empty(fd, deadline_ns);
	if (r < 0)
		return err_sys(err, -r, "wait for the processes of cgroup %s to end", path);
	r = remove_below(parent, name, 0);
	return r < 0 ? err_sys(err, -r, "remove cgroup %s", path) : 0;
}
