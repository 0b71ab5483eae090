/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/span.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "agent/trace.h"
#include "base/clock.h"
#include "base/log.h"

static struct trace *tracer;

void span_trace(struct trace *trace)
{
	tracer = trace;
}

static void write_span(
	const char *who, const char *what, const char *id, int64_t from_ns, int64_t to_ns)
{
	char from[24], to[24];

	snprintf(from, sizeof(from), "%" PRId64, from_ns);
	snprintf(to, sizeof(to), "%" PRId64, to_ns);
	log_write(LOG_INFO, "timeline", "span", "who", who, "what", what, "from_ns", from, "to_ns",
		to, id ? "id" : NULL, id, NULL);
}

void span_boot(const char *what)
{
	static int64_t from_ns; /* 0: the kernel's start */
	int64_t now_ns = clock_now_ns();

	/* A machine that was not booted for the agent is not its step. */
	if (getpid() != 1)
		return;
	write_span(from_ns == 0 ? "kernel" : "agent", what, NULL, from_ns, now_ns);
	from_ns = now_ns;
}

void span_call(const char *what, const char *id, const struct ttrpc_call *call)
{
	write_span("agent", what, id, ttrpc_call_received_ns(call), clock_now_ns());
	if (tracer)
		trace_step(tracer, call, what, id, ttrpc_call_received_ns(call));
}

void span_clock(void)
{
	static bool is_told;
	int64_t now_ns = clock_now_ns();

	if (!is_told)
		write_span("agent", "clock", NULL, now_ns, now_ns);
	is_told = true;
}
