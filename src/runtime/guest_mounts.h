/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A container's mounts as the guest is to make them. First match wins:
 *
 *	type "kata:guest-mount:TYPE"		of TYPE in the guest, whatever it is
 *	bind on /dev/shm			the sandbox's own shm
 *	bind of something below /dev but for
 *	disks, /proc or /sys, and the file systems
 *	a kernel has by itself (proc, tmpfs,
 *	mqueue, cgroup, ...)			unchanged: the guest's own
 *	bind of a file or directory		through the shared directory, or a file system of the
 *						guest's: runtime/volume.h
 *	hugetlbfs				a file system of the guest's
 *	bind of a block device			linux.devices: the same disk in the guest
 *	ext4, of a disk				a file system of the guest's on that disk
 *	everything else				refused by name
 *
 * What a bind's source is is found out by the job that mounts it; after it the rest is decided.
 */
#include "agent.pb-c.h"
#include "runtime/guest_devices.h"
#include "runtime/guest_storages.h"
#include "runtime/share.h"

struct guest_mounts {
	Grpc__Mount *items; /* owned */
	size_t n_list;	    /* of list */
	Grpc__Mount **list; /* owned: to each of items */
	char **sources;	    /* owned, each and the array: what was rewritten */
	size_t *plan_index; /* owned: of each of items, SIZE_MAX if it is not in the plan */
	struct guest_storages storages; /* what they need; after guest_mounts_settle */
	size_t n;
};

/* The result borrows from spec; binds to be made on the host are added to plan, named after cid. */
int guest_mounts_init(struct guest_mounts *m, const Grpc__Spec *spec, const char *cid,
	struct share_plan *plan, struct err *err) must_check;
/* What decides about a container's volumes but for themselves; all borrowed. */
struct guest_mounts_context {
	const char *cid, *sandbox_id;
	const struct share_plan *plan;
	const Grpc__LinuxResources *resources; /* NULL: none */
	struct guest_devices *devices;	       /* added to */
};

/* Once the plan has been mounted. */
int guest_mounts_settle(struct guest_mounts *m, const struct guest_mounts_context *context,
	struct err *err) must_check;
void guest_mounts_fini(struct guest_mounts *m);
