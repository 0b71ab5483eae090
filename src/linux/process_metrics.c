/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/process_metrics.h"

#include <ctype.h>
#include <stdio.h>

#include "linux/procstat.h"
#include "linux/proctext.h"

enum { NAME_SIZE = 64, HELP_SIZE = 128 };

/* What a family is called, for as long as it is written. */
struct family {
	char name[NAME_SIZE], help[HELP_SIZE];
};

static void begin(const struct process_metrics *m, struct prometheus *p, struct family *family,
	const char *name, const char *what)
{
	snprintf(family->name, sizeof(family->name), "%s_%s", m->prefix, name);
	snprintf(family->help, sizeof(family->help), "%s of %s.", what, m->whose);
	prometheus_begin(p, &(struct prometheus_family){family->name, "gauge", family->help});
}

void process_metrics_add_item(struct prometheus *p, const char *item, uint64_t value)
{
	prometheus_add(p, &(struct prometheus_label){"item", slice_of_str(item)}, 1, value);
}

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
			process_metrics_add_item(p, item, value);
}

void process_metrics_io(const struct process_metrics *m, struct prometheus *p, struct slice text)
{
	static const char *const names[] = {"rchar", "wchar", "syscr", "syscw", "read_bytes",
		"write_bytes", "cancelled_write_bytes"};
	struct family family;

	begin(m, p, &family, "io_stat", "Bytes and calls of the input and output");
	add_listed(p, text, names, ARRAY_SIZE(names));
}

void process_metrics_status(
	const struct process_metrics *m, struct prometheus *p, struct slice text)
{
	static const char *const names[] = {"VmPeak", "VmSize", "VmLck", "VmPin", "VmHWM", "VmRSS",
		"RssAnon", "RssFile", "RssShmem", "VmData", "VmStk", "VmExe", "VmLib", "VmPTE",
		"VmSwap", "HugetlbPages", "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"};
	struct family family;

	begin(m, p, &family, "proc_status", "Memory in KiB, and context switches,");
	add_listed(p, text, names, ARRAY_SIZE(names));
}

void process_metrics_stat(const struct process_metrics *m, struct prometheus *p, struct slice text)
{
	struct family family;
	struct procstat stat;

	begin(m, p, &family, "proc_stat", "Processor time in ticks, with that of its children,");
	if (procstat_parse(text, &stat) < 0)
		return;
	process_metrics_add_item(p, "utime", stat.utime);
	process_metrics_add_item(p, "stime", stat.stime);
	process_metrics_add_item(p, "cutime", stat.cutime);
	process_metrics_add_item(p, "cstime", stat.cstime);
}
