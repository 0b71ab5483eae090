/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/call_job.h"

#include <string.h>
#include <sys/mman.h>

#include "agent/agent.h"
#include "agent/job.h"
#include "agent/rpc.h"
#include "wire/status.h"

struct call_job {
	struct list link; /* in the agent's call_jobs, in order of arrival */
	struct agent *agent;
	const struct ttrpc_method *method;
	struct ttrpc_call *call; /* NULL: cancelled, and its job is being killed */
	struct job *job;	 /* NULL: it waits for its turn */
	struct call_job_config config;
	void *result; /* mapped; NULL: none */
	char key[];   /* config.key or "": the request may go before the job */
};

static void call_job_free(struct call_job *cj)
{
	list_remove(&cj->link);
	if (cj->result)
		(void)munmap(cj->result, cj->config.result_size);
	free(cj);
}

static void fail(struct call_job *cj, const struct err *err)
{
	ttrpc_call_on_cancel(cj->call, NULL, NULL);
	rpc_fail(cj->call, err);
	call_job_free(cj);
}

/* In the child. */
static int run(void *data, struct job_report *report, struct err *err)
{
	const struct call_job *cj = data;

	(void)report;
	return cj->config.run(cj->agent, ttrpc_call_request(cj->call), cj->result, err);
}

static void start_waiting(struct agent *agent);

static void on_done(void *data, const struct err *err, uint32_t n_steps)
{
	struct call_job *cj = data;
	struct agent *agent = cj->agent;

	(void)n_steps;
	if (!cj->call) {
		call_job_free(cj);
	} else if (err) {
		fail(cj, err);
	} else {
		ttrpc_call_on_cancel(cj->call, NULL, NULL);
		if (cj->config.reply)
			cj->config.reply(cj->call, cj->result);
		else
			ttrpc_call_reply(cj->call, NULL);
		call_job_free(cj);
	}
	start_waiting(agent);
}

static void on_cancel(void *data)
{
	struct call_job *cj = data;

	ttrpc_call_drop(take_ptr(&cj->call));
	if (cj->job)
		job_kill(cj->job);
	else
		call_job_free(cj);
}

static bool may_start(const struct call_job *cj)
{
	bool is_earlier = true;
	size_t n_running = 0;

	LIST_FOREACH (other, &cj->agent->call_jobs, const struct call_job, link) {
		if (other == cj)
			is_earlier = false;
		else if (other->method == cj->method) {
			n_running += other->job != NULL;
			if (is_earlier && *cj->key && strcmp(other->key, cj->key) == 0)
				return false;
		}
	}
	return n_running < CALL_JOBS_RUNNING;
}

static void start_waiting(struct agent *agent)
{
	LIST_FOREACH_SAFE (cj, &agent->call_jobs, struct call_job, link) {
		struct job_config config = {
			.name = cj->method->method, .run = run, .done = on_done, .data = cj};
		struct err err = ERR_INIT;

		if (!cj->job && may_start(cj) &&
			job_start(agent->reaper, &config, &cj->job, &err) < 0)
			fail(cj, &err);
	}
}

/* NULL, with err set, on failure. */
static struct call_job *call_job_new(struct agent *agent, struct ttrpc_call *call,
	const struct call_job_config *config, struct err *err)
{
	const char *key = rpc_str(config->key), *name = ttrpc_call_method(call)->method;
	struct call_job *cj = calloc(1, sizeof(*cj) + strlen(key) + 1);

	if (!cj) {
		err_sys(err, ENOMEM, "%s", name);
		return NULL;
	}
	cj->agent = agent;
	cj->method = ttrpc_call_method(call);
	cj->call = call;
	cj->config = *config;
	memcpy(cj->key, key, strlen(key) + 1);
	if (config->result_size > 0)
		cj->result = mmap(NULL, config->result_size, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (cj->result != MAP_FAILED)
		return cj;
	err_sys(err, errno, "%s: shared memory", name);
	free(cj);
	return NULL;
}

static bool is_full(const struct agent *agent)
{
	size_t n = 0;

	LIST_FOREACH (other, &agent->call_jobs, const struct call_job, link)
		n++;
	return n >= CALL_JOBS_MAX;
}

void call_job_start(
	struct agent *agent, struct ttrpc_call *call, const struct call_job_config *config)
{
	struct err err = ERR_INIT;
	struct call_job *cj = NULL;

	if (is_full(agent))
		err_status(&err, EBUSY, WIRE_RESOURCE_EXHAUSTED,
			"%s: %d calls are being worked on already", ttrpc_call_method(call)->method,
			CALL_JOBS_MAX);
	else
		cj = call_job_new(agent, call, config, &err);
	if (!cj) {
		rpc_fail(call, &err);
		return;
	}
	list_add(&agent->call_jobs, &cj->link);
	ttrpc_call_on_cancel(call, on_cancel, cj);
	start_waiting(agent);
}
