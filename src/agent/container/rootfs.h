/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A container's root directory, in the mount namespace made for it.
 *
 * Order: rootfs_open, then whatever is mounted below it (mounts.h, devices.h, masks.h), then
 * rootfs_enter. Everything in between resolves paths in the root (rootfs_make_dir and base/path.h
 * with root->fd), so that links in the image, however made, stay inside.
 */
#include "base/err.h"

struct rootfs {
	int fd;	      /* owned: the root directory */
	int guest_fd; /* owned: the guest's own root, where sources of binds are */
};

#define ROOTFS_INIT                      \
	{                                \
		.fd = -1, .guest_fd = -1 \
	}

/*
 * Cuts the namespace off from the guest's (mounts made in the guest later still arrive, unless
 * propagation is "private" or "rprivate"; nothing goes back) and mounts path, an absolute path
 * without links, on itself.
 */
int rootfs_open(
	const char *path, const char *propagation, struct rootfs *ret, struct err *err) must_check;
void rootfs_fini(struct rootfs *root);

/*
 * Makes it "/", with nothing of the guest's left in the namespace, and then applies propagation
 * ("rshared", ...; NULL or "": rslave, which it has already).
 *
 * This is pivot_root(2). Where the guest runs from its initramfs pivot_root is impossible (the
 * initramfs cannot be unmounted): the root is then moved on top of "/" and every other mount of the
 * namespace detached. Such a container, if it has CAP_SYS_ADMIN and CAP_SYS_CHROOT, can unmount its
 * own root and enter the namespace again, and is in the initramfs. So an agent that is to run
 * containers that powerful must move from the initramfs to a file system of its own first, and
 * empty the initramfs.
 */
int rootfs_enter(struct rootfs *root, const char *propagation, struct err *err) must_check;

/* An O_PATH fd of a directory in the root to mount something on; missing ones are made. -EXDEV when
 * it is the root itself (a mount there would hide all that is mounted below). */
int rootfs_make_dir(const struct rootfs *root, const char *path) must_check;

/* The absolute path without "." and needless slashes ("/" stays). -EINVAL if it is not absolute or
 * has a ".." component, -ENOMEM. */
int rootfs_clean_path(const char *path, char **ret) must_check;
