/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Watchable bind mounts: copies of ConfigMaps and Secrets that follow the host's (mirror.h). They
 * stand in a tmpfs of the agent at one of a few places below the pod's share; the first of a sandbox
 * decides at which, and the last takes the tmpfs away. What is beyond the limits of a copy is a bind
 * mount instead, that nobody watches.
 *
 * watch.h sees to it that watchable_update() is called. Only a copy that is locked (by flock of its
 * directory) is changed or removed.
 */
#include "agent/storage/mirror.h"
#include "base/err.h"

/* How many leading bytes of an absolute path name the directory that the copies of a sandbox stand
 * in; 0 if the path is not one of a copy (sheet of upstream's agent, 7.5). */
size_t watchable_parent_len(const char *path, const char *run_dir);

enum watchable_result {
	WATCHABLE_NONE,	    /* the copy has gone, or the update failed */
	WATCHABLE_BOUND,    /* it is a bind mount: no update is needed any more */
	WATCHABLE_COPIED,   /* from a file system that tells of no changes */
	WATCHABLE_NOTIFIES, /* from one that has inotify, on each of *ret_dirs */
};

/* For jobs. */
int watchable_update(const char *source, const char *target, enum watchable_result *ret,
	struct mirror_dirs *ret_dirs, struct err *err) must_check;
