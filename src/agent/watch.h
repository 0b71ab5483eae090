/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Watchable bind mounts, watched (storage/watchable.h): when is which copy brought up to date.
 *
 * Sources on file systems that have inotify are looked at when they have changed. A host's share
 * has none for what the host changes: those sources are looked at every WATCH_PERIOD_NS. Either way
 * it is done by a job, one at a time for all copies that are due.
 */
#include "base/clock.h"
#include "base/err.h"
#include "base/list.h"

struct agent;
struct watch;

/* Upstream's period; and how long after a first change further ones are waited for, so that a source
 * that changes all the time keeps no more than one process busy. */
#define WATCH_PERIOD_NS (2 * NS_PER_S)
#define WATCH_SETTLE_NS (NS_PER_S / 10)

/* Of a sandbox. */
struct watches {
	struct agent *agent; /* borrowed */
	struct list list;    /* struct watch */
	struct source *timer, *inotify_source;
	int64_t deadline_ns; /* of the timer; INT64_MAX: not armed */
	int inotify_fd;	     /* owned; -1: none yet */
	struct job *job;
	struct watch_result *results; /* shared with the job, one for each copy of its round */
	size_t n_results;
};

void watches_init(struct watches *w);
/* All watches must have been freed. */
void watches_fini(struct watches *w);

/* Of a copy that has been made. Paths are copied. */
int watch_new(struct agent *agent, const char *source, const char *target, struct watch **ret,
	struct err *err) must_check;
/* The copy may be removed after this. NULL is fine. */
void watch_free(struct watch *watch);
