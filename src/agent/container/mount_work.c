/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/container/mount_work.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "agent/container/launch.h"
#include "agent/container/rootfs.h"
#include "base/path.h"
#include "linux/mountfd.h"
#include "wire/status.h"

bool mount_work_is_on(int fd, long fs_type)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && (long)fs.f_type == fs_type;
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

/* Of the mount, or else the container's. */
static int find_maps(
	const Grpc__Spec *spec, const Grpc__Mount *mount, struct mount_work *w, struct err *err)
{
	int r;

	if (mount->n_uidmappings > 0 || mount->n_gidmappings > 0)
		w->options.idmap = true;
	if (!w->options.idmap)
		return 0;
	if (!w->options.bind)
		return err_set(err, ENOTSUP,
			"%s: only binds can be id-mapped, which is not supported "
			"for %s",
			w->destination, *w->type ? w->type : "others");
	w->uids = (struct userns_map){mount->uidmappings, mount->n_uidmappings};
	w->gids = (struct userns_map){mount->gidmappings, mount->n_gidmappings};
	if (w->uids.n == 0 && w->gids.n == 0) {
		w->uids = (struct userns_map){spec->linux->uidmappings, spec->linux->n_uidmappings};
		w->gids = (struct userns_map){spec->linux->gidmappings, spec->linux->n_gidmappings};
	}
	r = userns_check_map("uidMappings", w->uids, err);
	if (r == 0)
		r = userns_check_map("gidMappings", w->gids, err);
	return r < 0 ? err_wrap(err, "id-mapped mount on %s", w->destination) : 0;
}

/* As upstream's agent has it, but that it labels mqueue, whose superblock takes no option, too. */
static bool takes_label(const struct mount_work *w)
{
	static const char without[][8] = {"proc", "sysfs", "cgroup", "cgroup2", "mqueue"};

	if (w->options.bind || w->options.remount)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(without); i++)
		if (strcmp(w->type, without[i]) == 0)
			return false;
	return true;
}

static int add_label(const Grpc__Linux *l, struct mount_work *w, struct err *err)
{
	struct buf *data = &w->options.data;
	int r;

	if (!l || !l->mountlabel || !*l->mountlabel || !takes_label(w))
		return 0;
	r = buf_printf(data, "%scontext=\"%s\"", buf_len(data) > 0 ? "," : "", l->mountlabel);
	return r < 0 ? err_sys(err, -r, "mount label of %s", w->destination) : 0;
}

static int check(const struct mount_work *w, struct err *err)
{
	const struct mount_options *o = &w->options;

	if (o->remount && (buf_len(&o->data) > 0 || o->idmap || o->propagation))
		return err_set(err, ENOTSUP,
			"remount of %s: more than read-only, nosuid, nodev, noexec, nosymfollow "
			"and "
			"atime options is not supported",
			w->destination);
	if (!o->bind && !o->remount && (!*w->type || strcmp(w->type, "none") == 0))
		return err_set(err, EINVAL, "the mount on %s has no type", w->destination);
	return 0;
}

int mount_work_init(
	const Grpc__Spec *spec, const Grpc__Mount *mount, struct mount_work *ret, struct err *err)
{
	const char *destination = mount->destination ? mount->destination : "";
	struct mount_work w = {.type = mount->type ? mount->type : "",
		.source = mount->source ? mount->source : ""};
	int r = rootfs_clean_path(destination, &w.destination);

	if (r < 0)
		return err_sys(err, -r, "mount destination \"%s\"", destination);
	r = parse_options(mount, &w.options);
	if (r < 0) {
		err_sys(err, -r, "mount options of %s", destination);
	} else {
		w.options.bind |= strcmp(w.type, "bind") == 0;
		r = find_maps(spec, mount, &w, err);
		if (r == 0)
			r = add_label(spec->linux, &w, err);
		if (r == 0)
			r = check(&w, err);
	}
	if (r < 0)
		mount_work_fini(&w);
	else
		*ret = w;
	return r;
}

void mount_work_fini(struct mount_work *w)
{
	mount_options_fini(&w->options);
	free(take_ptr(&w->destination));
}

static int open_source(const struct mount_work *w, int guest_fd, struct err *err)
{
	auto_fd int fd = -1;

	if (w->source[0] != '/')
		return err_set(err, EINVAL, "bind source \"%s\" of %s is not an absolute path",
			w->source, w->destination);
	fd = path_open_in_root(guest_fd, w->source, O_PATH, 0);
	if (fd < 0)
		return err_sys(err, -fd, "bind source %s of %s", w->source, w->destination);
	if (strcmp(w->destination, "/proc") == 0 && !mount_work_is_on(fd, PROC_SUPER_MAGIC))
		return err_set(
			err, EPERM, "%s cannot be bound to /proc: it is no procfs", w->source);
	return take_fd(&fd);
}

static int map_ids(const struct mount_work *w, int tree_fd, struct err *err)
{
	auto_fd int userns = -1;
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP};
	int r;

	if (!w->options.idmap)
		return 0;
	userns = userns_open(w->uids, w->gids, err);
	if (userns < 0)
		return userns;
	attr.userns_fd = (uint64_t)userns;
	r = mountfd_set(tree_fd, &attr, w->options.idmap_recursive);
	if (r == -EINVAL)
		return err_set(err, ENOTSUP,
			"%s cannot be id-mapped: not supported by its file "
			"system",
			w->source);
	return r < 0 ? err_sys(err, -r, "map the ids of %s", w->source) : 0;
}

static int set_propagation(const struct mount_work *w, int tree_fd, bool is_shared)
{
	const struct mount_attr slave = {.propagation = MS_SLAVE};
	unsigned long kind = w->options.propagation;
	struct mount_attr attr = {.propagation = kind & ~(unsigned long)MS_REC};
	int r = is_shared ? mountfd_set(tree_fd, &slave, true) : 0;

	return r == 0 && kind ? mountfd_set(tree_fd, &attr, kind & MS_REC) : r;
}

static int set_options(const struct mount_work *w, int tree_fd, bool is_shared, struct err *err)
{
	const struct mount_options *o = &w->options;
	struct mount_attr attr;
	int r = map_ids(w, tree_fd, err);

	if (r < 0)
		return r;
	if (mount_options_attr(o->set, o->clear, &attr))
		r = mountfd_set(tree_fd, &attr, false);
	if (r == 0 && mount_options_attr(o->rec_set, o->rec_clear, &attr))
		r = mountfd_set(tree_fd, &attr, true);
	if (r < 0)
		return err_sys(err, -r, "set the options of %s", w->destination);
	r = set_propagation(w, tree_fd, is_shared);
	return r < 0 ? err_sys(err, -r, "set the propagation of %s", w->destination) : 0;
}

int mount_work_open_tree(const struct mount_work *w, int guest_fd, bool is_shared, struct err *err)
{
	auto_fd int source = open_source(w, guest_fd, err), tree = -1;
	int r;

	if (source < 0)
		return source;
	tree = mountfd_clone(source, "", w->options.bind_recursive);
	if (tree < 0)
		return err_sys(err, -tree, "bind %s", w->source);
	r = set_options(w, tree, is_shared, err);
	return r < 0 ? r : take_fd(&tree);
}

/* A file system without data of its own. */
static int open_filesystem(const struct mount_work *w, struct err *err)
{
	auto_fd int fd = mountfd_new(w->type, NULL, NULL);
	struct mount_attr attr;
	int r = fd < 0 ? fd : 0;

	if (r == 0 && mount_options_attr(w->options.set, w->options.clear, &attr))
		r = mountfd_set(fd, &attr, false);
	return r < 0 ? err_sys(err, -r, "mount %s on %s", w->type, w->destination) : take_fd(&fd);
}

static bool is_made_outside(const struct mount_work *w, unsigned int new_namespaces)
{
	if (w->options.remount)
		return false;
	if (!(new_namespaces >> LAUNCH_NS_USER & 1))
		return w->options.idmap;
	return w->options.bind ||
	       (strcmp(w->type, "sysfs") == 0 && !(new_namespaces >> LAUNCH_NS_NET & 1)) ||
	       (strcmp(w->type, "mqueue") == 0 && !(new_namespaces >> LAUNCH_NS_IPC & 1));
}

static int make_outside(const struct mount_work *w, int guest_fd, int *ret, struct err *err)
{
	int fd = w->options.bind ? mount_work_open_tree(w, guest_fd, true, err)
				 : open_filesystem(w, err);

	if (fd < 0)
		return fd;
	*ret = fd;
	return 0;
}

int mounts_make_outside(
	const Grpc__Spec *spec, unsigned int new_namespaces, int **ret, struct err *err)
{
	auto_fd int guest = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int *fds = calloc(spec->n_mounts + 1, sizeof(*fds));
	int r = fds ? 0 : err_sys(err, ENOMEM, "mounts");

	for (size_t i = 0; fds && i < spec->n_mounts; i++)
		fds[i] = -1;
	for (size_t i = 0; i < spec->n_mounts && r == 0; i++) {
		struct mount_work w;

		r = mount_work_init(spec, spec->mounts[i], &w, err);
		if (r < 0)
			break;
		if (is_made_outside(&w, new_namespaces))
			r = make_outside(&w, guest, &fds[i], err);
		mount_work_fini(&w);
	}
	/* A failed job ends, and its fds with it. */
	if (r < 0)
		free(fds);
	else
		*ret = fds;
	return r;
}
