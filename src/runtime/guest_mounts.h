/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A container's mounts as the guest is to make them. First match wins:
 *
 *	bind on /dev/shm			the sandbox's own shm
 *	bind of something below /dev,
 *	/proc or /sys, and the file systems
 *	a kernel has by itself (proc, tmpfs,
 *	mqueue, cgroup, ...)			unchanged: the guest's own
 *	bind of a file or directory		through the shared directory
 *	everything else				refused by name
 */
#include "agent.pb-c.h"
#include "runtime/share.h"

struct guest_mounts {
	Grpc__Mount *items; /* owned */
	Grpc__Mount **list; /* owned: to each of items */
	char **sources;	    /* owned, each and the array: what was rewritten */
	size_t n;
};

/* The result borrows from spec; binds to be made on the host are added to plan, named after cid. */
int guest_mounts_init(struct guest_mounts *m, const Grpc__Spec *spec, const char *cid,
	struct share_plan *plan, struct err *err) must_check;
void guest_mounts_fini(struct guest_mounts *m);
