/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A spec's resources as cgroup files, of v1 or v2 by controller. */
#include "base/err.h"
#include "linux/cgroup.h"
#include "oci.pb-c.h"

enum limits_use {
	LIMITS_CREATE, /* a new cgroup: cpuset.cpus that cannot be had are only reported */
	LIMITS_UPDATE, /* one with processes */
};

/*
 * Writes what is set. -1 means no limit, 0 not set (proto3 hosts cannot tell it from absent); but a
 * burst, idleness, swappiness or OOM killer of 0 that is there is meant. A limit whose controller is
 * missing is an error, unless it asks for what holds anyway. Ignored are the limit of kernel memory
 * (gone from Linux), leaf weights (gone as well), and on v2 what it does not have: TCP memory,
 * swappiness, OOM killer, real-time budgets, network classes. Numbers of devices are the guest's.
 * unified writes v2's files by their names, last. Device rules are device_policy.h's.
 */
int limits_apply(const struct cgroup *cgroup, const Grpc__LinuxResources *resources,
	enum limits_use use, int report_fd, struct err *err) must_check;

/* cpu.shares (2 to 262144) to cpu.weight (1 to 10000), as runc did before 1.3.2. */
uint64_t limits_cpu_weight(uint64_t shares);
/* memory.swap.max from OCI's limits, where swap is memory and swap together. Writes INT64_MAX for
 * no limit and -1 for "leave as is"; -EINVAL where the two do not go together. */
int limits_swap(int64_t memory, int64_t swap, int64_t *ret) must_check;
/* INVALID_ARGUMENT: what is said then. */
int limits_refuse_swap(const Grpc__LinuxMemory *memory, struct err *err);
/* blkio.weight (10 to 1000) to io.weight (1 to 10000). */
uint64_t limits_io_weight(uint32_t weight);
