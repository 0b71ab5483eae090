/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/container/masks.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/path.h"
#include "linux/mountfd.h"

static const struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};

/* -ENOENT when the path leads nowhere. */
static int open_target(const struct rootfs *root, const char *path, struct err *err)
{
	auto_free char *clean = NULL;
	int r = rootfs_clean_path(path, &clean), fd;

	if (r < 0)
		return err_sys(err, -r, "masked or read-only path \"%s\"", path);
	fd = path_open_in_root(root->fd, clean, O_PATH, 0);
	if (fd == -ENOENT || fd == -ENOTDIR)
		return -ENOENT;
	return fd < 0 ? err_sys(err, -fd, "open %s", path) : fd;
}

/* One empty file system serves for all directories; the first use attaches it, and an attached
 * mount can be copied. */
static int hide_dir(int target_fd, int *empty_fd)
{
	auto_fd int copy = -1;
	int r;

	if (*empty_fd >= 0) {
		copy = mountfd_clone(*empty_fd, "", false);
		return copy < 0 ? copy : mountfd_attach(copy, target_fd);
	}
	copy = mountfd_new("tmpfs", "nr_inodes", "1");
	if (copy < 0)
		return copy;
	r = mountfd_set(copy, &read_only, false);
	if (r == 0)
		r = mountfd_attach(copy, target_fd);
	if (r == 0)
		*empty_fd = take_fd(&copy);
	return r;
}

static int hide_file(const struct rootfs *root, int target_fd)
{
	auto_fd int null = path_open_in_root(root->fd, "/dev/null", O_PATH | O_NOFOLLOW, 0);
	auto_fd int copy = -1;
	struct stat st;

	if (null < 0)
		return null;
	/* The image may have put something else there. */
	if (fstat(null, &st) < 0)
		return -errno;
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return -ENODEV;
	copy = mountfd_clone(null, "", false);
	return copy < 0 ? copy : mountfd_attach(copy, target_fd);
}

int masks_hide(const struct rootfs *root, char *const *paths, size_t n_paths, struct err *err)
{
	auto_fd int empty = -1;

	for (size_t i = 0; i < n_paths; i++) {
		auto_fd int target = open_target(root, paths[i], err);
		struct stat st;
		int r;

		if (target == -ENOENT)
			continue;
		if (target < 0)
			return target;
		if (fstat(target, &st) < 0)
			return err_sys(err, errno, "stat %s", paths[i]);
		r = S_ISDIR(st.st_mode) ? hide_dir(target, &empty) : hide_file(root, target);
		if (r < 0)
			return err_sys(err, -r, "mask %s", paths[i]);
	}
	return 0;
}

int masks_make_readonly(
	const struct rootfs *root, char *const *paths, size_t n_paths, struct err *err)
{
	for (size_t i = 0; i < n_paths; i++) {
		auto_fd int target = open_target(root, paths[i], err), copy = -1;
		int r;

		if (target == -ENOENT)
			continue;
		if (target < 0)
			return target;
		copy = mountfd_clone(target, "", true);
		r = copy < 0 ? copy : mountfd_set(copy, &read_only, true);
		if (r == 0)
			r = mountfd_attach(copy, target);
		if (r < 0)
			return err_sys(err, -r, "make %s read-only", paths[i]);
	}
	return 0;
}

int masks_make_root_readonly(const struct rootfs *root, struct err *err)
{
	int r = mountfd_set(root->fd, &read_only, false);

	return r < 0 ? err_sys(err, -r, "make the root directory read-only") : 0;
}
