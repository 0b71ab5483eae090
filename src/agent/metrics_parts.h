/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Private to metrics.c: what each part makes of its file. */
#include "linux/process_metrics.h"

typedef void metrics_part_fn(struct prometheus *p, struct slice text);

/* metrics_agent.c */
metrics_part_fn metrics_agent_io, metrics_agent_stat, metrics_agent_status, metrics_agent_totals;
/* metrics_guest.c */
metrics_part_fn metrics_cpu, metrics_disks, metrics_filesystems, metrics_load, metrics_memory,
	metrics_network, metrics_tasks, metrics_vm;

/* n * numerator / denominator, or UINT64_MAX if that is what it comes to. */
uint64_t metrics_scale(uint64_t n, uint64_t numerator, uint64_t denominator);
/* Of the times in procfs, per second. */
uint64_t metrics_ticks(void);
