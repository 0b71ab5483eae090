/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Who a process is. A pid is reused; a pid with its start time (field 22 of /proc/PID/stat, clock
 * ticks since boot) names one process for ever, which is what the journal of a sandbox keeps.
 */
#include <stdint.h>
#include <sys/types.h>

#include "base/own.h"
#include "base/slice.h"

struct procstat {
	char state; /* 'R', 'S', 'Z', ... */
	pid_t ppid;
	uint64_t start_time; /* clock ticks since boot */
	/* Clock ticks: its own, and those of the children it has waited for. */
	uint64_t utime, stime, cutime, cstime;
	uint64_t n_threads;
	uint64_t vsize;	    /* bytes */
	uint64_t rss_pages; /* 0, like vsize, in a text that ends with start_time */
};

/* The text of a /proc/PID/stat; -EINVAL if it is not one. The name in it may hold anything,
 * ')' and newlines included. */
int procstat_parse(struct slice text, struct procstat *ret) must_check;

/* -ESRCH if there is no such process. A zombie counts as one. */
int procstat_read(pid_t pid, struct procstat *ret) must_check;

/*
 * Opens a pidfd (close-on-exec) on the process that pid and start_time name. -ESRCH if it is gone
 * or the pid has another process now.
 */
int procstat_open(pid_t pid, uint64_t start_time) must_check;
