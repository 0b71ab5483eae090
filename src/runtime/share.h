/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The directory a sandbox shows its guest by virtio-fs:
 *
 *	<share>/rw/passthrough/<cid>/rootfs	a container's root file system
 *	<share>/rw/passthrough/<cid>/vol<n>	a bind mount of its spec
 *	<share>/rw/sandbox-mounts/<name>	one of the configuration (sandbox_bind_mounts)
 *	<share>/rw/watchable			where the agent mounts its copies of watchable volumes
 *	<share>/ro				a read-only view of rw, the only thing the guest
 * gets
 *
 * ro is a slave of the mount that rw is in, so what is mounted in rw later appears in it. A
 * read-only mount is read-only before it is attached anywhere: neither rw nor ro ever shows it
 * writable.
 *
 * The caller's mount namespace is its own and shared within itself (shim/daemon.c), so none of this
 * is seen by the host, and all of it by virtiofsd.
 */
#include <stdbool.h>

#include "base/err.h"
#include "hypervisor/device.h"
#include "linux/fd_channel.h"
#include "runtime/layout.h"
#include "runtime/state.h"
#include "runtime/volume.h"

/* Makes the directories and the read-only view. Quick: nothing it touches can be slow. */
int share_make(const struct layout *layout, struct state *state, struct err *err) must_check;

enum share_purpose {
	SHARE_ROOTFS,  /* of a directory if it is a bind */
	SHARE_SANDBOX, /* a bind of the configuration's: shown whatever it is */
	SHARE_VOLUME,  /* a bind, whose source may turn out to be the guest's affair (volume.h) */
	SHARE_SHM,     /* not mounted: its size is looked at, if it is there */
	SHARE_DEVICE,  /* not mounted: opened if it is a block device, else left to the guest */
	SHARE_DISK, /* not mounted: the file system on a block device, or on a regular file ("loop") */
};

/* One mount to be made. type "bind", or "" with a bind option: source is shown at target. */
struct share_mount {
	enum share_purpose purpose;
	const char *type, *source; /* borrowed from whoever asked for it */
	char *const *options;	   /* borrowed likewise */
	size_t n_options;
	char *target;	  /* owned: absolute, below rw_dir */
	bool is_root;	  /* SHARE_DISK: the container's root file system */
	bool is_readonly; /* in addition to what the options say */
	/* Of VOLUME_BLOCK: owned, from the mount until it is taken; -1: none. */
	int disk_fd;
	/* Where the guest has it; set by who has plugged it. Borrowed. */
	const struct hypervisor_guest_address *address;
};

/* What one container needs, in the order to be made. */
struct share_plan {
	const struct layout *layout; /* borrowed */
	bool refuses_disks;	     /* the configuration has no block devices */
	bool wants_local;	     /* volume.h */
	struct share_mount *items;   /* owned */
	size_t n_items;
	/* Owned: what share_plan_mount finds out about each of items, in memory that the job has in
	 * common with us. NULL before share_plan_note. */
	struct volume_facts *facts;
	size_t n_facts;
	struct fd_channel channel; /* owned: by which the job passes the disks on */
};

void share_plan_init(struct share_plan *plan, const struct layout *layout);
void share_plan_fini(struct share_plan *plan);

/* Copies what mount says but for target, which is name below rw. */
int share_plan_add(
	struct share_plan *plan, const struct share_mount *mount, const char *name) must_check;
/* Notes every target; before share_plan_mount. Nothing can be added from then on. */
int share_plan_note(struct share_plan *plan, struct state *state) must_check;
/* Makes the targets and the mounts. Waits for file systems: run it as a job. What it has made when
 * it fails is undone by runtime/undo.h. */
int share_plan_mount(const struct share_plan *plan, struct err *err) must_check;
/* Takes over what the job has opened; once it has ended well. */
int share_plan_collect(struct share_plan *plan, struct err *err) must_check;
/* What became of items[i], once mounted. */
const struct volume_facts *share_plan_facts(const struct share_plan *plan, size_t i);
