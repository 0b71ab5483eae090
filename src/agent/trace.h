/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Tracing (agent.trace): each call, each step of it that has a span on the timeline (span.h), and
 * the agent's life become spans, which are sent to the trace forwarder on the host's port 10240.
 * Reading and writing of streams, waiting for events, and Health are not traced.
 *
 * A call is a part of its caller's trace if its metadata says so (traceparent), or of the agent's
 * own; one whose caller does not sample is left out. A tracestate is not passed on.
 *
 * The forwarder is connected to when there is something to send, and again after it has gone. What
 * does not reach it is lost, with a record in the log: tracing never holds up anything. At most
 * TRACE_MAX_UNSENT bytes wait for a forwarder that does not read.
 */
#include "agent/options.h"
#include "loop/loop.h"
#include "wire/ttrpc_server.h"

struct trace;

enum { TRACE_PORT = 10240, TRACE_MAX_UNSENT = 256 << 10 };

int trace_open(struct loop *loop, const struct options *options, struct trace **ret,
	struct err *err) must_check;
/* Ends the agent's own span, and sends what can be sent at once. NULL is fine. */
void trace_close(struct trace *trace);

/* A call has ended, with this status. text: why it failed; NULL: it has not. */
void trace_call(struct trace *trace, const struct ttrpc_call *call, const char *text);
/* A step of a call has: what, perhaps about id (NULL), from CLOCK_MONOTONIC from_ns until now. */
void trace_step(struct trace *trace, const struct ttrpc_call *call, const char *what,
	const char *id, int64_t from_ns);

enum { TRACE_NAME_SIZE = 64 };
/* "create_container" of CreateContainer, as upstream names its spans; false: it is not traced. */
bool trace_name_call(
	const struct ttrpc_method *method, char name[static TRACE_NAME_SIZE]) must_check;
