/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The guest's log: JSON lines (slog-json) from the agent's log port, written into our own log at
 * the level each line names, but for info: what a guest does when all goes well is debugging to its
 * host.
 *
 * The guest is hostile: a line has a maximal length, and lines are read no faster than a rate that
 * keeps a guest from filling the host's log; what it writes beyond waits in the guest.
 */
#include "base/err.h"
#include "base/log.h"
#include "base/slice.h"
#include "loop/loop.h"
#include "runtime/guest_timeline.h"

struct agent_log;

/* Connects to address (wire/dial.h), by trying every retry_ns until deadline_ns, and relays until
 * the guest hangs up. That it cannot is logged; nothing depends on it. Records that are spans go to
 * the timeline instead, which is borrowed. */
int agent_log_new(struct loop *loop, const char *address, int64_t retry_ns, int64_t deadline_ns,
	struct guest_timeline *timeline, struct agent_log **ret, struct err *err) must_check;
/* NULL is fine. */
void agent_log_free(struct agent_log *log);

enum {
	AGENT_LOG_MSG_SIZE = 1024,
	AGENT_LOG_SUBSYSTEM_SIZE = 64,
	AGENT_LOG_FIELDS_SIZE = 1024,
	AGENT_LOG_LINE_MAX = 8192, /* a longer line is cut into several records */
};

/* Strings are cut to fit; bytes that are no UTF-8 are left to the log's own escaping. */
struct agent_log_record {
	enum log_level level;			  /* LOG_INFO where the line names none we know */
	char subsystem[AGENT_LOG_SUBSYSTEM_SIZE]; /* "" if none */
	char msg[AGENT_LOG_MSG_SIZE];
	char fields[AGENT_LOG_FIELDS_SIZE]; /* the record's own keys: "cid=c1 error=..." */
	bool is_span;
	struct guest_span span; /* if is_span */
};

/* A line without its newline. One that is no JSON object becomes a message as it stands. */
void agent_log_decode(struct slice line, struct agent_log_record *ret);
