/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Time is an int64_t of nanoseconds everywhere; names end in _ns. */
#include <stddef.h>
#include <stdint.h>

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_US INT64_C(1000)

/* CLOCK_MONOTONIC: for deadlines and durations. */
int64_t clock_now_ns(void);
/* CLOCK_REALTIME since the epoch: for records that people and peers read. */
int64_t clock_real_ns(void);

enum { CLOCK_TEXT_SIZE = 40 };
/* "2026-11-22T16:40:58.123456789Z" (RFC 3339, UTC). */
void clock_format(int64_t real_ns, char text[static CLOCK_TEXT_SIZE]);
