/* SPDX-License-Identifier: Apache-2.0 */
/* The devices of a container in a user namespace: bound from the guest. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "agent/container/devices.h"
#include "agent/container/devices_parts.h"
#include "base/io.h"
#include "base/path.h"
#include "linux/mountfd.h"

enum { MAX_UEVENT = 4096 };

/* An O_PATH fd, if path is that device in the guest. */
static int open_device(const struct rootfs *root, const char *path, mode_t type, dev_t device)
{
	auto_fd int fd = path_open_in_root(root->guest_fd, path, O_PATH | O_NOFOLLOW, 0);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	return (st.st_mode & S_IFMT) == type && st.st_rdev == device ? take_fd(&fd) : -ENODEV;
}

/* By the name that the kernel gives it in devtmpfs. */
static int open_by_number(const struct rootfs *root, mode_t type, dev_t device)
{
	auto_buf struct buf text = BUF_INIT;
	char path[PATH_MAX];
	const char *name;
	int r;

	snprintf(path, sizeof(path), "/sys/dev/%s/%u:%u/uevent", S_ISBLK(type) ? "block" : "char",
		major(device), minor(device));
	r = io_read_file(root->guest_fd, path + 1, MAX_UEVENT, &text);
	if (r < 0)
		return -ENODEV;
	name = strstr(buf_str(&text), "DEVNAME=");
	if (!name)
		return -ENODEV;
	name += strlen("DEVNAME=");
	snprintf(path, sizeof(path), "/dev/%.*s", (int)strcspn(name, "\n"), name);
	return open_device(root, path, type, device);
}

static int find_device(const struct rootfs *root, const char *path, mode_t type, dev_t device)
{
	int fd = open_device(root, path, type, device);

	return fd < 0 ? open_by_number(root, type, device) : fd;
}

/* path: clean, below /dev. */
static int bind_device(
	const struct rootfs *root, const char *path, mode_t type, dev_t device, struct err *err)
{
	auto_fd int source = find_device(root, path, type, device), target = -1, tree = -1;
	int r;

	if (source < 0)
		return err_sys(err, ENODEV, "device %s (%u:%u) in the guest", path, major(device),
			minor(device));
	target = path_create_in_root(root->fd, path, 0755);
	if (target < 0)
		return err_sys(err, -target, "make %s", path);
	tree = mountfd_clone(source, "", false);
	r = tree < 0 ? tree : mountfd_attach(tree, target);
	return r < 0 ? err_sys(err, -r, "bind %s", path) : 0;
}

static int bind_listed(const struct rootfs *root, const Grpc__LinuxDevice *d, struct err *err)
{
	int type = devices_parse_type(d->type ? d->type : "");
	auto_free char *path = NULL;
	int r = rootfs_clean_path(d->path ? d->path : "", &path);

	if (r < 0 || type < 0 || strncmp(path, "/dev/", 5) != 0)
		return err_sys(err, r < 0 ? -r : EINVAL, "device %s", d->path ? d->path : "");
	return bind_device(root, path, (mode_t)type,
		makedev((unsigned int)d->major, (unsigned int)d->minor), err);
}

int devices_bind(const struct rootfs *root, Grpc__LinuxDevice *const *devices, size_t n_devices,
	struct err *err)
{
	auto_fd int dev_fd = path_mkdir_in_root(root->fd, "/dev", 0755);
	int r = dev_fd < 0 ? err_sys(err, -dev_fd, "make /dev") : 0;

	for (size_t i = 0; i < devices_n_defaults && r == 0; i++) {
		const struct devices_default *d = &devices_defaults[i];
		char path[24];

		snprintf(path, sizeof(path), "/dev/%s", d->name);
		r = bind_device(root, path, S_IFCHR, makedev(d->major, d->minor), err);
	}
	if (r == 0)
		r = devices_make_links(dev_fd, err);
	for (size_t i = 0; i < n_devices && r == 0; i++)
		/* A fifo is no device: everybody may make one. */
		r = devices[i]->type && *devices[i]->type == 'p'
			    ? devices_make_listed(dev_fd, devices[i], err)
			    : bind_listed(root, devices[i], err);
	return r;
}
