/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * For tests that make the n-th allocation or system call of another process fail, for every n
 * (fail.h). Arguments and environment of such a test:
 *
 *	test [PATTERN [FIRST]]	of the test cases; the first n
 *	KIHON_SWEEP_STRIDE	1: every n. Without it every 60th, from one that the clock chooses
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "fail.h"

struct sweep {
	struct fail_plan *plan; /* NULL before the first sweep_begin_preload() */
	int plan_fd;
	unsigned int stride, first, n_found;
	unsigned int in_round; /* 0: between rounds */
	enum fail_kind kind;
};

/* What a process has of its own between two rounds. */
struct sweep_holdings {
	size_t n_fds, n_children;
	int n_allocations;
};

/* Before cmocka runs. Leaves with 77 where it cannot work. */
void sweep_init(struct sweep *s, int argc, char **argv);
/* What is executed between the two has the library and s->plan, which is one process's at a time. */
void sweep_begin_preload(struct sweep *s);
void sweep_end_preload(void);

void sweep_arm(struct sweep *s, enum fail_kind kind, unsigned int n);
/* Whether it has struck. */
bool sweep_disarm(struct sweep *s);
/* What was armed last has been got over. */
void sweep_end_round(struct sweep *s);
/* Prints what went wrong in this round, and counts it. */
void sweep_found(struct sweep *s, const char *what);
/* In tear-down: a round that has not come to its end, because an assertion failed, is told. */
void sweep_fini_test(struct sweep *s);

struct sweep_holdings sweep_look(const struct sweep *s, pid_t pid);
bool sweep_is_same(const struct sweep_holdings *a, const struct sweep_holdings *b);
void sweep_print_growth(const struct sweep_holdings *from, const struct sweep_holdings *to);
