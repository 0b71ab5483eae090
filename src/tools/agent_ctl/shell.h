/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The interactive mode: a command a line. On a terminal it is edited by libedit, with history and with
 * completion by the tab key (complete.h); SIGINT there ends a call, or empties the line. Otherwise
 * lines are read as they are.
 */
#include "tools/agent_ctl/request.h"
#include "tools/agent_ctl/session.h"

/*
 * Until "quit" or the end of the input. What fails is told on stderr, and the next line is read; then
 * the result is -ECANCELED, without err, unless the input is a terminal.
 */
int shell_run(
	struct session *session, struct request_defaults *defaults, struct err *err) must_check;
