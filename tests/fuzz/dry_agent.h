/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * An agent that starts no process: this file stands, at link time, in the place of agent/job.c,
 * agent/reaper.c, container/launch.c and container/launch_cgroup.c. What they would do happens only
 * on paper, and ends when and as the test says. Whatever blocks, mounts, clones or writes to cgroups
 * is on the other side of these four headers, so it is never reached.
 *
 * Jobs that end well have announced no step and left their results as they were, zeroed. Processes
 * are numbers past any that a kernel gives; kill() is ours as well, and takes no other ones.
 */
#include <stdbool.h>
#include <stddef.h>

/* Each ends one: the n-th of those that there are, modulo their number. False: there is none. From
 * outside of the loop's callbacks. */
bool dry_end_job(size_t n, bool success);
bool dry_end_launch(size_t n, bool success);
/* status: as waitpid gives it. */
bool dry_end_process(size_t n, int status);
/* True when nothing is under way and nobody holds the reaper. */
bool dry_is_idle(void);
