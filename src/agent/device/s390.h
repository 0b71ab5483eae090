/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* How devices of s390x are named. They are checked everywhere, so that a host's mistake is told as
 * one, and exist nowhere but there. */
#include <stdbool.h>

/* "0.<subchannel set, 0 to 3>.<device, one to four hex digits>" */
bool s390_is_ccw(const char *text);
/* "<adapter, two hex digits>.<domain, four>" */
bool s390_is_ap_queue(const char *text);
