/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The processors of a cgroup after more of them came online. v2 follows by itself where nothing was
 * asked for; a directory of v1 keeps the ones that it was made with.
 */
#include <stdbool.h>
#include <stddef.h>

#include "linux/cgroup_layout.h"

struct cgroup_cpuset {
	const char *path; /* borrowed; as for cgroup.h */
	const char *cpus; /* borrowed: what was asked for at its creation, "0-3,5" or "" */
	bool has_parents; /* for cgroup_cpuset_renew() itself */
};

/*
 * v1: the parents of each get all processors; the cgroup itself too, and then its cpus, unless it
 * had others than its parent before. v2: its cpus, if it has none yet, which is so when they were
 * not there at its creation. What cannot be had is left, as then, and so are cgroups that are gone.
 */
int cgroup_cpuset_renew(
	const struct cgroup_layout *layout, struct cgroup_cpuset *sets, size_t n) must_check;
