/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A process in the guest whose standard input, output and error are this program's.
 *
 * One request is in flight per stream, so that nothing piles up but in the process's own pipes: reading
 * waits until what was read before has been written here.
 *
 * With a terminal, ours (if standard input is one) is raw meanwhile, and its size is the process's from
 * the start and whenever it changes. The signals that end a program (INT, TERM, HUP, QUIT) go to the
 * process instead; the third of them is KILL, for a process that does not listen.
 */
#include "loop/loop.h"
#include "wire/ttrpc_client.h"

struct joined_process {
	struct loop *loop; /* borrowed, as all here */
	struct ttrpc_client *client;
	const char *container_id, *exec_id; /* exec_id NULL: the container's own process */
	bool has_terminal;
};

/*
 * From the process's start, which the agent has answered, to its end. Runs the loop. An error of ours
 * (standard output cannot be written to) kills the process first, and is told when it has ended.
 */
int joined_run(const struct joined_process *process, int *ret_status, struct err *err) must_check;
