/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A client of QEMU's machine protocol (QMP): lines of JSON over a connected socket, on the loop.
 *
 * The connection starts with QEMU's greeting, to which the client answers by itself; ready() is
 * called when commands are accepted. What QEMU sends is not trusted (a guest may own it): lines are
 * at most QMP_LINE_MAX bytes, and anything that is no message, or answers what was not asked, ends
 * the connection. Any callback may free the client.
 */
#include "base/err.h"
#include "base/slice.h"
#include "loop/loop.h"
#include "text/value.h"

/* query-* replies of a machine with hundreds of devices stay below 200 kB. */
enum { QMP_LINE_MAX = 1 << 20, QMP_PENDING_MAX = 512 };

struct qmp;

/* Exactly one of ret (what "return" holds; borrowed) and err ("CommandNotFound: The command x has
 * not been found") is not NULL. */
typedef void qmp_reply_fn(void *data, const struct value *ret, const struct err *err);

struct qmp_handlers {
	void (*ready)(void *data);
	/* args: the event's "data", or NULL. Both borrowed. */
	void (*event)(void *data, const char *name, const struct value *args);
	/* The connection has ended; nothing is called after it, requests that had no reply yet get
	 * none. why->code is EPIPE when QEMU closed it; any other: it broke the protocol. */
	void (*closed)(void *data, const struct err *why);
};

/* Takes fd, which must be a non-blocking stream socket, also on failure. handlers is borrowed. */
int qmp_new(struct loop *loop, int fd, const struct qmp_handlers *handlers, void *data,
	struct qmp **ret) must_check;
void qmp_free(struct qmp *qmp);

/*
 * Sends a command without arguments. fn may be NULL: the reply is ignored. -ENOTCONN before ready()
 * or after closed(), -EBUSY with QMP_PENDING_MAX commands unanswered, -ENOMEM.
 */
int qmp_execute(struct qmp *qmp, const char *command, qmp_reply_fn *fn, void *data) must_check;

struct qmp_command {
	const char *name;
	struct slice arguments; /* a JSON object, as text; empty: none */
	/* Sent along by SCM_RIGHTS; -1: none. QEMU keeps only the last that it was sent, so a command with
	 * an fd waits here until the one before has been answered. */
	int fd;
};

/* The same with arguments. Takes over the fd, also on failure. */
int qmp_execute_command(struct qmp *qmp, const struct qmp_command *command, qmp_reply_fn *fn,
	void *data) must_check;
