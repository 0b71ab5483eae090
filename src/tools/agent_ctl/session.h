/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A connection to an agent, and the commands run over it, one after another. */
#include "tools/agent_ctl/cli.h"
#include "tools/agent_ctl/command.h"

/*
 * Connects (commands that call nothing need no connection) and runs the commands. 0: all calls
 * succeeded, or cli says that errors do not matter. A failed call has been reported when this
 * returns -ECANCELED, without err; other errors are err's.
 */
int session_run(const struct cli *cli, const struct command *commands, size_t n_commands,
	struct err *err) must_check;
