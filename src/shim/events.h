/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What containerd is told about its tasks: /tasks/create, start, exec-added, exec-started, paused,
 * resumed, oom, exit and delete, forwarded to the ttRPC socket that the environment variable TTRPC_ADDRESS names.
 *
 * Events are sent one after another in the order they were published; containerd may be gone for a
 * while (a restart), then they wait, up to a limit past which the oldest are dropped and logged.
 */
#include "base/err.h"
#include "loop/loop.h"
#include "task.pb-c.h"

struct events;

/* address: the socket's path; NULL or "": events are only logged. Both strings are copied. */
int events_new(struct loop *loop, const char *address, const char *name_space,
	struct events **ret) must_check;
/* Drops what has not been sent. NULL is fine. */
void events_free(struct events *e);

/* Calls fn once: from the loop when everything has been sent, or at the deadline. -ENOMEM. */
int events_on_flushed(
	struct events *e, int64_t deadline_ns, void (*fn)(void *data), void *data) must_check;

/* What every exit, delete and wait says. */
struct events_exit {
	uint32_t pid, status;
	int64_t at_ns; /* CLOCK_REALTIME */
};

/* Nothing a publisher could do about a failure: it is logged. */
void events_create(
	struct events *e, const Containerd__Task__V2__CreateTaskRequest *request, uint32_t pid);
void events_start(struct events *e, const char *cid, uint32_t pid);
void events_exec_added(struct events *e, const char *cid, const char *eid);
void events_exec_started(struct events *e, const char *cid, const char *eid, uint32_t pid);
void events_paused(struct events *e, const char *cid);
void events_resumed(struct events *e, const char *cid);
void events_oom(struct events *e, const char *cid);
/* id: the exec's, or the container's own. */
void events_exit(struct events *e, const char *cid, const char *id, const struct events_exit *exit);
void events_delete(
	struct events *e, const char *cid, const char *id, const struct events_exit *exit);

/* ret borrows nothing. */
void events_timestamp(int64_t real_ns, Google__Protobuf__Timestamp *ret);
