/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One directory of one cgroup hierarchy (cgroup_layout.h). Paths are relative to where the hierarchy
 * is mounted (root), with or without a leading "/", without "." and ".."; the hierarchy itself is
 * refused. Used by cgroup.h, which is what others want.
 */
#include <stdbool.h>

#include "linux/cgroup_layout.h"

/* An O_PATH fd of the hierarchy's root; -EOPNOTSUPP if that is no cgroup file system of its kind. */
int cgroup_dir_open_root(const struct cgroup_hierarchy *h, struct err *err) must_check;
/* -ENOENT if it is not there. */
int cgroup_dir_open(int root_fd, const char *path) must_check;
/*
 * Makes the directory, and its parents, ready for processes: v2's controllers are passed on to their
 * children (one that cannot be is left out: a limit that needs it then finds no file), v1's cpuset
 * gets the processors and memory nodes of its parent. The last directory must be new: an empty one
 * is replaced. Returns an fd of it.
 */
int cgroup_dir_create(int root_fd, const char *path, const struct cgroup_hierarchy *h) must_check;
/* Removes those of its parents that cgroup_dir_create has made (they are marked) and that have become
 * empty. The directory itself has gone. */
void cgroup_dir_remove_parents(int root_fd, const char *path);
/* With whatever was made below it; -EBUSY while there are processes. 0 also if it is not there. */
int cgroup_dir_remove(int root_fd, const char *path) must_check;

/* Whether there are processes in it or below it. */
int cgroup_dir_is_populated(int dir_fd, bool unified, bool *ret) must_check;
/* Calls fn for it and each below it, parents first; the first error ends it. */
typedef int cgroup_dir_fn(int dir_fd, void *data);
int cgroup_dir_visit(int dir_fd, cgroup_dir_fn *fn, void *data) must_check;
/* Calls fn for each process in it (not below). Those that cannot be seen from this pid namespace are
 * passed over, and so are those of a threaded cgroup, which its domain lists. */
typedef void cgroup_dir_pid_fn(pid_t pid, void *data);
int cgroup_dir_each_pid(int dir_fd, cgroup_dir_pid_fn *fn, void *data) must_check;

/* Waits until cgroup.events of a v2 directory says that the flag ("populated", "frozen") has the value:
 * on events, until deadline_ns (CLOCK_MONOTONIC; -ETIMEDOUT). -ENODEV if it has been removed. */
int cgroup_dir_wait_flag(int dir_fd, const char *flag, bool value, int64_t deadline_ns) must_check;
/* Polls until deadline_ns; 0 also when interrupted. */
int cgroup_dir_poll(int fd, short events, int64_t deadline_ns, short *ret_events) must_check;
