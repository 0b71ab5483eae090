/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A call that is answered by a job: for methods that may block and that change nothing of what the
 * agent itself keeps.
 *
 * The job has a copy of everything (job.h); what it finds out it leaves in a result that both share.
 * When the call's time is up, or its client leaves, the job is killed.
 *
 * A host that asks without end keeps CALL_JOBS_RUNNING processes per method busy. Further calls wait
 * for their turn, in the order in which they came, and past CALL_JOBS_MAX calls in all they are
 * refused with RESOURCE_EXHAUSTED. One that hangs holds up none of another method.
 */
#include "base/list.h"
#include "wire/ttrpc_server.h"

struct agent;

enum { CALL_JOBS_RUNNING = 16, CALL_JOBS_MAX = 256 };

/* In the job. result is zeroed memory of result_size bytes; NULL if that is 0. */
typedef int call_job_fn(
	const struct agent *agent, const ProtobufCMessage *request, void *result, struct err *err);
/* In the agent, after success: answers the call. */
typedef void call_job_reply_fn(struct ttrpc_call *call, void *result);

struct call_job_config {
	call_job_fn *run;
	call_job_reply_fn *reply; /* NULL: an empty reply */
	size_t result_size;
	/* Calls of one method with the same key run one after another; NULL: all at once. */
	const char *key;
};

/* Takes the call over. config is borrowed during this. */
void call_job_start(
	struct agent *agent, struct ttrpc_call *call, const struct call_job_config *config);
