/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a guest's console or a VMM's stderr says, as lines for people: read from an fd on the loop,
 * made printable, written to the log, and the telling ones kept for error messages.
 *
 * The writer is not trusted. Lines are cut at LINES_WIDTH; terminal escape sequences and control
 * characters go, bytes that are not ASCII become '?'. Memory does not grow with what comes.
 */
#include "base/slice.h"
#include "loop/loop.h"

enum { LINES_WIDTH = 256 };

struct lines {
	const char *subsystem; /* of the log records; borrowed for ever */
	int fd;		       /* owned; -1: none (yet, or it has ended) */
	struct source *source; /* owned */
	unsigned escape;       /* where in an escape sequence the decoder is */
	size_t len;	       /* of the unfinished line */
	char line[LINES_WIDTH];
	char last[LINES_WIDTH];	 /* the last line that is not blank; "" */
	char panic[LINES_WIDTH]; /* the first line of a kernel panic; "" */
};

#define LINES_INIT(name)                      \
	{                                     \
		.subsystem = (name), .fd = -1 \
	}

/* Starts to read fd, which is non-blocking and taken, also on failure. */
int lines_attach(struct lines *lines, struct loop *loop, int fd) must_check;
/* Decodes bytes: what reading does. */
void lines_feed(struct lines *lines, struct slice bytes);
/* Reads what is there now, at most a pipe full; for a writer that has just ended. */
void lines_drain(struct lines *lines);
/* Stops reading. The kept lines stay. */
void lines_detach(struct lines *lines);

/* The line that says most: of a panic if there was one, else the last whole one; "" if nothing
 * came. Good until the next call. */
const char *lines_tail(const struct lines *lines);
