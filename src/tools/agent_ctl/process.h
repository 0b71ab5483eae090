/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What "run" and "exec" ask for: a process whose standard streams are joined to ours.
 *
 *	run [ARGUMENT...] [-- PROGRAM [ARGUMENT...]]	CreateContainer's arguments
 *	exec [ARGUMENT...] [-- PROGRAM [ARGUMENT...]]	ExecProcess's arguments
 *
 * PROGRAM takes the place of the spec's, or of the process's, arguments. "terminal=true" or
 * "terminal=false" takes the place of what it says of a terminal.
 */
#include "tools/agent_ctl/request.h"

enum process_kind { PROCESS_RUN, PROCESS_EXEC };

/* The method by which it begins. */
const struct method *process_method(enum process_kind kind);
/*
 * As request_parse. The request has a process with arguments, and that of exec an exec_id, made up
 * where none is given. words: without "run" and "exec".
 */
int process_parse(enum process_kind kind, char *const *words, size_t n,
	struct request_defaults *defaults, ProtobufCMessage **ret, struct err *err) must_check;
/* Of a request that process_parse made. */
bool process_has_terminal(enum process_kind kind, const ProtobufCMessage *request);
