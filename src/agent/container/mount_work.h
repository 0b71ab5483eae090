/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One mount of a spec, read, and the part of making it that happens before it has a place: as a
 * detached mount. That is done by the process, in its own mount namespace, or by the launch job.
 */
#include "agent/container/userns.h"
#include "linux/mount_options.h"
#include "oci.pb-c.h"

struct mount_work {
	const char *type, *source;    /* borrowed from the spec; "" where it has none */
	char *destination;	      /* owned; clean */
	struct mount_options options; /* owned; bind also by the type */
	struct userns_map uids, gids; /* for an id-mapped mount */
};

/* What cannot be done at all is refused here. Options that begin with "io.katacontainers." are for
 * the agent and dropped. */
int mount_work_init(const Grpc__Spec *spec, const Grpc__Mount *mount, struct mount_work *ret,
	struct err *err) must_check;
void mount_work_fini(struct mount_work *w);

bool mount_work_is_on(int fd, long fs_type);

/* The source of a bind with its options, below the root directory that guest_fd is open on.
 * is_shared: the caller's mounts are the guest's, and the copy must not pass anything back. */
int mount_work_open_tree(
	const struct mount_work *w, int guest_fd, bool is_shared, struct err *err) must_check;

/*
 * In the job: the mounts that the process cannot make, at the index of the mount, -1 for the others.
 * Those are id-mapped ones, for which a process has to be found in the guest's /proc; and, where the
 * container has a user namespace, all binds and the file systems that show a namespace which is not
 * its own. The job is in these namespaces. new_namespaces: as namespaces_new() says. *ret is owned by
 * the caller.
 */
int mounts_make_outside(
	const Grpc__Spec *spec, unsigned int new_namespaces, int **ret, struct err *err) must_check;
