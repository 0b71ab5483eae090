/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a process reads: the agent's end of its stdin pipe, or its terminal.
 *
 * Nothing is copied: a WriteStdin call is parked, with the data in its request, until the pipe has
 * taken all of it, and is answered then. Several are written in their order. What a host can make
 * us hold is bounded by the requests it may have in flight (wire/ttrpc_server.h).
 */
#include "base/list.h"
#include "base/slice.h"
#include "loop/loop.h"
#include "wire/ttrpc_server.h"

struct input {
	struct loop *loop;     /* borrowed */
	int fd;		       /* owned; -1: none, or closed */
	struct source *source; /* writable; parked while nothing waits */
	struct list waiting;   /* struct parked_write, oldest first */
	size_t n_waiting;
	bool closing; /* to be closed when what waits has been written */
};

void input_init(struct input *in, struct loop *loop);
/* Takes over fd, non-blocking. On failure it is closed. */
int input_open(struct input *in, int fd) must_check;
/* Parked calls end with an error. */
void input_fini(struct input *in);

/* Takes the call over; data lies in its request. Empty data closes, as input_close. */
void input_write(struct input *in, struct ttrpc_call *call, struct slice data);
/* The process sees the end of its input once it has read what was written so far. */
void input_close(struct input *in);
