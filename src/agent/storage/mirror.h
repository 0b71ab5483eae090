/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A copy of a small directory tree that follows its original: a ConfigMap or a Secret, which the
 * kubelet changes by turning one link ("..data") from one directory of files to another.
 *
 * The copy changes in the same order: new files first, each of them whole at once; then the links,
 * by rename; then what is gone goes. Whoever reads through the link sees the old state or the new
 * one. What was changed is told by time, size, mode and owner, which the copy takes over; nothing
 * else is remembered.
 *
 * Blocks: for jobs.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Upstream's limits. Directories, of which it has no limit, and their depth are ours. */
enum {
	MIRROR_MAX_FILES = 16, /* and links */
	MIRROR_MAX_SIZE = 1 << 20,
	MIRROR_MAX_DIRS = 16,
	MIRROR_MAX_DEPTH = 4,
};

/* The directories of the original, relative to it, one NUL behind each; "." is the first. */
struct mirror_dirs {
	size_t n;
	char names[2048];
	size_t len;
};

/*
 * Makes the directory at target_fd equal to that at source_fd; neither may be O_PATH. Links within
 * the source are not followed. ret_dirs may be NULL.
 *
 * -EFBIG: beyond the limits; -EAGAIN: the source was being changed, later will do. Both leave the
 * copy as it was, or with new files that no link leads to yet.
 */
int mirror_update(
	int source_fd, int target_fd, struct mirror_dirs *ret_dirs, struct err *err) must_check;
