/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * How large a virtual machine has to be for the containers in it. Pure computation: what a container
 * needs is read from its resources, which are checked (oci/validate.h) and otherwise not trusted, and
 * the sum over all of them is brought into the bounds of the configuration.
 *
 *	vCPUs	default_vcpus and the sum of quota / period of those with a quota, rounded up; if none has
 *		one, the size of the union of their cpusets
 *	memory	default_memory and the sum of the limits, of huge pages too
 *
 * A container without a limit adds nothing: it lives on what the machine has anyway. Shares are a
 * weight, not a need, and add nothing either.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "config/config.h"
#include "oci.pb-c.h"

/* A cpuset with a CPU beyond it counts nothing; no machine that we make has as many. */
enum { SIZING_CPUS_MAX = 1024 };

struct sizing_need {
	uint64_t micro_cpus; /* 0: no quota */
	uint64_t cpus[SIZING_CPUS_MAX / 64];
	uint64_t memory_mib; /* rounded up; 0: no limit */
	uint64_t huge_mib;   /* of all sizes of huge pages */
};

/* Replaces in need what resources speak of: an update may speak of memory alone. NULL: nothing. */
void sizing_read(const Grpc__LinuxResources *resources, struct sizing_need *need);
/* What containerd and CRI-O write into the annotations of a pod's sandbox about all of its containers
 * (io.kubernetes.cri.sandbox-cpu-quota, -cpu-period, -memory). -EINVAL names the annotation. */
int sizing_read_pod(const Grpc__Spec *spec, struct sizing_need *ret, struct err *err) must_check;
/* Adds one to total. Sums do not overflow: they stay at the largest number. */
void sizing_add(struct sizing_need *total, const struct sizing_need *one);

struct sizing {
	uint32_t vcpus;
	uint64_t memory_mib;
};

/* The machine for all of total, between what it starts with and max. */
struct sizing sizing_compute(const struct config_hypervisor *config,
	const struct sizing_need *total, const struct sizing *max);
/*
 * The machine that never changes (static_sandbox_resource_mgmt): vCPUs are quota and overhead_vcpus,
 * memory the limits and overhead_memory, rounded up to an even number; where nothing is limited,
 * default_vcpus and default_memory.
 */
struct sizing sizing_compute_static(
	const struct config_hypervisor *config, const struct sizing_need *total);
