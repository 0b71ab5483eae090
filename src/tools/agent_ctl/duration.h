/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>

#include "base/own.h"

/*
 * "5s", "250ms", "99ns", "30us", "7m", "1h"; a number alone is nanoseconds, as upstream's tool has
 * it. -EINVAL: none of these, -ERANGE: over 2^63 ns.
 */
int duration_parse(const char *text, int64_t *ret_ns) must_check;
