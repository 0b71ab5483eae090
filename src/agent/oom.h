/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * GetOOMEvent: which containers had a process killed for want of memory.
 *
 * A watch per container puts its id into the sandbox's queue; each event answers one parked call,
 * the oldest, or waits for one. A container whose event waits already is not queued again, so that a
 * host that does not ask costs one entry per container; past OOM_EVENTS_MAX the oldest are dropped.
 */
#include "base/list.h"
#include "wire/ttrpc_server.h"

enum { OOM_EVENTS_MAX = 256 };

struct agent;
struct container;
struct oom_watch;

struct oom_queue {
	struct list calls;  /* parked GetOOMEvent calls; empty while there are events */
	struct list events; /* containers that nobody has asked for yet */
	size_t n_events;
	bool is_closed;
};

void oom_queue_init(struct oom_queue *q);
void oom_queue_fini(struct oom_queue *q);
void oom_queue_add(struct oom_queue *q, const char *container_id);
/* Takes the call over; it gets the next event. */
void oom_queue_wait(struct oom_queue *q, struct ttrpc_call *call);
/* Parked calls fail, and so do those that come later. */
void oom_queue_close(struct oom_queue *q);

/* Of a container that has its cgroup; id and queue are borrowed. A container that cannot be watched
 * runs all the same: NULL, and a log record. */
struct oom_watch *oom_watch_new(struct agent *agent, const struct container *c);
void oom_watch_free(struct oom_watch *w);
/* Looks at once: when a process has ended, so that its event is there before its exit is told. NULL
 * is fine. */
void oom_watch_check(struct oom_watch *w);
