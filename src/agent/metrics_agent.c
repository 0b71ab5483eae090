/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's own figures, out of /proc/PID. */
#include <inttypes.h>
#include <stdio.h>

#include "agent/metrics_parts.h"
#include "linux/procstat.h"

static const struct process_metrics agent = {.prefix = "kata_agent", .whose = "the agent"};

void metrics_agent_io(struct prometheus *p, struct slice text)
{
	process_metrics_io(&agent, p, text);
}

void metrics_agent_status(struct prometheus *p, struct slice text)
{
	process_metrics_status(&agent, p, text);
}

void metrics_agent_stat(struct prometheus *p, struct slice text)
{
	process_metrics_stat(&agent, p, text);
}

static void add_gauge(struct prometheus *p, const char *name, const char *help, uint64_t value)
{
	prometheus_begin(p, &(struct prometheus_family){name, "gauge", help});
	prometheus_add(p, NULL, 0, value);
}

static void add_seconds(struct prometheus *p, uint64_t ticks)
{
	uint64_t per_second = metrics_ticks();
	char text[48];

	prometheus_begin(p, &(struct prometheus_family){"kata_agent_total_time", "gauge",
				    "Processor time of the agent, in seconds."});
	snprintf(text, sizeof(text), "%" PRIu64 ".%03" PRIu64, ticks / per_second,
		metrics_scale(ticks % per_second, 1000, per_second));
	prometheus_add_text(p, NULL, 0, slice_of_str(text));
}

void metrics_agent_totals(struct prometheus *p, struct slice text)
{
	struct procstat stat;
	uint64_t ticks;

	if (procstat_parse(text, &stat) < 0)
		return;
	if (__builtin_add_overflow(stat.utime, stat.stime, &ticks))
		ticks = UINT64_MAX;
	add_gauge(p, "kata_agent_threads", "Threads of the agent.", stat.n_threads);
	add_gauge(p, "kata_agent_total_rss", "Resident memory of the agent, in bytes.",
		metrics_scale(stat.rss_pages, (uint64_t)sysconf(_SC_PAGESIZE), 1));
	add_seconds(p, ticks);
	add_gauge(p, "kata_agent_total_vm", "Address space of the agent, in bytes.", stat.vsize);
}
