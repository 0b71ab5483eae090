/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Private to src/wire: many deadlines on one loop timer (the loop searches its timers one by one,
 * and a peer may have thousands of calls). An intrusive heap: setting never fails, and costs
 * O(log n) spread over a run of operations.
 *
 * A struct deadline is embedded, zeroed, its fire set; it must be cleared before it is freed. fire
 * runs from the loop with the deadline cleared, and may do anything, also end the struct deadlines.
 */
#include <stdbool.h>

#include "loop/loop.h"

struct deadline {
	int64_t at_ns; /* CLOCK_MONOTONIC */
	bool is_set;
	void (*fire)(struct deadline *deadline);
	/* Pairing heap: first child, next sibling, previous sibling (parent for a first child). */
	struct deadline *child, *next, *prev;
};

struct deadlines {
	struct deadline *root; /* borrowed: the nearest */
	struct source *timer;  /* owned */
};

int deadlines_init(struct deadlines *d, struct loop *loop) must_check;
/* Every deadline must have been cleared. */
void deadlines_fini(struct deadlines *d);
/* Sets or moves. at_ns 0: as soon as the loop runs; INT64_MAX: never. */
void deadlines_set(struct deadlines *d, struct deadline *deadline, int64_t at_ns);
void deadlines_clear(struct deadlines *d, struct deadline *deadline);
