/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The disks of one container: those that its plan's mounts have turned out to be. */
#include "runtime/sandbox_disk.h"
#include "runtime/share.h"

struct container_disks;

/* 1: there are some; 0: there are none, and *ret is one without any. plan is borrowed until they are
 * plugged. */
int container_disks_new(struct sandbox *sb, struct share_plan *plan, struct container_disks **ret,
	struct err *err) must_check;
/* Whoever waits is not told any more. Does not take them out: container_disks_release does. NULL is fine. */
void container_disks_free(struct container_disks *d);

/* Both: 1: done already; 0: done will be called, once, from the loop. plug sets the addresses of the
 * plan's items; what it has plugged when it fails is to be released. A release does not fail: what
 * cannot be taken out is logged. */
int container_disks_plug(
	struct container_disks *d, sandbox_done_fn *done, void *data, struct err *err) must_check;
int container_disks_release(
	struct container_disks *d, sandbox_done_fn *done, void *data) must_check;
