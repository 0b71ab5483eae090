/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Copies from one descriptor to another, at the speed of the slower of the two: what has been read
 * and cannot be written yet is one chunk, and nothing more is read until it has gone.
 *
 * A relay ends when what it reads from has ended and all of it is written, or when what it writes
 * to is broken. Both descriptors are closed then, so that each side sees that the other has gone.
 */
#include <stdbool.h>

#include "loop/loop.h"

struct relay;

/* Once, from the loop, with both descriptors closed. May free the relay. */
typedef void relay_ended_fn(void *data);

struct relay_config {
	int from_fd, to_fd; /* non-blocking; to_fd -1: what is read is dropped */
	/* When what it writes to breaks, reads on and drops: a terminal whose output nobody takes
	 * would stop those who write to it. */
	bool outlives_reader;
	relay_ended_fn *ended;
	void *data; /* borrowed */
};

/* Takes both descriptors over, also on failure. They must be descriptors of their own, for epoll
 * knows each number once. */
int relay_new(struct loop *loop, const struct relay_config *config, struct relay **ret) must_check;
/* ended is not called. NULL is fine. */
void relay_free(struct relay *relay);

bool relay_has_ended(const struct relay *relay);
/*
 * There is not much to come: ended also follows when nothing more has been read for half a second,
 * while others hold what it reads from open. A slow reader is waited for.
 */
void relay_finish(struct relay *relay);
