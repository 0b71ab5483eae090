/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a storage driver is: a file of its own in this folder, with a struct storage_driver that
 * storage.c's table lists.
 *
 * A storage is checked when it is asked for, on the loop; all else is done in jobs and may block.
 * Who mounts it and who unmounts it may be different jobs for different containers, so what undoes
 * a mount works from the mount point and its owner alone.
 */
#include "agent.pb-c.h"
#include "agent/device/want.h"
#include "base/err.h"

/* Who a storage was first asked for by. */
struct storage_owner {
	const char *run_dir;	  /* the agent's (options.h) */
	const char *container_id; /* valid (base/path.h); NULL: the sandbox itself */
};

struct storage_driver {
	const char *name;
	/* A volume of the pod, that outlives its containers: it is kept until the sandbox ends. */
	bool stays;
	/* Lives in its owner's bundle: no other container may use it. NULL: none does. */
	bool (*is_private)(const Grpc__Storage *s);
	/* There can be no storage of this driver at mount_point while there is one at other. NULL:
	 * there can. */
	bool (*excludes)(
		const char *mount_point, const char *other, const struct storage_owner *owner);
	/* What can be said against a request before anything is done; driver and mount point have
	 * been looked at. NULL: storage_check_fs(). */
	int (*check)(const Grpc__Storage *s, const struct storage_owner *owner, struct err *err);
	/* The device that the source of a checked storage names: 1 and what has to be waited for; its
	 * node is the source of what is mounted then. 0, or NULL: the source is taken as it is. On
	 * the loop. */
	int (*want_device)(const Grpc__Storage *s, struct device_want *ret, struct err *err);
	/* Leaves nothing behind when it fails. NULL: storage_mount_fs() of the source. */
	int (*mount)(const Grpc__Storage *s, const struct storage_owner *owner, struct err *err);
	/* Also after a mount that was killed half-way, or never begun. NULL: storage_unmount_fs(). */
	int (*unmount)(const char *mount_point, const struct storage_owner *owner, struct err *err);
};

extern const struct storage_driver storage_virtio_fs, storage_9p, storage_bind, storage_local,
	storage_ephemeral, storage_overlayfs, storage_watchable;
/* Of a group of storages (multi_layer.h). */
extern const struct storage_driver storage_multi_layer;
/* block.c */
extern const struct storage_driver storage_blk, storage_scsi, storage_mmioblk, storage_nvdimm;
