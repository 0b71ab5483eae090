/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Disks of the host in a running virtual machine. One that several containers of the pod use is plugged
 * in once, and taken out after the last of them; the end of the machine takes all of them. Nothing of
 * it is left on the host then but the descriptor, which is the hypervisor's.
 */
#include <stdbool.h>

#include "hypervisor/device.h"
#include "runtime/sandbox.h"

struct sandbox_disk;

/* Called once, from the loop; err not NULL: it has not been plugged, and disk is NULL. */
typedef void sandbox_disk_fn(void *data, struct sandbox_disk *disk, const struct err *err);

/*
 * fd: open on a block device or a regular file, for writing too unless read-only; owned from the call
 * on. Returns 1 if the machine has it already: *ret is set, and done is not called; 0: done will be.
 * -EBUSY: it is just coming or going, or there in the other mode.
 */
int sandbox_disk_plug(struct sandbox *sb, int fd, bool is_readonly, sandbox_disk_fn *done,
	void *data, struct sandbox_disk **ret, struct err *err) must_check;
/* Good until it is released. */
const struct hypervisor_guest_address *sandbox_disk_address(const struct sandbox_disk *disk);
/* Once for each plug. 1: nothing has to be waited for; 0: done will be called, from the loop; its error
 * means that the guest holds on to the disk. */
int sandbox_disk_release(
	struct sandbox_disk *disk, sandbox_done_fn *done, void *data, struct err *err) must_check;
/* Nobody with this data is to be told any more. */
void sandbox_disk_forget(struct sandbox *sb, const void *data);
