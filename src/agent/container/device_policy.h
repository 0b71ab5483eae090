/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which devices a container may use, on its cgroup: by BPF where there is cgroup v2, else by v1's
 * devices controller. A machine with neither (v2 without CONFIG_CGROUP_BPF) starts no container:
 * nothing else would keep one from the guest's own disks.
 *
 * In order, the last rule that matches deciding: nothing; the spec's rules
 * (linux.resources.devices), or, if it has none, the devices it lists (hosts that clear the rules
 * still mean those); making any node, and the devices that every container has; never the disks
 * that the guest itself runs from.
 */
#include "agent/container/launch.h"
#include "linux/cgroup.h"
#include "linux/device_filter.h"

struct device_policy {
	struct device_rule *rules; /* owned */
	size_t n_rules;
};

/* An unknown type or access is INVALID_ARGUMENT. An absent or negative number is any; so are two
 * zeros, which proto3 hosts send for absent ones (there is no device 0:0). */
int device_policy_make(
	const Grpc__Linux *linux_spec, struct device_policy *ret, struct err *err) must_check;
void device_policy_fini(struct device_policy *policy);

/* Attaches it to the cgroup, in place of the one that this has attached before. Stops the cgroup's
 * processes for a moment on v1. -ENOTSUP: see device_list.h. */
int device_policy_attach(const struct device_policy *policy, const struct cgroup *cgroup,
	struct err *err) must_check;
/* Makes it and attaches it. */
int device_policy_apply(
	const struct cgroup *cgroup, const Grpc__Linux *linux_spec, struct err *err) must_check;
