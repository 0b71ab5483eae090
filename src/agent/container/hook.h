/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One hook: a program that is run for its effect and its exit status.
 *
 * hook_run blocks until the program has ended or its time is up, so it is for the forked processes
 * only (a job, a container process before its execve), never for the agent itself.
 */
#include "base/buf.h"
#include "base/err.h"

struct hook {
	const char *path;  /* absolute, in the caller's mount namespace */
	char *const *args; /* argv; with none it is the path */
	size_t n_args;
	char *const *env; /* all that it gets */
	size_t n_env;
	const char *cwd;    /* where it starts */
	struct slice input; /* what it reads from stdin */
	int64_t timeout_ns; /* after which it and its session are killed */
};

/* Of what it wrote to stdout and stderr, the end. */
enum { HOOK_OUTPUT_MAX = 4096 };

/*
 * Runs it in a session of its own, in the caller's namespaces and with the caller's credentials.
 * It dies with the caller. output (as text: printable ASCII and newlines) is set also when it
 * fails. Beside what the system says: no such program is INVALID_ARGUMENT, one that is too slow
 * ETIMEDOUT and DEADLINE_EXCEEDED, an exit status other than 0 EIO with the last line it wrote.
 */
int hook_run(const struct hook *hook, struct buf *output, struct err *err) must_check;
