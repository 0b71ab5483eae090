/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * cgroup v2 directories: made, filled, emptied and removed. Paths are relative to the directory
 * that the hierarchy is mounted on (root), with or without a leading "/", without "." and ".."; the
 * hierarchy itself is refused.
 *
 * What waits says so; it is for jobs, never for the event loop.
 */
#include <stdbool.h>

#include "base/err.h"

/* An O_PATH fd of the root; -EOPNOTSUPP if it is no cgroup v2. */
int cgroup_open_root(const char *root, struct err *err) must_check;

/*
 * Makes the directory, and its parents with every controller passed on to their children (one that
 * cannot be is left out: a limit that needs it then finds no file). The last directory must be new:
 * -EEXIST if it is there and has processes; an empty one is replaced. Returns an fd of it.
 */
int cgroup_create(int root_fd, const char *path, struct err *err) must_check;
/* -ENOENT if it is not there. */
int cgroup_open(int root_fd, const char *path) must_check;

/* Moves the calling process. */
int cgroup_join(int cgroup_fd) must_check;
/* Whether there are processes in it or below it. */
int cgroup_is_populated(int cgroup_fd, bool *ret) must_check;
/* Sends signo to every process in it and below; frozen meanwhile, so that none escapes by forking.
 * SIGKILL goes by cgroup.kill where the kernel has it (5.14). */
int cgroup_signal(int cgroup_fd, int signo) must_check;

/* Kills everything in it, waits (on events, until deadline_ns of CLOCK_MONOTONIC) for the end of
 * that, and removes it with whatever cgroups were made below it. 0 also if it is not there. */
int cgroup_remove(int root_fd, const char *path, int64_t deadline_ns, struct err *err) must_check;
