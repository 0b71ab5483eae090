/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Lines of /proc/PID/mountinfo (proc(5)), as far as somebody here needs them. */
#include <stdbool.h>
#include <stdint.h>

#include "base/own.h"

struct mountinfo {
	uint64_t id, parent_id;
	const char *mount_point; /* borrowed from the text, escapes undone */
	const char *fs_type;	 /* borrowed from the text */
	/* The same; "" in a line that ends before them. */
	const char *device;	   /* "major:minor" */
	const char *source;	   /* escapes undone */
	const char *super_options; /* "rw,..." */
};

/* Takes the next line of *text, which is cut up in place, and moves *text behind it. False at the
 * end; lines that are none are passed over. */
bool mountinfo_next(char **text, struct mountinfo *ret);
