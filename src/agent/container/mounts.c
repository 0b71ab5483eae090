/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/container/mounts.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "agent/container/mount_work.h"
#include "base/path.h"
#include "linux/mount_options.h"
#include "linux/mountfd.h"

/* One mount of the spec while it is being made. */
struct work {
	const struct rootfs *root;
	const struct mount_work *mount;
	int outside_fd; /* borrowed: made by the job; -1: not */
};

static bool is_proc_file_to_replace(const char *destination)
{
	static const char paths[][16] = {
		"/proc/cpuinfo",
		"/proc/diskstats",
		"/proc/loadavg",
		"/proc/meminfo",
		"/proc/net/dev",
		"/proc/stat",
		"/proc/swaps",
		"/proc/uptime",
	};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		if (strcmp(paths[i], destination) == 0)
			return true;
	return false;
}

static bool is_below_proc(const char *destination)
{
	return strncmp(destination, "/proc", 5) == 0 &&
	       (destination[5] == '/' || destination[5] == '\0');
}

/* Before the target is made: nothing is to be created for a mount that will be refused. */
static int check_destination(const struct work *w, struct err *err)
{
	if (!is_below_proc(w->mount->destination))
		return 0;
	if (w->mount->options.bind && is_proc_file_to_replace(w->mount->destination))
		return 0;
	if (strcmp(w->mount->destination, "/proc") == 0 &&
		(w->mount->options.bind || strcmp(w->mount->type, "proc") == 0))
		return 0;
	return err_set(
		err, EPERM, "%s cannot be mounted on: it is inside /proc", w->mount->destination);
}

/* Links in the image may have led a harmless name into /proc. */
static int check_target(const struct work *w, int target_fd, struct err *err)
{
	if (!mount_work_is_on(target_fd, PROC_SUPER_MAGIC) || is_below_proc(w->mount->destination))
		return 0;
	return err_set(
		err, EPERM, "%s cannot be mounted on: it leads into /proc", w->mount->destination);
}

static int open_dir_target(const struct work *w, struct err *err)
{
	int fd = rootfs_make_dir(w->root, w->mount->destination);

	if (fd == -EXDEV)
		return err_set(err, EINVAL, "%s cannot be mounted on: it is the root",
			w->mount->destination);
	if (fd < 0)
		return err_sys(err, -fd, "make the mount point %s", w->mount->destination);
	return fd;
}

/* What is mounted on the destination now. */
static int reopen(const struct work *w)
{
	return path_open_in_root(w->root->fd, w->mount->destination, O_PATH, 0);
}

static int set_propagation(const struct work *w, int mount_fd, struct err *err)
{
	unsigned long kind = w->mount->options.propagation;
	struct mount_attr attr = {.propagation = kind & ~(unsigned long)MS_REC};
	int r;

	if (!kind)
		return 0;
	r = mountfd_set(mount_fd, &attr, kind & MS_REC);
	return r < 0 ? err_sys(err, -r, "set the propagation of %s", w->mount->destination) : 0;
}

static int open_bind_target(const struct work *w, bool is_dir, struct err *err)
{
	auto_fd int fd = -1;
	int r;

	if (is_dir) {
		fd = open_dir_target(w, err);
		if (fd < 0)
			return fd;
	} else {
		fd = path_create_in_root(w->root->fd, w->mount->destination, 0755);
		if (fd < 0)
			return err_sys(err, -fd, "make the mount point %s", w->mount->destination);
	}
	r = check_target(w, fd, err);
	return r < 0 ? r : take_fd(&fd);
}

static int make_bind(const struct work *w, struct err *err)
{
	auto_fd int own = -1, target = -1;
	int tree = w->outside_fd, r;
	struct stat st;

	if (tree < 0)
		tree = own = mount_work_open_tree(w->mount, w->root->guest_fd, false, err);
	if (tree < 0)
		return tree;
	if (fstat(tree, &st) < 0)
		return err_sys(err, errno, "bind source %s", w->mount->source);
	target = open_bind_target(w, S_ISDIR(st.st_mode), err);
	if (target < 0)
		return target;
	r = mountfd_attach(tree, target);
	return r < 0 ? err_sys(err, -r, "bind %s to %s", w->mount->source, w->mount->destination)
		     : 0;
}

static bool is_cgroup(const struct work *w)
{
	return strcmp(w->mount->type, "cgroup") == 0 || strcmp(w->mount->type, "cgroup2") == 0;
}

static bool is_written_to_later(const struct work *w)
{
	return strcmp(w->mount->type, "tmpfs") == 0 || strcmp(w->mount->destination, "/dev") == 0;
}

/* A link in place of these has been used to have the runtime write elsewhere: refused as they are
 * set up before anything that could need one. */
static int refuse_link(const struct work *w, struct err *err)
{
	auto_fd int fd = -1;
	struct stat st;

	if (strcmp(w->mount->type, "proc") != 0 && strcmp(w->mount->type, "sysfs") != 0)
		return 0;
	fd = path_open_in_root(w->root->fd, w->mount->destination, O_PATH | O_NOFOLLOW, 0);
	if (fd < 0 || (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)))
		return 0;
	return err_set(err, EPERM, "%s must be mounted on an ordinary directory: %s is none",
		w->mount->type, w->mount->destination);
}

static int make_filesystem(const struct work *w, int *ret_mounted_fd, struct err *err)
{
	const char *data =
		buf_len(&w->mount->options.data) > 0 ? buf_str(&w->mount->options.data) : NULL;
	const char *type = w->mount->type,
		   *source = *w->mount->source ? w->mount->source : w->mount->type;
	unsigned long flags = w->mount->options.set;
	auto_fd int target = -1, mounted = -1;
	int r = refuse_link(w, err);

	if (r < 0)
		return r;
	target = open_dir_target(w, err);
	if (target < 0)
		return target;
	r = check_target(w, target, err);
	if (r < 0)
		return r;
	if (w->outside_fd >= 0) {
		r = mountfd_attach(w->outside_fd, target);
		return r < 0 ? err_sys(err, -r, "mount %s on %s", type, w->mount->destination) : 0;
	}
	if (is_cgroup(w)) {
		type = source = "cgroup2";
		data = NULL; /* names of v1 controllers */
		if (!(w->mount->options.clear & MS_RDONLY))
			flags |= MS_RDONLY;
	}
	if (is_written_to_later(w))
		flags &= ~(unsigned long)MS_RDONLY;
	r = mountfd_mount(source, target, type, flags, data);
	if (r < 0)
		return err_sys(err, -r, "mount %s on %s%s%s", type, w->mount->destination,
			data ? " with " : "", data ? data : "");
	mounted = reopen(w);
	if (mounted < 0)
		return err_sys(err, -mounted, "open %s", w->mount->destination);
	r = set_propagation(w, mounted, err);
	if (r < 0)
		return r;
	*ret_mounted_fd = take_fd(&mounted);
	return 0;
}

/* What is mounted there, made read-only when all is set up: mount points may be needed below. */
static int remount(const struct work *w, struct mounts *m, struct err *err)
{
	const struct mount_options *o = &w->mount->options;
	auto_fd int fd = reopen(w);
	struct mount_attr attr;
	int r = fd < 0 ? fd : 0;

	if (r == 0 && mount_options_attr(o->set & ~(unsigned long)MS_RDONLY, o->clear, &attr))
		r = mountfd_set(fd, &attr, false);
	if (r == 0 && mount_options_attr(o->rec_set, o->rec_clear, &attr))
		r = mountfd_set(fd, &attr, true);
	if (r == -EINVAL)
		return err_set(err, EINVAL, "%s cannot be remounted: nothing is mounted there",
			w->mount->destination);
	if (r < 0)
		return err_sys(err, -r, "remount %s", w->mount->destination);
	if (o->set & MS_RDONLY)
		m->later_ro_fds[m->n_later_ro++] = take_fd(&fd);
	return 0;
}

static int make_mount(const struct work *w, struct mounts *m, struct err *err)
{
	auto_fd int fd = -1;
	int r = check_destination(w, err);

	if (r < 0)
		return r;
	if (w->mount->options.bind) {
		if (strcmp(w->mount->destination, "/dev") == 0)
			m->dev_is_bound = true;
		return make_bind(w, err);
	}
	r = make_filesystem(w, &fd, err);
	if (r == 0 && w->mount->options.set & MS_RDONLY && is_written_to_later(w))
		m->later_ro_fds[m->n_later_ro++] = take_fd(&fd);
	return r;
}

static int apply(const struct work *place, const Grpc__Spec *spec, const Grpc__Mount *mount,
	struct mounts *m, struct err *err)
{
	struct work w = *place;
	struct mount_work read;
	int r = mount_work_init(spec, mount, &read, err);

	if (r < 0)
		return r;
	w.mount = &read;
	r = read.options.remount ? remount(&w, m, err) : make_mount(&w, m, err);
	mount_work_fini(&read);
	return r;
}

int mounts_apply(const struct rootfs *root, const Grpc__Spec *spec, const int *outside_fds,
	struct mounts *ret, struct err *err)
{
	struct mounts m = {.later_ro_fds = calloc(spec->n_mounts + 1, sizeof(int))};

	if (!m.later_ro_fds)
		return err_sys(err, ENOMEM, "mounts");
	for (size_t i = 0; i < spec->n_mounts; i++) {
		struct work w = {.root = root, .outside_fd = outside_fds ? outside_fds[i] : -1};
		int r = apply(&w, spec, spec->mounts[i], &m, err);

		if (r < 0) {
			mounts_fini(&m);
			return r;
		}
	}
	*ret = m;
	return 0;
}

int mounts_finish(struct mounts *m, struct err *err)
{
	const struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};

	for (size_t i = 0; i < m->n_later_ro; i++) {
		int r = mountfd_set(m->later_ro_fds[i], &read_only, false);

		if (r < 0)
			return err_sys(err, -r, "make a mount read-only");
	}
	return 0;
}

void mounts_fini(struct mounts *m)
{
	for (size_t i = 0; i < m->n_later_ro; i++)
		close_fd(m->later_ro_fds[i]);
	own_free(&m->later_ro_fds);
	m->n_later_ro = 0;
}
