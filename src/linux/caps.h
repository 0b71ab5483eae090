/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Capabilities as 64-bit masks (bit n: capability n), for the calling (single) thread. */
#include <stdint.h>

#include "base/own.h"

struct caps {
	uint64_t bounding, effective, permitted, inheritable, ambient;
};

/* "CAP_CHOWN", in any case and with or without "CAP_": its number, or -EINVAL. The names of
 * Linux 6.1 are known, whatever the running kernel knows. */
int caps_parse(const char *name) must_check;
/* "CHOWN" for 0, ...; NULL past the last known one. */
const char *caps_name(unsigned int nr);

/* Those the running kernel knows. It is asked (PR_CAPBSET_READ), because a file in a container's
 * /proc can be somebody else's. */
uint64_t caps_supported(void);

/* Drops from the bounding set whatever is not in mask, and verifies that. Needs CAP_SETPCAP. */
int caps_limit_bounding(uint64_t mask) must_check;
/* Effective, permitted and inheritable. */
int caps_set(const struct caps *caps) must_check;
/* Clears the ambient set and raises mask, each of which must be permitted and inheritable. */
int caps_set_ambient(uint64_t mask) must_check;
