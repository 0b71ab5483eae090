/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A spec's resources as cgroup v2 files. */
#include "base/err.h"
#include "oci.pb-c.h"

/*
 * Writes what is set. -1 means no limit, 0 not set (proto3 hosts cannot tell it from absent). A
 * limit whose controller is missing is an error, unless it asks for what holds anyway; cpuset.cpus
 * that cannot be had are only reported. Knobs that cgroup v2 does not have (kernel memory,
 * swappiness, OOM killer, real-time budgets, network classes) are ignored.
 */
int limits_apply(int cgroup_fd, const Grpc__LinuxResources *resources, int report_fd,
	struct err *err) must_check;

/* cpu.shares (2 to 262144) to cpu.weight (1 to 10000), as runc did before 1.3.2. */
uint64_t limits_cpu_weight(uint64_t shares);
/* memory.swap.max from OCI's limits, where swap is memory and swap together. Writes INT64_MAX for
 * no limit and -1 for "leave as is"; -EINVAL where the two do not go together. */
int limits_swap(int64_t memory, int64_t swap, int64_t *ret) must_check;
