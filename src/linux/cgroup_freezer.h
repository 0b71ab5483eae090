/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Stopping every process of a cgroup: v2's cgroup.freeze wherever there is v2 (its frozen processes
 * can be killed), else v1's freezer. -EOPNOTSUPP where there is neither.
 */
#include "linux/cgroup.h"

/* Waits until all have stopped, at most until deadline_ns (CLOCK_MONOTONIC): -ETIMEDOUT, and all
 * go on. */
int cgroup_freeze(const struct cgroup *c, int64_t deadline_ns) must_check;
/* Does not wait. */
int cgroup_thaw(const struct cgroup *c) must_check;
/* Whether it was asked to be, stopped already or not. */
int cgroup_is_frozen(const struct cgroup *c, bool *ret) must_check;
