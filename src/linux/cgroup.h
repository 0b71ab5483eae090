/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A cgroup: the same path in every hierarchy that is mounted (cgroup_layout.h). Made, filled,
 * emptied and removed as one thing. Paths are relative to the hierarchies, with or without a leading
 * "/", without "." and ".."; the root is refused.
 *
 * What waits says so; it is for jobs, never for the event loop.
 */
#include <stdbool.h>

#include "linux/cgroup_layout.h"

/* A zeroed one is closed. */
struct cgroup {
	const struct cgroup_layout *layout; /* borrowed; NULL: closed */
	int fds[CGROUP_HIERARCHIES_MAX];    /* owned: its directories; -1: it is not there */
};

/*
 * Makes it in every hierarchy, and its parents. -EEXIST if it is there and has processes (nothing is
 * made then); an empty one is replaced. What fails half-way is left for cgroup_remove.
 */
int cgroup_create(const struct cgroup_layout *layout, const char *path, struct cgroup *ret,
	struct err *err) must_check;
/* Where it is; -ENOENT if it is nowhere. */
int cgroup_open(const struct cgroup_layout *layout, const char *path, struct cgroup *ret,
	struct err *err) must_check;
void cgroup_close(struct cgroup *c);
#define auto_cgroup __attribute__((cleanup(cgroup_close)))

/* Moves the calling process. but_unified: it is in v2's directory already, by birth. */
int cgroup_join(const struct cgroup *c, bool but_unified) must_check;

/* The directory (borrowed) that has the controller's files, and whether they are v2's; -1 if the
 * machine has no such controller. (v2's directory may lack the files too.) */
int cgroup_fd_of(const struct cgroup *c, enum cgroup_controller which, bool *ret_unified);
/* v2's directory, borrowed; -1 without v2. */
int cgroup_fd_of_unified(const struct cgroup *c);

/* Kills everything in it, frozen or not, waits (until deadline_ns of CLOCK_MONOTONIC) for the end of
 * that, and removes it with whatever cgroups were made below it, and those of its parents that
 * cgroup_create has made and that are empty now. 0 also if it is not there. */
int cgroup_remove(const struct cgroup_layout *layout, const char *path, int64_t deadline_ns,
	struct err *err) must_check;
