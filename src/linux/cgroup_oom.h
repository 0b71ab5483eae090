/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Being told when the kernel kills a process of a cgroup for want of memory: v2's memory.events,
 * or v1's memory.oom_control with an eventfd.
 */
#include "linux/cgroup.h"

struct cgroup_oom {
	int fd;		  /* owned: to be polled */
	uint32_t events;  /* for what: EPOLLPRI or EPOLLIN */
	int counter_fd;	  /* owned; fd itself on v2 */
	uint64_t n_kills; /* seen so far */
};

/* -EOPNOTSUPP: there is no memory controller. */
int cgroup_oom_open(const struct cgroup *c, struct cgroup_oom *ret) must_check;
void cgroup_oom_close(struct cgroup_oom *oom);
/*
 * Whether there were kills since the last check; also makes fd quiet again. -ENODEV when the cgroup
 * has been removed: fd then has no more to tell. v1 rings before it kills, so that it may have to be
 * checked again a little later; kills in v1 cgroups below this one are not counted.
 */
int cgroup_oom_check(struct cgroup_oom *oom, bool *ret) must_check;
