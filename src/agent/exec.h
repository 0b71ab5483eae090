/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A further process of a container, from its ExecProcess request until its exit has been waited
 * for. */
#include "agent/container.h"

struct exec {
	struct container *container; /* borrowed: it frees its execs first */
	struct process *process;     /* owned */
	struct launch *launch;	     /* while it is being launched; the reaper is held then */
	struct ttrpc_call *call;     /* to be answered when it has been launched */
};

/* Takes it out of its container's map, cancels a launch and fails the call. */
void exec_free(struct exec *exec);
