/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/container/devices.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "agent/container/devices_parts.h"
#include "base/path.h"
#include "linux/mountfd.h"

struct node {
	mode_t mode; /* with the type */
	dev_t device;
	uid_t uid;
	gid_t gid;
};

int devices_parse_type(const char *type)
{
	if (strcmp(type, "c") == 0 || strcmp(type, "u") == 0)
		return S_IFCHR;
	if (strcmp(type, "b") == 0)
		return S_IFBLK;
	if (strcmp(type, "p") == 0)
		return S_IFIFO;
	return -EINVAL;
}

static bool is_node(int fd, const struct node *node)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == (node->mode & S_IFMT) &&
	       (S_ISFIFO(st.st_mode) || st.st_rdev == node->device);
}

/* dir_fd/name, which is one component. */
static int make_node(int dir_fd, const char *name, const struct node *node)
{
	auto_fd int fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	char path[PATH_FD_SIZE];

	if (fd < 0 || !is_node(fd, node)) {
		if (fd >= 0 && unlinkat(dir_fd, name, 0) < 0)
			return -errno;
		if (mknodat(dir_fd, name, node->mode, node->device) < 0)
			return -errno;
		close_fd(fd);
		fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return -errno;
	}
	if (fchownat(fd, "", node->uid, node->gid, AT_EMPTY_PATH) < 0)
		return -errno;
	/* An O_PATH fd cannot be given to fchmod; its name in /proc can be given to chmod. */
	return chmod(path_of_fd(fd, path), node->mode & 07777) < 0 ? -errno : 0;
}

static int make_link(int dir_fd, const char *name, const char *target)
{
	if (symlinkat(target, dir_fd, name) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (unlinkat(dir_fd, name, 0) < 0 || symlinkat(target, dir_fd, name) < 0)
		return -errno;
	return 0;
}

const struct devices_default devices_defaults[] = {
	{"null", 1, 3},
	{"zero", 1, 5},
	{"full", 1, 7},
	{"random", 1, 8},
	{"urandom", 1, 9},
	{"tty", 5, 0},
};
const size_t devices_n_defaults = ARRAY_SIZE(devices_defaults);

static int make_defaults(int dev_fd, struct err *err)
{
	const struct devices_default *nodes = devices_defaults;
	int r;

	for (size_t i = 0; i < devices_n_defaults; i++) {
		struct node node = {
			.mode = S_IFCHR | 0666, .device = makedev(nodes[i].major, nodes[i].minor)};

		r = make_node(dev_fd, nodes[i].name, &node);
		if (r < 0)
			return err_sys(err, -r, "make /dev/%s", nodes[i].name);
	}
	return 0;
}

int devices_make_links(int dev_fd, struct err *err)
{
	static const struct {
		char name[8], target[16];
	} links[] = {
		{"fd", "/proc/self/fd"},
		{"stdin", "/proc/self/fd/0"},
		{"stdout", "/proc/self/fd/1"},
		{"stderr", "/proc/self/fd/2"},
		{"ptmx", "pts/ptmx"},
	};
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		r = make_link(dev_fd, links[i].name, links[i].target);
		if (r < 0)
			return err_sys(err, -r, "link /dev/%s", links[i].name);
	}
	if (access("/proc/kcore", F_OK) == 0) {
		r = make_link(dev_fd, "core", "/proc/kcore");
		if (r < 0)
			return err_sys(err, -r, "link /dev/core");
	}
	return 0;
}

/* Mode 0 means that nobody gave one: then as the guest has it. */
static mode_t default_mode(const char *path, const struct node *node)
{
	struct stat st;

	if (lstat(path, &st) == 0 && (st.st_mode & S_IFMT) == (node->mode & S_IFMT))
		return st.st_mode & 07777;
	return 0;
}

int devices_make_listed(int dev_fd, const Grpc__LinuxDevice *d, struct err *err)
{
	int type = devices_parse_type(d->type ? d->type : "");
	auto_free char *path = NULL;
	auto_fd int parent = -1;
	struct node node;
	char *name;
	int r;

	if (type < 0)
		return err_set(err, EINVAL, "device %s has unknown type \"%s\"",
			d->path ? d->path : "", d->type ? d->type : "");
	r = rootfs_clean_path(d->path ? d->path : "", &path);
	if (r == -ENOMEM)
		return err_sys(err, ENOMEM, "device");
	if (r < 0 || strncmp(path, "/dev/", 5) != 0)
		return err_set(err, EINVAL, "device path \"%s\" is not below /dev",
			d->path ? d->path : "");
	node = (struct node){.mode = (mode_t)type,
		.device = makedev((unsigned int)d->major, (unsigned int)d->minor),
		.uid = d->uid,
		.gid = d->gid};
	node.mode |= d->filemode & 07777 ? d->filemode & 07777 : default_mode(path, &node);
	name = strrchr(path, '/');
	*name++ = '\0';
	/* /dev is the root here: nothing in it leads elsewhere. */
	parent = path_mkdir_in_root(dev_fd, path + strlen("/dev"), 0755);
	r = parent < 0 ? parent : make_node(parent, name, &node);
	return r < 0 ? err_sys(err, -r, "make device %s/%s", path, name) : 0;
}

int devices_make(const struct rootfs *root, Grpc__LinuxDevice *const *devices, size_t n_devices,
	struct err *err)
{
	auto_fd int dev_fd = path_mkdir_in_root(root->fd, "/dev", 0755);
	mode_t mask;
	int r;

	if (dev_fd < 0)
		return err_sys(err, -dev_fd, "make /dev");
	mask = umask(0);
	r = make_defaults(dev_fd, err);
	if (r == 0)
		r = devices_make_links(dev_fd, err);
	for (size_t i = 0; i < n_devices && r == 0; i++)
		r = devices_make_listed(dev_fd, devices[i], err);
	umask(mask);
	return r;
}

int devices_mount_console(const struct rootfs *root, int console_fd, struct err *err)
{
	auto_fd int target = path_create_in_root(root->fd, "/dev/console", 0755);
	int r = target < 0 ? target : mountfd_attach(console_fd, target);

	return r < 0 ? err_sys(err, -r, "mount the terminal on /dev/console") : 0;
}
