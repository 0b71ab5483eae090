/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The mounts of a spec, in its order, below a container's root. */
#include "agent/container/rootfs.h"
#include "oci.pb-c.h"

struct mounts {
	bool dev_is_bound; /* /dev is a bind: somebody else's devices, not to be added to */
	int *later_ro_fds; /* owned: what becomes read-only when all is set up */
	size_t n_later_ro;
};

/*
 * What differs from mount(8):
 * - A destination below /proc is refused, but for the few files that LXCFS and its kind replace;
 * /proc itself can be bound only from a procfs. What counts is where the destination really is.
 * - "cgroup" (and "cgroup2") is the container's own cgroup v2 tree, read-only unless "rw" is asked
 * for.
 * - A tmpfs and anything on /dev can be written to until mounts_finish, whatever its options say,
 *   because mount points and device nodes are still to be made in it.
 * - "remount" changes the options that every mount has, of what is mounted there; nothing of its file
 * system, which others may use too.
 *
 * outside_fds: what the job has made already (mount_work.h), by the index of the mount; NULL: nothing.
 */
int mounts_apply(const struct rootfs *root, const Grpc__Spec *spec, const int *outside_fds,
	struct mounts *ret, struct err *err) must_check;
int mounts_finish(struct mounts *m, struct err *err) must_check;
void mounts_fini(struct mounts *m);
