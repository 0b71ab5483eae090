/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The rtnetlink socket of the calling process's network namespace. The kernel works on a request
 * within sendmsg(2), so an answer is there when that returns; but it may take its time over it (a
 * network card that is brought up, a namespace that is being removed), so calls belong into jobs.
 *
 * A message counts only if the kernel sent it: everybody in the namespace could.
 */
#include "base/buf.h"
#include "base/err.h"
#include "linux/rtnl_message.h"

struct rtnl {
	int fd; /* owned */
	uint32_t sequence;
	uint8_t *buffer;	 /* owned */
	char why[RTNL_WHY_SIZE]; /* what the kernel said about the last failure, or "" */
};

/* clang-format off */
#define RTNL_INIT {.fd = -1}
/* clang-format on */

int rtnl_open(struct rtnl *ret) must_check;
void rtnl_close(struct rtnl *nl);
#define auto_rtnl __attribute__((cleanup(rtnl_close)))

/* Says in err what failed, with the kernel's own words about the last call. Returns r, a -errno. */
int rtnl_error(const struct rtnl *nl, int r, struct err *err, const char *fmt, ...)
	printf_like(4, 5);

/* Sends the request and waits for its acknowledgement: 0, or the -errno that the kernel gave. */
int rtnl_call(struct rtnl *nl, struct rtnl_request *request) must_check;

/*
 * Appends all of type RTM_GET... and family to list, to be cut up by rtnl_next_message(). A dump that
 * changes made inconsistent is done again, a few times. -E2BIG: more than any guest has use for.
 */
int rtnl_dump(struct rtnl *nl, uint16_t type, uint8_t family, struct buf *list) must_check;

/* Sends back a message of a dump, so that what it tells of is there again (NLM_F_REPLACE). */
int rtnl_call_again(struct rtnl *nl, const struct rtnl_message *m) must_check;

/* A non-blocking socket that is told of links (RTNLGRP_LINK); for the loop. */
int rtnl_open_link_monitor(void) must_check;
/* One datagram of it: its length, 0 if it was not the kernel's, or -errno: -EAGAIN (none left),
 * -ENOBUFS (some were lost). */
int rtnl_receive(int fd, void *buffer, size_t size) must_check;
