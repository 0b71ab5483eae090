/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What cgroup files hold, as C strings. Each next_ function takes the next entry of *text, moves
 * *text behind it and returns true, or false at the end; lines of another form are passed over.
 * Numbers that do not fit are their largest value.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/own.h"

enum { CGROUP_KEY_SIZE = 48, CGROUP_OP_SIZE = 16 };

/* One number, or "max", which is UINT64_MAX. False for anything else. */
bool cgroup_text_number(const char *text, uint64_t *ret);
/* "1 22 333\n" */
bool cgroup_text_next_number(const char **text, uint64_t *ret);

struct cgroup_key {
	char name[CGROUP_KEY_SIZE]; /* longer ones are passed over */
	uint64_t value;
};
/* "key 123\n" */
bool cgroup_text_next_key(const char **text, struct cgroup_key *ret);
/* The value of one key; 0 if it is not there. */
uint64_t cgroup_text_find_key(const char *text, const char *name);

struct cgroup_io {
	uint64_t major, minor;
	char op[CGROUP_OP_SIZE]; /* lower case; "": the line has none */
	uint64_t value;
};
/* v1: "8:0 Read 123\n", "8:0 123\n". The total over all devices, which has no device, is passed
 * over. */
bool cgroup_text_next_io(const char **text, struct cgroup_io *ret);
/* v2: "8:0 rbytes=1 wbytes=2\n": an entry for each pair, its op as in the file. at: zeroed first,
 * kept between the calls. */
struct cgroup_io_line {
	uint64_t major, minor;
	bool inside;
};
bool cgroup_text_next_io_pair(const char **text, struct cgroup_io_line *at, struct cgroup_io *ret);
