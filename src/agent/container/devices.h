/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What is in a container's /dev. */
#include "agent/container/rootfs.h"
#include "oci.pb-c.h"

/*
 * Makes the nodes that every container has (null, zero, full, tty, urandom, random), those of the
 * spec (strictly below /dev), and the usual links (fd, stdin, stdout, stderr, ptmx, core). A node
 * that is there and is the right device is kept; any other file in its place is replaced.
 */
int devices_make(const struct rootfs *root, Grpc__LinuxDevice *const *devices, size_t n_devices,
	struct err *err) must_check;

/*
 * The same for a container that may not make nodes, in a user namespace: the guest's own are bound to
 * files. A listed device is looked for under its path, and then where the kernel says that it is;
 * -ENODEV: the guest has none. Its mode and owner are the guest's.
 */
int devices_bind(const struct rootfs *root, Grpc__LinuxDevice *const *devices, size_t n_devices,
	struct err *err) must_check;

/* Puts a detached mount of the terminal (mountfd_clone) on /dev/console. */
int devices_mount_console(const struct rootfs *root, int console_fd, struct err *err) must_check;

/* S_IFCHR ('c', 'u'), S_IFBLK ('b'), S_IFIFO ('p') for a spec's device type; -EINVAL. */
int devices_parse_type(const char *type) must_check;
