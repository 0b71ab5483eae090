/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A connection to an agent, and the commands run over it, one after another. */
#include "tools/agent_ctl/cli.h"
#include "tools/agent_ctl/command.h"

struct session;

/* cli is borrowed. Nothing is connected before the first call. */
int session_new(const struct cli *cli, struct session **ret, struct err *err) must_check;
/* NULL is fine. */
void session_free(struct session *session);
/*
 * Connects (commands that call nothing need no connection; a connection that was lost is made anew)
 * and runs the commands. 0: all calls succeeded, or cli says that errors do not matter. A failed call
 * has been reported when this returns -ECANCELED, without err; other errors are err's.
 */
int session_run(struct session *session, const struct command *commands, size_t n_commands,
	struct err *err) must_check;
/* From now on SIGINT ends a call, and not the program. */
void session_set_interruptible(struct session *session);
/* That of the last process that "run" or "exec" has seen to its end; 0 if there was none. */
int session_exit_status(const struct session *session);
