/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the tool prints: replies and summaries on stdout, as JSON (one line each) or for people, and
 * failures on stderr; with JSON as a line of stdout too. Replies come from outside: control
 * characters are never printed as they are.
 */
#include "base/err.h"
#include "tools/agent_ctl/methods.h"

/* -ENOMEM. */
int output_reply(const struct method *method, const ProtobufCMessage *reply, bool is_json,
	struct err *err) must_check;
void output_failure(const struct method *method, bool is_json, const struct err *why);
/* Sorts times_ns. n > 0. */
void output_summary(const struct method *method, bool is_json, int64_t *times_ns, size_t n);
