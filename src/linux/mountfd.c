/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/mountfd.h"

#include <errno.h>
#include <linux/stat.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/path.h"

/* Not in musl 1.2.3, and in glibc only in headers that clash with <linux/mount.h>. */
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif
enum { DETACH = 2, NOFOLLOW = 8 }; /* MNT_DETACH, UMOUNT_NOFOLLOW */

int mountfd_clone(int dir_fd, const char *path, bool recursive)
{
	unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
	long fd;

	if (!*path)
		flags |= AT_EMPTY_PATH;
	if (recursive)
		flags |= AT_RECURSIVE;
	fd = syscall(SYS_open_tree, dir_fd, path, flags);
	return fd < 0 ? -errno : (int)fd;
}

static int configure(int fs_fd, unsigned int command, const char *key, const char *value)
{
	return syscall(SYS_fsconfig, fs_fd, command, key, value, 0) < 0 ? -errno : 0;
}

int mountfd_new(const char *type, const char *option, const char *value)
{
	auto_fd int fs_fd = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
	int r = 0;
	long fd;

	if (fs_fd < 0)
		return -errno;
	if (option)
		r = configure(
			fs_fd, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, option, value);
	if (r == 0)
		r = configure(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL);
	if (r < 0)
		return r;
	fd = syscall(SYS_fsmount, fs_fd, FSMOUNT_CLOEXEC, 0);
	return fd < 0 ? -errno : (int)fd;
}

/* Cuts options up. */
static int set_options(int fs_fd, char *options)
{
	char *rest = NULL;
	int r = 0;

	for (char *key = strtok_r(options, ",", &rest); key && r == 0;
		key = strtok_r(NULL, ",", &rest)) {
		char *value = strchr(key, '=');

		if (value)
			*value++ = '\0';
		r = configure(fs_fd, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, value);
	}
	return r;
}

int mountfd_reconfigure(int fd, const char *options)
{
	auto_free char *copy = strdup(options);
	auto_fd int fs_fd = -1;
	int r;

	if (!copy)
		return -ENOMEM;
	fs_fd = (int)syscall(SYS_fspick, fd, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
	if (fs_fd < 0)
		return -errno;
	r = set_options(fs_fd, copy);
	return r < 0 ? r : configure(fs_fd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL);
}

int mountfd_set(int mount_fd, const struct mount_attr *attr, bool recursive)
{
	unsigned int flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);

	return syscall(SYS_mount_setattr, mount_fd, "", flags, attr, sizeof(*attr)) < 0 ? -errno
											: 0;
}

int mountfd_attach(int mount_fd, int target_fd)
{
	unsigned int flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;

	return syscall(SYS_move_mount, mount_fd, "", target_fd, "", flags) < 0 ? -errno : 0;
}

int mountfd_mount(
	const char *source, int target_fd, const char *type, unsigned long flags, const char *data)
{
	char target[PATH_FD_SIZE];

	return syscall(SYS_mount, source, path_of_fd(target_fd, target), type, flags, data) < 0
		       ? -errno
		       : 0;
}

uint64_t mountfd_id(int fd)
{
	struct statx x = {0};

	if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &x) < 0)
		return 0;
	return x.stx_mask & STATX_MNT_ID ? x.stx_mnt_id : 0;
}

int mountfd_set_propagation(const char *path, unsigned long flags)
{
	return syscall(SYS_mount, NULL, path, NULL, flags, NULL) < 0 ? -errno : 0;
}

int mountfd_detach(const char *path)
{
	return syscall(SYS_umount2, path, DETACH | NOFOLLOW) < 0 ? -errno : 0;
}

int mountfd_pivot_here(void)
{
	return syscall(SYS_pivot_root, ".", ".") < 0 ? -errno : 0;
}
