/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the host's half of a sandbox tells of itself in Prometheus' text format: figures of the shim and
 * of its VMM, read from procfs. Names are upstream's (kata_shim_*, kata_hypervisor_*).
 */
#include <sys/types.h>

#include "base/buf.h"

struct sandbox_metrics {
	const char *proc; /* "/proc" */
	pid_t shim_pid, vmm_pid;
};

/* Appends them to out; what cannot be read is left out. -ENOMEM. */
int sandbox_metrics_write(const struct sandbox_metrics *m, struct buf *out) must_check;
