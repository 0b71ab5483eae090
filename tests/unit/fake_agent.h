/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A guest for tests of the shim: played, like its QEMU (fake_qemu.h), by the test program itself,
 *in the process that should be vsockd. What it does is told by words in a file that the test
 *writes:
 *
 *	create_sandbox_fails, destroy_sandbox_fails, create_container_fails, start_fails,
 *	pause_fails, resume_fails, stats_fails: answer with an error
 *	destroy_sandbox_hangs, create_container_hangs, pause_hangs, resources_hang: never answered
 *	<container>_create_fails: the same for this one only
 *	<container>_create_is_slow: answered a moment later
 *	ends: the container's output ends at once, its status is 7
 *	cgroup_v1: what is killed while it is paused ends when it is resumed; and
 *		statistics look so
 *	oom: c1, a stranger and c1 again run out of memory
 *	update_echoes: an update is answered with an error that names the limits
 *	speaks: every process writes "hello\n" to its stdout first
 *	listens: a process ends when something has been written to its stdin, its status is 7
 *
 * Otherwise a process runs until it is signalled, and its status is 128 + the signal.
 */

/* The file, for the test with this pid. */
enum { FAKE_AGENT_SCRIPT_SIZE = 64 };
void fake_agent_script(int pid, char path[static FAKE_AGENT_SCRIPT_SIZE]);

/* The status to exit with; -1: argv is not vsockd's. */
int fake_agent_main(int argc, char **argv);
