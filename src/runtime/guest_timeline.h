/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The guest's part of the timeline (runtime/timeline.h). The agent tells its steps as log records
 * (agent/span.h) in its own CLOCK_MONOTONIC, which begins with the guest's kernel. One of them,
 * "clock", says what that clock was while the agent answered SetGuestDateTime; the host knows when
 * it asked and when the answer came, so it knows the difference of the clocks to half of that time.
 * Spans that come before both are known are held back.
 *
 * The guest is hostile: names and ids are short and of few characters or the record is no span, at
 * most GUEST_TIMELINE_MAX spans of a pod are taken, and no span begins before its VM or ends after
 * it was received.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/value.h"

enum {
	GUEST_SPAN_NAME_SIZE = 32,
	GUEST_SPAN_ID_SIZE = 128,
	GUEST_TIMELINE_MAX = 256,
	GUEST_TIMELINE_HELD_MAX = 32,
};

struct guest_span {
	char who[GUEST_SPAN_NAME_SIZE]; /* "kernel" or "agent" */
	char what[GUEST_SPAN_NAME_SIZE];
	char id[GUEST_SPAN_ID_SIZE]; /* "" if none */
	int64_t from_ns, to_ns;	     /* the guest's clock; 0 <= from_ns <= to_ns */
};

/* Zeroed but for vm_ns, which the owner sets before the first span. */
struct guest_timeline {
	int64_t vm_ns;		       /* when the VM was begun to be started */
	int64_t up_ns;		       /* when its CPUs were known to run; 0: unknown */
	int64_t asked_ns, answered_ns; /* host's clock around SetGuestDateTime; 0: not yet */
	int64_t guest_ns;	       /* guest's clock between them */
	bool has_guest_ns;
	struct guest_span *held; /* owned array */
	size_t n_held, n_taken;
};

/* Whether a log record is a span. False also for one that is malformed. */
bool guest_span_decode(const struct value *record, struct guest_span *ret);

/* Writes it to the timeline, now or when the clocks are known. */
void guest_timeline_add(struct guest_timeline *t, const struct guest_span *span);
/* SetGuestDateTime has been answered. */
void guest_timeline_set_exchange(struct guest_timeline *t, int64_t asked_ns, int64_t answered_ns);
void guest_timeline_fini(struct guest_timeline *t);
