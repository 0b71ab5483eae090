/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Descriptors from a job to its parent: a pair of sockets made before the fork, each message a number
 * and a descriptor. Nothing here waits: what is sent stays in the socket until it is received, and is
 * closed with it if it never is.
 */
#include <stdint.h>

#include "base/own.h"

struct fd_channel {
	int parent_fd, child_fd; /* owned; -1: none. The child inherits both. */
};

#define FD_CHANNEL_INIT ((struct fd_channel){.parent_fd = -1, .child_fd = -1})

int fd_channel_open(struct fd_channel *c) must_check;
void fd_channel_close(struct fd_channel *c);
/* In the child. -EAGAIN: more than the socket holds (about a hundred). */
int fd_channel_send(const struct fd_channel *c, uint32_t number, int fd) must_check;
/* In the parent: the next descriptor (close-on-exec) and its number; -EAGAIN: there is none. */
int fd_channel_receive(const struct fd_channel *c, uint32_t *ret_number) must_check;
