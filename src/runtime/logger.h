/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The logging program of a process (binary://), as containerd's shims run it: fd 3 is the process'
 * stdout, fd 4 its stderr, fd 5 the pipe on which a byte or its end says that the program is ready.
 * CONTAINER_ID and CONTAINER_NAMESPACE are all of its environment, its working directory is ours.
 *
 *	logger_new		checks the program and makes the pipes
 *	logger_take_output	their writing ends, for whoever copies the output
 *	logger_start		runs it; ready is called when it is, or could not be
 *	logger_finish		the writing ends are closed: it may read on for 12 seconds, is then sent
 *				SIGTERM, and SIGKILL 3 seconds later
 *	logger_on_end		tells when it has gone
 *
 * It is not killed when we die, for it has to write down what is still in its pipes; `delete` gives
 * it a moment before it kills what the state file names (runtime/undo.h). One that ends early is not
 * run again: what comes after is dropped.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "loop/loop.h"
#include "runtime/stdio_uri.h"

struct logger;

struct logger_config {
	struct loop *loop;
	const char *cid, *name_space; /* copied */
	/* Where the program is noted before it can do anything, and forgotten when it is gone. NULL:
	 * nowhere. */
	int (*note)(void *data, pid_t pid, uint64_t start_time);
	void (*forget)(void *data, pid_t pid, uint64_t start_time);
	void *data; /* borrowed for the logger's life */
};

/* err NULL: the program is ready. */
typedef void logger_ready_fn(void *data, const struct err *err);
typedef void logger_end_fn(void *data);

/* uri: of the kind STDIO_BINARY; copied. -ENOENT, -EACCES: it cannot be run. */
int logger_new(const struct logger_config *config, const struct stdio_uri *uri, struct logger **ret,
	struct err *err) must_check;
/* Kills it if it still runs; nobody is told. NULL is fine. */
void logger_free(struct logger *l);

/* i: 0 stdout, 1 stderr; once each, before the start. One that is not taken is at its end. */
int logger_take_output(struct logger *l, size_t i);
/* ready is called once, from the loop, unless logger_finish or logger_free comes first; after 10
 * seconds with -ETIMEDOUT. */
int logger_start(struct logger *l, logger_ready_fn *ready, void *data, struct err *err) must_check;
void logger_finish(struct logger *l);

bool logger_is_running(const struct logger *l);
/* Calls end once, from the loop, when the program has gone; NULL: not any more. Only while it runs. */
void logger_on_end(struct logger *l, logger_end_fn *end, void *data);
