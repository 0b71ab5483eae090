/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_clock.h"

int64_t clock_shift_ns;
int64_t clock_stopped_ns;

int64_t __real_clock_now_ns(void);
int64_t __wrap_clock_now_ns(void);

int64_t __wrap_clock_now_ns(void)
{
	return clock_stopped_ns ? clock_stopped_ns : __real_clock_now_ns() + clock_shift_ns;
}
