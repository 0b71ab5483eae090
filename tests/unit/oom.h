/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Lets the n-th allocation of a stretch of code fail, for n = 1, 2, ... until it no longer reaches
 * it: every path behind a failed malloc is then taken once.
 *
 *	OOM_SWEEP(n) {
 *		oom_arm(n);
 *		r = json_parse(...);
 *		oom_disarm();
 *		if (r == 0) ... free ...; else assert_int_equal(r, -ENOMEM);
 *	}
 *
 * Works by interposition of malloc, calloc, realloc, reallocarray, strdup, strndup and asprintf
 * with -Wl,--wrap (tests/unit/meson.build: oom_args, oom.c), so it sees the calls of our own code.
 */
#include <stdbool.h>

/* The n-th allocation from now fails, and only that; n is from 1. */
void oom_arm(unsigned n);
/* Back to normal. */
void oom_disarm(void);
/* Whether the allocation that was to fail has been reached since oom_arm. */
bool oom_has_struck(void);

/* Runs the body with n = 1, 2, ...; ends after the first round in which nothing struck. */
#define OOM_SWEEP(n) \
	for (unsigned n = 1, n##_again = 1; n##_again; n##_again = oom_has_struck(), n++)
