/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GetMetrics. The figures are collected by a job, because a file system that is asked how full it
 * is may take its time. While it is at work, further calls wait for the same answer: a host that
 * asks without end keeps one process busy, not many.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "agent.pb-c.h"
#include "agent/agent.h"
#include "agent/job.h"
#include "agent/metrics.h"
#include "agent/rpc.h"
#include "base/list.h"
#include "base/log.h"
#include "wire/parked.h"

/* Four fifths of what one message holds. More than all families can have (prometheus.h). */
enum { TEXT_SIZE = 3328 << 10 };

/* What the job hands back: memory that both processes share. Only what is touched takes room. */
struct scrape_result {
	struct metrics_result metrics;
	char text[TEXT_SIZE];
};

struct scrape {
	struct agent *agent;
	struct scrape_result *result; /* mapped */
	struct metrics_config config;
	struct list waiting; /* struct parked */
};

/* In the child. */
static int collect(void *data, struct job_report *report, struct err *err)
{
	struct scrape *scrape = data;
	auto_buf struct buf text = BUF_INIT;
	int r = metrics_collect(&scrape->config, &text, &scrape->result->metrics);

	(void)report;
	if (r < 0)
		return err_sys(err, -r, "collect metrics");
	if (buf_len(&text) >= TEXT_SIZE)
		return err_set(err, EMSGSIZE, "metrics: %zu bytes are too many", buf_len(&text));
	memcpy(scrape->result->text, buf_str(&text), buf_len(&text) + 1);
	return 0;
}

static void warn(const struct metrics_result *result)
{
	for (unsigned int part = 0; part < METRICS_PART_COUNT; part++)
		if (result->missing & 1U << part)
			log_printf(LOG_WARN, "metrics", "cannot read %s: its metrics are missing",
				metrics_part_file(part));
	if (result->is_cut)
		log_printf(LOG_WARN, "metrics", "more than fits: some are left out");
}

static void scrape_free(struct scrape *scrape)
{
	if (scrape->result)
		(void)munmap(scrape->result, sizeof(*scrape->result));
	free(scrape);
}

static void on_done(void *data, const struct err *err, uint32_t n_steps)
{
	struct scrape *scrape = data;
	Grpc__Metrics reply = GRPC__METRICS__INIT;
	struct ttrpc_call *call;

	(void)n_steps;
	scrape->agent->scrape = NULL;
	if (!err)
		warn(&scrape->result->metrics);
	reply.metrics = scrape->result->text;
	while ((call = parked_take(&scrape->waiting)))
		if (err)
			rpc_fail(call, err);
		else
			ttrpc_call_reply(call, &reply.base);
	scrape_free(scrape);
}

static int scrape_start(struct agent *agent, struct err *err)
{
	struct job_config config = {.name = "collect metrics", .run = collect, .done = on_done};
	struct scrape *scrape = calloc(1, sizeof(*scrape));
	struct job *job;
	int r;

	if (!scrape)
		return err_sys(err, ENOMEM, "metrics");
	*scrape = (struct scrape){.agent = agent,
		.config = {
			.proc = "/proc", .agent_pid = getpid(), .n_scrapes = ++agent->n_scrapes}};
	list_init(&scrape->waiting);
	scrape->result = mmap(NULL, sizeof(*scrape->result), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (scrape->result == MAP_FAILED) {
		r = err_sys(err, errno, "metrics: shared memory");
		scrape->result = NULL;
	} else {
		config.data = scrape;
		r = job_start(agent->reaper, &config, &job, err);
	}
	if (r < 0) {
		scrape_free(scrape);
		return r;
	}
	agent->scrape = scrape;
	return 0;
}

void rpc_get_metrics(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	struct agent *agent = user;
	struct err err = ERR_INIT;
	int r = agent->scrape ? 0 : scrape_start(agent, &err);

	(void)request;
	if (r == 0 && parked_add(&agent->scrape->waiting, call) < 0)
		r = err_sys(&err, ENOMEM, "metrics");
	if (r < 0)
		rpc_fail(call, &err);
}
