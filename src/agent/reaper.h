/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The one place where the agent waits for children.
 *
 * As PID 1 (or subreaper) the agent inherits processes that it never started, so it must wait for
 * everybody. SIGCHLD arrives by the loop; then every child that has ended is collected: a
 * registered one is reported, an unknown one is logged at debug level. Nobody else in the agent may
 * call wait, and loop_add_child() cannot be used: a job whose result comes over a pipe or socket
 * needs no wait, its end of file tells, and the reaper collects it as unknown.
 *
 * A process may end before its pid is known here: a launch learns it from a message. While a hold
 * is taken, unknown children stay zombies, so that their status is still there for reaper_watch().
 */
#include <sys/types.h>

#include "loop/loop.h"

struct reaper;
struct reaper_child;

/* status: as waitpid gives it. The child has been collected and the registration freed. */
typedef void reaper_fn(void *data, pid_t pid, int status);

int reaper_new(struct loop *loop, struct reaper **ret) must_check;
/* Registrations that are left are void. */
void reaper_free(struct reaper *reaper);

/*
 * A registration in two steps: what can fail comes before the child is started. fn runs once, from
 * the loop, also if the child has ended before reaper_watch().
 */
int reaper_prepare(
	struct reaper *reaper, reaper_fn *fn, void *data, struct reaper_child **ret) must_check;
void reaper_watch(struct reaper_child *child, pid_t pid);
/* fn will not run; the child is unknown from now on. NULL is fine. */
void reaper_remove(struct reaper_child *child);

/* Take before starting what will be watched; drop after reaper_watch, or when nothing was started.
 * Holds nest. */
void reaper_hold(struct reaper *reaper);
void reaper_drop(struct reaper *reaper);
