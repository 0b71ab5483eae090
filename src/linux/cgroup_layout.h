/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which cgroup hierarchies there are, and which of them has which controller.
 *
 * A machine has cgroup v2 (one hierarchy with everything), v1 (a hierarchy for every controller or
 * for a few that are mounted together), or both (hybrid), where v2 has what v1 has not taken.
 * Hierarchies of v1 without a controller ("name=systemd") are somebody else's book-keeping and not
 * listed.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* By the names of v1; what v2 calls "io" is CGROUP_BLKIO, its cpu accounting needs no controller. */
enum cgroup_controller {
	CGROUP_CPU,
	CGROUP_CPUACCT,
	CGROUP_CPUSET,
	CGROUP_MEMORY,
	CGROUP_DEVICES,
	CGROUP_FREEZER,
	CGROUP_BLKIO,
	CGROUP_PIDS,
	CGROUP_HUGETLB,
	CGROUP_NET_CLS,
	CGROUP_NET_PRIO,
	CGROUP_PERF_EVENT,
	CGROUP_RDMA,
	CGROUP_MISC,
	CGROUP_CONTROLLER_COUNT,
};

enum {
	CGROUP_HIERARCHIES_MAX = CGROUP_CONTROLLER_COUNT + 1, /* one for each, and v2 */
	CGROUP_MOUNT_POINT_SIZE = 128,
};

struct cgroup_hierarchy {
	bool unified;	      /* v2 */
	uint32_t controllers; /* of v1: 1 << enum cgroup_controller; 0 for v2 */
	char mount_point[CGROUP_MOUNT_POINT_SIZE];
};

struct cgroup_layout {
	struct cgroup_hierarchy hierarchies[CGROUP_HIERARCHIES_MAX];
	size_t n_hierarchies;
};

/*
 * From the text of a /proc/PID/mountinfo, which is cut up. Of several mounts of one hierarchy, one
 * below /sys/fs/cgroup is preferred, then the first; of two in one place the later hides the other.
 * -ENOENT: there is none.
 */
int cgroup_layout_parse(char *text, struct cgroup_layout *ret) must_check;
/* The calling process's own. */
int cgroup_layout_read(struct cgroup_layout *ret, struct err *err) must_check;

/* Where the controller's files are: an index of hierarchies, v2's unless a v1 hierarchy has it;
 * -ENOENT if there is neither. */
int cgroup_layout_find(const struct cgroup_layout *layout, enum cgroup_controller which) must_check;
/* The index of v2's hierarchy; -ENOENT without it. */
int cgroup_layout_find_unified(const struct cgroup_layout *layout) must_check;

/* "memory" */
const char *cgroup_controller_name(enum cgroup_controller which);
