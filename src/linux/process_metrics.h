/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Figures of one process, out of the files of /proc/PID, as families of metrics. Names and units are
 * upstream's, which people's dashboards know: PREFIX_proc_status, PREFIX_proc_stat, PREFIX_io_stat.
 */
#include "text/prometheus.h"

struct process_metrics {
	const char *prefix; /* "kata_agent" */
	const char *whose;  /* "the agent", for what people read */
};

/* Each takes the text of its file; what is not in it is left out. */
void process_metrics_io(const struct process_metrics *m, struct prometheus *p, struct slice text);
void process_metrics_stat(const struct process_metrics *m, struct prometheus *p, struct slice text);
void process_metrics_status(
	const struct process_metrics *m, struct prometheus *p, struct slice text);

/* One sample {item="..."} of the family that has been begun. */
void process_metrics_add_item(struct prometheus *p, const char *item, uint64_t value);
