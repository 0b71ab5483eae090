/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What GetMetrics tells: figures of the agent and of the guest, read from procfs. Names and units
 * are upstream's, which people's dashboards know.
 */
#include <sys/types.h>

#include "text/prometheus.h"

/* In the order of the families' names; two of them may read the same file. */
enum metrics_part {
	METRICS_AGENT_IO,
	METRICS_AGENT_STAT,
	METRICS_AGENT_STATUS,
	METRICS_AGENT_TOTALS,
	METRICS_CPU,
	METRICS_DISKS,
	METRICS_FILESYSTEMS,
	METRICS_LOAD,
	METRICS_MEMORY,
	METRICS_NETWORK,
	METRICS_TASKS,
	METRICS_VM,
	METRICS_PART_COUNT,
};

struct metrics_config {
	const char *proc;   /* "/proc" */
	pid_t agent_pid;    /* whose figures are the agent's */
	uint64_t n_scrapes; /* this one included */
};

struct metrics_result {
	unsigned int missing; /* 1 << enum metrics_part: its file could not be read */
	bool is_cut;	      /* there was more than fits (prometheus.h) */
};

/* Appends everything to out. It reads files, and asks file systems how full they are: may block. */
int metrics_collect(const struct metrics_config *config, struct buf *out,
	struct metrics_result *ret) must_check;
/* Its file, "diskstats" below /proc, for the log. */
const char *metrics_part_file(enum metrics_part part);

/* The families of one part, whose file holds text. Lines and words that are none are passed over. */
void metrics_add_part(struct prometheus *p, enum metrics_part part, struct slice text);
