/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Putting to use what the host has plugged into the guest: processors and memory, by sysfs. All of
 * it blocks: for jobs.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * Until n_cpus processors are online: switches on what is offline, and waits for the kernel to tell
 * of more, up to deadline_ns (CLOCK_MONOTONIC; -ETIMEDOUT). One without a switch is always online.
 */
int online_cpus(uint32_t n_cpus, int64_t deadline_ns, struct err *err) must_check;
/* Every block of memory that is offline; one that cannot be is left. */
int online_memory(struct err *err) must_check;
/* Tells a kernel that cannot notice it itself that there is memory at these addresses. */
int online_probe_memory(const uint64_t *addresses, size_t n, struct err *err) must_check;
