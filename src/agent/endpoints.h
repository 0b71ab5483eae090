/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which of the agent's methods hosts may call. A method is named by the message it takes, as
 * upstream's configuration does ("CreateContainerRequest"; ReadStdout and ReadStderr are both
 * "ReadStreamRequest"). Health is always served: hosts poll it until the agent is up.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/own.h"

struct ttrpc_method;

struct endpoints {
	bool is_limited;
	uint64_t allowed; /* 1 << index in rpc_methods; means nothing unless is_limited */
};

/* From now on only what is allowed one by one. */
void endpoints_limit(struct endpoints *e);
/* False: no method takes such a message. */
bool endpoints_allow(struct endpoints *e, const char *request) must_check;

/* A copy of rpc_methods (rpc.h) in which the others are refused with UNIMPLEMENTED, which is what
 * hosts know from upstream. The caller frees it; NULL: no memory. */
struct ttrpc_method *endpoints_make_table(const struct endpoints *e);
