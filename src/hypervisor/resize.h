/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * How many CPUs and how much memory a running machine has.
 *
 * The machine starts with what the configuration says (default_vcpus rounded up, default_memory) and
 * can grow to default_maxvcpus and default_maxmemory; what it started with it keeps. Memory grows by
 * whole blocks of HYPERVISOR_MEMORY_BLOCK_MIB, the smallest piece that a Linux guest can switch on
 * (spec of the agent: GuestDetails.mem_block_size_bytes is a divisor of it on x86). What is plugged in
 * has still to be put to use by the agent (OnlineCPUMem).
 *
 * One resize of each kind at a time (-EBUSY). -ENOTCONN: the machine does not run. -ERANGE: more than the
 * machine can have. -EOPNOTSUPP: a machine of fixed size.
 *
 * The answer comes once, from the loop; not if the VM is freed before. Its n are the vCPUs, or MiB,
 * that the machine has now, whether or not err is set: a guest may not give back what it has, and of
 * several CPUs one may fail. Shrinking less than asked for is no error.
 */
#include "hypervisor/hypervisor.h"

enum { HYPERVISOR_MEMORY_BLOCK_MIB = 128 };

int hypervisor_resize_vcpus(struct hypervisor *hv, uint32_t n, hypervisor_resized_fn *done,
	void *data, struct err *err) must_check;
/* The machine gets at least mib, unless that is less than it started with. */
int hypervisor_resize_memory(struct hypervisor *hv, uint64_t mib, hypervisor_resized_fn *done,
	void *data, struct err *err) must_check;

struct hypervisor_size {
	uint32_t vcpus, max_vcpus;
	uint64_t memory_mib, max_memory_mib;
};
/* What the machine has now and can have; before the start: will have. */
void hypervisor_get_size(const struct hypervisor *hv, struct hypervisor_size *ret);
