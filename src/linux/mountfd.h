/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Mounts by file descriptor (the mount API of Linux 5.2 and 5.12): a mount is made or copied
 * detached, given its attributes, and then attached to a place that is an fd too, so that no path
 * is walked twice and nobody sees the mount half-made.
 *
 * Brings <linux/mount.h> (MS_*, MOUNT_ATTR_*), which cannot be mixed with <sys/mount.h>.
 */
#include <fcntl.h>
#include <linux/mount.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/own.h"

/* A detached copy of the mount at dir_fd/path ("" for dir_fd itself), with the mounts below it when
 * recursive. The original must be in the caller's mount namespace. */
int mountfd_clone(int dir_fd, const char *path, bool recursive) must_check;

/* A detached new file system. option and value may be NULL; so may value alone (a flag). */
int mountfd_new(const char *type, const char *option, const char *value) must_check;

/* Changes a file system by what fd is open on, with options as mount(8) writes them
 * ("size=1m,noswap"); those that are not named stay, and so do the flags of its mounts. */
int mountfd_reconfigure(int fd, const char *options) must_check;

/* attr as mount_setattr(2); recursive: for the mounts below too. */
int mountfd_set(int mount_fd, const struct mount_attr *attr, bool recursive) must_check;

/* Attaches a detached mount (or moves an attached one) on top of what target_fd is open on. */
int mountfd_attach(int mount_fd, int target_fd) must_check;

/* mount(2) on top of what target_fd is open on; needs a trustworthy /proc. */
int mountfd_mount(const char *source, int target_fd, const char *type, unsigned long flags,
	const char *data) must_check;

/* Identifies the mount (not the file system) that fd is on; 0 when the kernel cannot tell. */
uint64_t mountfd_id(int fd);

/* By path, for "/" and ".": mount(2) with a propagation flag, umount2 (MNT_DETACH |
 * UMOUNT_NOFOLLOW), pivot_root(".", "."). */
int mountfd_set_propagation(const char *path, unsigned long flags) must_check;
int mountfd_detach(const char *path) must_check;
int mountfd_pivot_here(void) must_check;
