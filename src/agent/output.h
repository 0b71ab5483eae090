/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a process writes: the agent's end of its stdout or stderr pipe, or its terminal.
 *
 * Nothing is read ahead. A ReadStdout or ReadStderr call is parked until there is data, and
 * answered with what one read gives; several are served in their order. A host that does not read
 * leaves the data in the pipe, which fills up and stops the writer, so nothing here grows. The end
 * of the data (for a terminal: EIO) is answered with an empty reply.
 *
 * Once the process has ended, its output is drained when its end has been read. There are outputs
 * whose end nobody will read: one that nobody ever read, one whose reader does not come back, one
 * that a process left behind holds open. So an output also counts as drained when nothing has come
 * out of it for a short time, unless there is data in it and somebody has been reading it: then he
 * is only slow.
 */
#include "base/list.h"
#include "loop/loop.h"
#include "wire/ttrpc_server.h"

typedef void output_drained_fn(void *data);

struct output {
	struct loop *loop;     /* borrowed */
	int fd;		       /* owned; -1: none, or its end has been seen */
	struct source *source; /* readable; parked while nobody waits */
	struct source *grace;  /* armed once the process has ended */
	struct list waiting;   /* struct parked_read, oldest first */
	size_t n_waiting;
	bool was_read, finishing, drained;
	output_drained_fn *on_drained; /* set by output_finish */
	void *data;
};

/* No descriptor: reads fail until output_open. */
void output_init(struct output *o, struct loop *loop);
/* Takes over fd, non-blocking. On failure it is closed. */
int output_open(struct output *o, int fd) must_check;
/* Parked calls see the end of the data. */
void output_fini(struct output *o);

/* Takes the call over. len: as requested; 0 is answered at once with nothing. */
void output_read(struct output *o, struct ttrpc_call *call, uint32_t len);

/* The process has ended: fn is called once the output is drained, from the loop or at once. */
void output_finish(struct output *o, output_drained_fn *fn, void *data);
