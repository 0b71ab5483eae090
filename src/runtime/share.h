/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The directory a sandbox shows its guest by virtio-fs:
 *
 *	<share>/rw/passthrough/<cid>/rootfs	a container's root file system
 *	<share>/rw/passthrough/<cid>/vol<n>	a bind mount of its spec
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
#include "runtime/layout.h"
#include "runtime/state.h"

/* Makes the directories and the read-only view. Quick: nothing it touches can be slow. */
int share_make(const struct layout *layout, struct state *state, struct err *err) must_check;

/* One mount to be made. type "bind", or "" with a bind option: source is shown at target. */
struct share_mount {
	const char *type, *source; /* borrowed from whoever asked for it */
	char *const *options;	   /* borrowed likewise */
	size_t n_options;
	char *target;	  /* owned: absolute, below rw_dir */
	bool is_readonly; /* in addition to what the options say */
};

/* What one container needs, in the order to be made. */
struct share_plan {
	const struct layout *layout; /* borrowed */
	struct share_mount *items;   /* owned */
	size_t n_items;
};

void share_plan_fini(struct share_plan *plan);

/* Copies what mount says but for target, which is name below rw/passthrough. */
int share_plan_add(
	struct share_plan *plan, const struct share_mount *mount, const char *name) must_check;
/* Notes every target; before share_plan_mount. */
int share_plan_note(const struct share_plan *plan, struct state *state) must_check;
/* Makes the targets and the mounts. Waits for file systems: run it as a job. What it has made when
 * it fails is undone by runtime/undo.h. */
int share_plan_mount(const struct share_plan *plan, struct err *err) must_check;
