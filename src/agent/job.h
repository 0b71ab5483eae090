/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Work that may block, done by a forked child of the agent.
 *
 * The agent is single-threaded, so the child may run ordinary code on the copy of everything that
 * fork gave it; mounts and files that it makes are the agent's as well. It has no fd but 0 to 2: it
 * opens what it needs by path. It dies with the agent.
 *
 * What it does in steps it can announce, each before it is begun (job_report_step). The count
 * survives a killed child, so that its owner knows how much there is to undo at most.
 */
#include <stdint.h>

#include "agent/reaper.h"
#include "base/err.h"

struct job;
struct job_report;

/* In the child. Returns 0, or -errno with err set. */
typedef int job_fn(void *data, struct job_report *report, struct err *err);
void job_report_step(struct job_report *report);
/* The step that was announced last has failed and left nothing to undo. */
void job_report_step_back(struct job_report *report);

/* A line for the log that is no failure of the job; few and short ones: together they have 4 KiB. */
void job_report_warning(struct job_report *report, const char *text);

/* Once, from the loop: err is NULL on success; n_steps is how many were announced. The job is freed
 * after it. */
typedef void job_done_fn(void *data, const struct err *err, uint32_t n_steps);

struct job_config {
	const char *name; /* for messages: "remove container" */
	job_fn *run;
	job_done_fn *done;
	void *data; /* handed to both; for run, the child's copy */
};

/* config is borrowed during the call. */
int job_start(struct reaper *reaper, const struct job_config *config, struct job **ret,
	struct err *err) must_check;
/* How many have not been reported yet. */
unsigned int job_count(void);

/* Kills the child. done follows when it is dead, with ECANCELED unless it had already finished. */
void job_kill(struct job *job);
