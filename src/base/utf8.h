/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* How many bytes (1 to 4) the sequence at p has; 0 if none of at most len bytes is valid there. */
size_t utf8_sequence(const void *p, size_t len);

/* Writes the code point and returns how many bytes it took; 0 if it is not one. */
size_t utf8_encode(uint32_t code_point, char to[static 4]);

/* Appends text, but for each byte that is not UTF-8, or NUL, U+FFFD. -ENOMEM. */
int utf8_clean(struct slice text, struct buf *out) must_check;

/* For text of others that a person will read: control characters (with which a terminal can be
 * driven and a line of a log forged) become spaces, bytes that are not UTF-8 become '?'. */
void utf8_make_printable(char *text);
