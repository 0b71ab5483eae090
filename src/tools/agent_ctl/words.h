/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/err.h"

/*
 * A line's words, parted by blanks. Quotes hold blanks: in '...' everything stands for itself, in
 * "..." and outside a backslash takes the next character as it is. A zeroed one is valid and empty.
 */
struct words {
	char **at; /* owned, each too */
	size_t n;
};

/* -EINVAL: a quote that does not end, or a backslash at the end; -ENOMEM. */
int words_split(const char *line, struct words *ret, struct err *err) must_check;
void words_fini(struct words *words);
#define auto_words __attribute__((cleanup(words_fini)))
