/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The agent's part of a start's timeline: each step becomes a log record at its end, with subsystem
 * "timeline" and msg "span", the keys who, what and perhaps id, and from_ns and to_ns of the guest's
 * CLOCK_MONOTONIC. The runtime makes host times of them (runtime/guest_timeline.h there). The names
 * are listed in docs/timeline.md.
 */
#include <stdint.h>

#include "wire/ttrpc_server.h"

struct trace;

/* The boot is one step after the other: ends the one that the previous call, or for the first the
 * kernel's start, has begun. */
void span_boot(const char *what);
/* The step that began with the call's arrival; before the reply, which ends the call. */
/* From now on the steps of calls are traced as well (trace.h); NULL: no more. Borrowed. */
void span_trace(struct trace *trace);
void span_call(const char *what, const char *id, const struct ttrpc_call *call);
/* What the clock says, once: the runtime knows when it asked for the answer to this call. */
void span_clock(void);
