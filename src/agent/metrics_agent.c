/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's own figures, out of /proc/PID. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/metrics_parts.h"
#include "linux/procstat.h"
#include "linux/proctext.h"

enum { ITEM_SIZE = 40 };

/* Copies a key as an item: lower case. False if it is not one of names. */
static bool find_item(
	struct slice key, const char *const *names, size_t n_names, char item[static ITEM_SIZE])
{
	size_t i = 0;

	while (i < n_names && !slice_is(key, names[i]))
		i++;
	if (i == n_names)
		return false;
	for (i = 0; i < key.len && i < ITEM_SIZE - 1; i++)
		item[i] = (char)tolower(key.p[i]);
	item[i] = '\0';
	return true;
}

static void add_listed(
	struct prometheus *p, struct slice text, const char *const *names, size_t n_names)
{
	struct slice line, key, rest;
	char item[ITEM_SIZE];
	uint64_t value;

	while (proctext_next_line(&text, &line))
		if (proctext_cut_key(line, &key, &rest) && find_item(key, names, n_names, item) &&
			proctext_next_u64(&rest, &value))
			metrics_add_item(p, item, value);
}

void metrics_agent_io(struct prometheus *p, struct slice text)
{
	static const char *const names[] = {"rchar", "wchar", "syscr", "syscw", "read_bytes",
		"write_bytes", "cancelled_write_bytes"};

	prometheus_begin(p, &(struct prometheus_family){"kata_agent_io_stat", "gauge",
				    "Bytes and calls of the agent's input and output."});
	add_listed(p, text, names, ARRAY_SIZE(names));
}

void metrics_agent_status(struct prometheus *p, struct slice text)
{
	static const char *const names[] = {"VmPeak", "VmSize", "VmLck", "VmPin", "VmHWM", "VmRSS",
		"RssAnon", "RssFile", "RssShmem", "VmData", "VmStk", "VmExe", "VmLib", "VmPTE",
		"VmSwap", "HugetlbPages", "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"};

	prometheus_begin(p, &(struct prometheus_family){"kata_agent_proc_status", "gauge",
				    "The agent's memory in KiB, and its context switches."});
	add_listed(p, text, names, ARRAY_SIZE(names));
}

void metrics_agent_stat(struct prometheus *p, struct slice text)
{
	struct procstat stat;

	prometheus_begin(p, &(struct prometheus_family){"kata_agent_proc_stat", "gauge",
				    "Processor time of the agent and its children, in ticks."});
	if (procstat_parse(text, &stat) < 0)
		return;
	metrics_add_item(p, "utime", stat.utime);
	metrics_add_item(p, "stime", stat.stime);
	metrics_add_item(p, "cutime", stat.cutime);
	metrics_add_item(p, "cstime", stat.cstime);
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
