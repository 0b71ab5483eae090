/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A clock that the test sets: clock_now_ns, wrapped (-Wl,--wrap; tests/unit/meson.build:
 * fake_clock_dep). A set-up puts it back.
 */
#include <stdint.h>

#include "base/clock.h"

extern int64_t clock_shift_ns;	 /* how far it is ahead of the machine's */
extern int64_t clock_stopped_ns; /* not 0: it stands there */
