/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which storages are mounted in the guest, and for how many users each.
 *
 * A storage is known by its mount point. The first request for it mounts it, later ones only count;
 * the last user to leave unmounts it, unless the host declared it shared or it is of a driver whose
 * storages stay (storage/driver.h): those end with the sandbox. Mounting and unmounting are done by
 * jobs: the set that is to do it owns the storage meanwhile, and others are refused it.
 *
 *	storages_acquire(map, list, n, owner, &set)  count, own what has to be mounted
 *	attach_start(...)                         wait for the devices of those (device/attach.h)
 *	job: storages_mount(&set, list, report)
 *	storages_watch(agent, &set, list)         mounted
 *	storages_settle(&set)                     mounted: owned by nobody
 *	...
 *	storages_leave(&set)                      discount, own what has to be unmounted
 *	job: storages_unmount(&set, n)
 *	storages_forget(map, &set)                also instead of settle, after undoing
 *	...
 *	job: storages_unmount_rest(map)           at the end: what has stayed
 *	storages_forget_rest(map)
 */
#include <stdint.h>

#include "agent.pb-c.h"
#include "agent/job.h"
#include "agent/storage.h"
#include "base/err.h"
#include "base/map.h"

struct storage {
	const struct storage_driver *driver;
	char *mount_point, *container_id; /* owned; container_id may be NULL */
	struct watch *watch;		  /* owned: of a watchable mount, while it is mounted */
	struct storage_owner owner; /* borrows container_id and the run_dir of the first user */
	size_t n_users;
	bool stays;	 /* mounted also without users */
	bool is_private; /* no other container may use it */
	bool busy;	 /* being mounted or unmounted by the set that owns it */
};

struct agent;
struct watch;

/* What one container, or the sandbox, uses. A zeroed one is empty. */
struct storage_set {
	struct storage_use {
		struct storage *storage; /* borrowed from the map */
		bool own;
		char *source; /* owned: the node of its device (device/attach.h), or NULL */
	} * uses;	      /* owned, in mount order */
	size_t n_uses;
};

/* Checks each storage first. On failure nothing has changed. owner's run_dir must outlive the map. */
int storages_acquire(struct map *map, Grpc__Storage **list, size_t n,
	const struct storage_owner *owner, struct storage_set *ret, struct err *err) must_check;
/* Between mounting and settling: what has to be watched from now on. */
int storages_watch(struct agent *agent, struct storage_set *set, Grpc__Storage **list,
	struct err *err) must_check;
void storages_settle(struct storage_set *set);
void storages_leave(struct storage_set *set);
/* Empties the set. */
void storages_forget(struct map *map, struct storage_set *set);
/* What nobody uses any more. In a job; goes on after a failure and reports the first. */
int storages_unmount_rest(const struct map *map, struct err *err) must_check;
void storages_forget_rest(struct map *map);
/* Frees what the map holds; mounts stay. */
void storages_fini(struct map *map);

/* In a job. Each mount is a step of the report. */
int storages_mount(const struct storage_set *set, Grpc__Storage **list, struct job_report *report,
	struct err *err) must_check;
/* In a job. Last first; n_begun: how many mounts were begun, UINT32_MAX after settling. Goes on
 * after a failure and reports the first. */
int storages_unmount(const struct storage_set *set, uint32_t n_begun, struct err *err) must_check;
