/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* How tests wait for what a loop brings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "loop/loop.h"

/* No test waits longer for anything. */
enum { LOOP_LIMIT_S = 30 };

/* Runs the loop until the condition holds; without it at the limit, the test fails. */
#define loop_until(loop, condition)                                                    \
	do {                                                                           \
		const int64_t loop_limit_s = loop_machine_s() + LOOP_LIMIT_S;          \
                                                                                       \
		while (!(condition)) {                                                 \
			if (loop_machine_s() > loop_limit_s)                           \
				fail_msg("waited %d s for " #condition, LOOP_LIMIT_S); \
			assert_int_equal(loop_run_once(loop, 10 * NS_PER_MS), 0);      \
		}                                                                      \
	} while (0)

/* Of the machine, for the test's clock may be a fake. */
static inline int64_t loop_machine_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/* Until the counter is n, and not more. */
static inline void loop_until_count(struct loop *loop, const size_t *counter, size_t n)
{
	loop_until(loop, *counter >= n);
	assert_int_equal(*counter, n);
}

/* Long enough for everything that can happen without time passing or further input. */
static inline void loop_settle(struct loop *loop)
{
	for (int i = 0; i < 20; i++)
		assert_int_equal(loop_run_once(loop, NS_PER_MS), 0);
}
