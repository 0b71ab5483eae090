/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Cutting up the texts of procfs: lines of words that blanks stand between. */
#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/* Cuts the next line off the front of text, without its newline. False at the end. */
bool proctext_next_line(struct slice *text, struct slice *ret);
/* Cuts the next word off the front of line. False when there is none. */
bool proctext_next_word(struct slice *line, struct slice *ret);
/* "key: rest" or "key rest"; the key ends at the first colon or blank. False: there is no key. */
bool proctext_cut_key(struct slice line, struct slice *ret_key, struct slice *ret_rest);
/* The whole word as a decimal number. False if it is none, or past UINT64_MAX. */
bool proctext_parse_u64(struct slice word, uint64_t *ret);
bool proctext_next_u64(struct slice *line, uint64_t *ret);

static inline bool slice_is(struct slice s, const char *text)
{
	return slice_equal(s, slice_of_str(text));
}
