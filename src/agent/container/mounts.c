/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/container/mounts.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/path.h"
#include "linux/mount_options.h"
#include "linux/mountfd.h"

/* One mount of the spec while it is being made. */
struct work {
	const struct rootfs *root;
	const char *type, *source;
	char *destination; /* owned; clean */
	struct mount_options options;
};

static bool is_on(int fd, long fs_type)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && (long)fs.f_type == fs_type;
}

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
	if (!is_below_proc(w->destination))
		return 0;
	if (w->options.bind && is_proc_file_to_replace(w->destination))
		return 0;
	if (strcmp(w->destination, "/proc") == 0 &&
		(w->options.bind || strcmp(w->type, "proc") == 0))
		return 0;
	return err_set(err, EPERM, "%s cannot be mounted on: it is inside /proc", w->destination);
}

/* Links in the image may have led a harmless name into /proc. */
static int check_target(const struct work *w, int target_fd, struct err *err)
{
	if (!is_on(target_fd, PROC_SUPER_MAGIC) || is_below_proc(w->destination))
		return 0;
	return err_set(err, EPERM, "%s cannot be mounted on: it leads into /proc", w->destination);
}

static int open_dir_target(const struct work *w, struct err *err)
{
	int fd = rootfs_make_dir(w->root, w->destination);

	if (fd == -EXDEV)
		return err_set(
			err, EINVAL, "%s cannot be mounted on: it is the root", w->destination);
	if (fd < 0)
		return err_sys(err, -fd, "make the mount point %s", w->destination);
	return fd;
}

/* What is mounted on the destination now. */
static int reopen(const struct work *w)
{
	return path_open_in_root(w->root->fd, w->destination, O_PATH, 0);
}

static int set_propagation(const struct work *w, int mount_fd, struct err *err)
{
	unsigned long kind = w->options.propagation;
	struct mount_attr attr = {.propagation = kind & ~(unsigned long)MS_REC};
	int r;

	if (!kind)
		return 0;
	r = mountfd_set(mount_fd, &attr, kind & MS_REC);
	return r < 0 ? err_sys(err, -r, "set the propagation of %s", w->destination) : 0;
}

static int open_source(const struct work *w, bool *ret_is_dir, struct err *err)
{
	auto_fd int fd = -1;
	struct stat st;

	if (w->source[0] != '/')
		return err_set(err, EINVAL, "bind source \"%s\" of %s is not an absolute path",
			w->source, w->destination);
	fd = path_open_in_root(w->root->guest_fd, w->source, O_PATH, 0);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, fd < 0 ? -fd : errno, "bind source %s of %s", w->source,
			w->destination);
	if (strcmp(w->destination, "/proc") == 0 && !is_on(fd, PROC_SUPER_MAGIC))
		return err_set(
			err, EPERM, "%s cannot be bound to /proc: it is no procfs", w->source);
	*ret_is_dir = S_ISDIR(st.st_mode);
	return take_fd(&fd);
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
		fd = path_create_in_root(w->root->fd, w->destination, 0755);
		if (fd < 0)
			return err_sys(err, -fd, "make the mount point %s", w->destination);
	}
	r = check_target(w, fd, err);
	return r < 0 ? r : take_fd(&fd);
}

static int set_bind_options(const struct work *w, int tree_fd, struct err *err)
{
	const struct mount_options *o = &w->options;
	struct mount_attr attr;
	int r = 0;

	if (mount_options_attr(o->set, o->clear, &attr))
		r = mountfd_set(tree_fd, &attr, false);
	if (r == 0 && mount_options_attr(o->rec_set, o->rec_clear, &attr))
		r = mountfd_set(tree_fd, &attr, true);
	if (r < 0)
		return err_sys(err, -r, "set the options of %s", w->destination);
	return set_propagation(w, tree_fd, err);
}

static int make_bind(const struct work *w, struct err *err)
{
	bool is_dir = false;
	auto_fd int source = open_source(w, &is_dir, err), target = -1, tree = -1;
	int r;

	if (source < 0)
		return source;
	target = open_bind_target(w, is_dir, err);
	if (target < 0)
		return target;
	tree = mountfd_clone(source, "", w->options.bind_recursive);
	if (tree < 0)
		return err_sys(err, -tree, "bind %s", w->source);
	r = set_bind_options(w, tree, err);
	if (r < 0)
		return r;
	r = mountfd_attach(tree, target);
	return r < 0 ? err_sys(err, -r, "bind %s to %s", w->source, w->destination) : 0;
}

static bool is_cgroup(const struct work *w)
{
	return strcmp(w->type, "cgroup") == 0 || strcmp(w->type, "cgroup2") == 0;
}

static bool is_written_to_later(const struct work *w)
{
	return strcmp(w->type, "tmpfs") == 0 || strcmp(w->destination, "/dev") == 0;
}

/* A link in place of these has been used to have the runtime write elsewhere: refused as they are
 * set up before anything that could need one. */
static int refuse_link(const struct work *w, struct err *err)
{
	auto_fd int fd = -1;
	struct stat st;

	if (strcmp(w->type, "proc") != 0 && strcmp(w->type, "sysfs") != 0)
		return 0;
	fd = path_open_in_root(w->root->fd, w->destination, O_PATH | O_NOFOLLOW, 0);
	if (fd < 0 || (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)))
		return 0;
	return err_set(err, EPERM, "%s must be mounted on an ordinary directory: %s is none",
		w->type, w->destination);
}

static int make_filesystem(const struct work *w, int *ret_mounted_fd, struct err *err)
{
	const char *data = buf_len(&w->options.data) > 0 ? buf_str(&w->options.data) : NULL;
	const char *type = w->type, *source = *w->source ? w->source : w->type;
	unsigned long flags = w->options.set;
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
	if (is_cgroup(w)) {
		type = source = "cgroup2";
		data = NULL; /* names of v1 controllers */
		if (!(w->options.clear & MS_RDONLY))
			flags |= MS_RDONLY;
	}
	if (is_written_to_later(w))
		flags &= ~(unsigned long)MS_RDONLY;
	r = mountfd_mount(source, target, type, flags, data);
	if (r < 0)
		return err_sys(err, -r, "mount %s on %s%s%s", type, w->destination,
			data ? " with " : "", data ? data : "");
	mounted = reopen(w);
	if (mounted < 0)
		return err_sys(err, -mounted, "open %s", w->destination);
	r = set_propagation(w, mounted, err);
	if (r < 0)
		return r;
	*ret_mounted_fd = take_fd(&mounted);
	return 0;
}

static int make_mount(const struct work *w, struct mounts *m, struct err *err)
{
	auto_fd int fd = -1;
	int r = check_destination(w, err);

	if (r < 0)
		return r;
	if (w->options.bind) {
		if (strcmp(w->destination, "/dev") == 0)
			m->dev_is_bound = true;
		return make_bind(w, err);
	}
	r = make_filesystem(w, &fd, err);
	if (r == 0 && w->options.set & MS_RDONLY && is_written_to_later(w))
		m->later_ro_fds[m->n_later_ro++] = take_fd(&fd);
	return r;
}

static int parse_options(const Grpc__Mount *mount, struct mount_options *ret)
{
	static const char agents[] = "io.katacontainers.";
	auto_free char **words = calloc(mount->n_options + 1, sizeof(*words));
	size_t n = 0;

	if (!words)
		return -ENOMEM;
	for (size_t i = 0; i < mount->n_options; i++)
		if (strncmp(mount->options[i], agents, sizeof(agents) - 1) != 0)
			words[n++] = mount->options[i];
	return mount_options_parse(words, n, ret);
}

/* Would be ignored as data of a bind, and files then belong to the wrong users. */
static bool has_id_mapping(const Grpc__Mount *mount)
{
	for (size_t i = 0; i < mount->n_options; i++)
		if (strcmp(mount->options[i], "idmap") == 0 ||
			strcmp(mount->options[i], "ridmap") == 0)
			return true;
	return false;
}

static int apply(
	const struct rootfs *root, const Grpc__Mount *mount, struct mounts *m, struct err *err)
{
	struct work w = {.root = root,
		.type = mount->type ? mount->type : "",
		.source = mount->source ? mount->source : ""};
	const char *destination = mount->destination ? mount->destination : "";
	int r = rootfs_clean_path(destination, &w.destination);

	if (r < 0)
		return err_sys(err, -r, "mount destination \"%s\"", destination);
	r = parse_options(mount, &w.options);
	if (r < 0) {
		err_sys(err, -r, "mount options of %s", destination);
	} else if (w.options.remount || has_id_mapping(mount)) {
		r = err_set(err, ENOTSUP, "mount option %s of %s is not supported",
			w.options.remount ? "remount" : "idmap", destination);
	} else {
		if (strcmp(w.type, "bind") == 0)
			w.options.bind = true;
		if (!w.options.bind && (!*w.type || strcmp(w.type, "none") == 0))
			r = err_set(err, EINVAL, "the mount on %s has no type", destination);
		else
			r = make_mount(&w, m, err);
		mount_options_fini(&w.options);
	}
	free(w.destination);
	return r;
}

int mounts_apply(const struct rootfs *root, Grpc__Mount *const *mounts, size_t n_mounts,
	struct mounts *ret, struct err *err)
{
	struct mounts m = {.later_ro_fds = calloc(n_mounts + 1, sizeof(int))};

	if (!m.later_ro_fds)
		return err_sys(err, ENOMEM, "mounts");
	for (size_t i = 0; i < n_mounts; i++) {
		int r = apply(root, mounts[i], &m, err);

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
