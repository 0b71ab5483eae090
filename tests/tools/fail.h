/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a program that has libfail.so (fail.c) preloaded shares with the test that started it: the
 * test says which allocation or system call is to fail, and reads whether it has. Counted over the
 * program and what it forks; not over what these execute.
 *
 *	KIHON_FAIL=PATH		a file of this size, which both map
 */
#include <stdatomic.h>
#include <stdint.h>

enum fail_kind { FAIL_NOTHING, FAIL_ALLOCATION, FAIL_CALL };

struct fail_plan {
	atomic_int kind; /* enum fail_kind; written last */
	atomic_int left; /* the one that brings this to 0 fails */
	atomic_int struck;
	atomic_int live; /* allocations of the program itself that are not freed */
	char where[256]; /* once struck: the function, and the code addresses that led to it */
};
