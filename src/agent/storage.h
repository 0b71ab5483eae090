/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One storage: what the host asks the guest to mount or to make, by a driver:
 *
 *	virtio-fs, 9p   a host directory shared under a tag
 *	bind            a directory or file of the guest
 *	local           a directory of the guest
 *	ephemeral       a file system in the guest's memory
 *	overlayfs       an overlay of directories
 *	blk, scsi, mmioblk, nvdimm
 *			a file system on a disk, which is waited for
 *	erofs.multi-layer
 *			an image in layers on disks (storage/multi_layer.h)
 *	watchable-bind  a small directory tree, copied again when it changes
 *
 * What a driver is, and how one is added: storage/driver.h. Which storages there are and for whom:
 * storages.h.
 */
#include "agent.pb-c.h"
#include "agent/storage/driver.h"
#include "base/err.h"

/* The drivers there are, as GetGuestDetails lists them. */
char **storage_driver_names(size_t *ret_n);
/* NULL if there is none. */
const struct storage_driver *storage_find_driver(const char *name);

/* What can be said against a request before anything is done; also finds its driver. */
int storage_check(const Grpc__Storage *s, const struct storage_owner *owner,
	const struct storage_driver **ret, struct err *err) must_check;
/* Blocks: for jobs. Makes the mount point with its parents. The device has been found: s->source is
 * its node. */
int storage_mount(const struct storage_driver *driver, const Grpc__Storage *s,
	const struct storage_owner *owner, struct err *err) must_check;
/* Blocks: for jobs. 0 also when nothing is mounted there; removes the mount point if it is an empty
 * directory. */
int storage_unmount(const struct storage_driver *driver, const char *mount_point,
	const struct storage_owner *owner, struct err *err) must_check;
