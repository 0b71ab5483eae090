/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Running a program to its end, within bounds. This waits, so it is for jobs (forked children), and
 * never for a loop.
 *
 * The program has nothing open but its three standard streams, an environment of PATH only, and no
 * more time and output than it is given. It is the first of a process group, which is killed with it,
 * and dies with its caller.
 */
#include "base/buf.h"
#include "base/err.h"

struct command {
	const char *const *argv; /* NULL-terminated; argv[0] is the path */
	struct slice input;	 /* its standard input */
	size_t max_output; /* bytes, of standard output and error each; past it, it is killed */
	int64_t timeout_ns;
};

/* Appends what it wrote to standard output to output (NULL: not wanted), also when it fails. A
 * status other than 0 is -EIO, and err then says what it wrote to standard error; -ENOENT: there is
 * no such program; -ETIMEDOUT. */
int command_run(const struct command *command, struct buf *output, struct err *err) must_check;
