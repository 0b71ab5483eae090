/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Borrowed bytes with a length. Bytes from outside stay slices until a checker (slice_to_cstr) has
 * seen that they hold no NUL and fit their bound.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/own.h"

struct slice {
	const uint8_t *p; /* borrowed; may be NULL when len is 0 */
	size_t len;	  /* bytes */
};

static inline struct slice slice_of(const void *p, size_t len)
{
	return (struct slice){.p = p, .len = len};
}

static inline struct slice slice_of_str(const char *s)
{
	return slice_of(s, strlen(s));
}

static inline bool slice_equal(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/*
 * Copies s to a new string. -EINVAL if it holds a NUL, -E2BIG if longer than max bytes, -ENOMEM.
 */
int slice_to_cstr(struct slice s, size_t max, char **ret) must_check;
