/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Connecting to an agent, without waiting: vsock://CID:PORT, hvsock://PATH:PORT (the hybrid
 * handshake "CONNECT <port>\n" / "OK <port>\n" of Firecracker on a unix socket), unix://PATH and
 * unix://@ABSTRACT.
 *
 * A guest that has not booted yet refuses or hangs up; the dial then tries again every retry_ns
 * until deadline_ns.
 */
#include "base/err.h"
#include "loop/loop.h"

struct dial;

/* fd: connected, non-blocking, the callee's to keep; -1: err says why. Called once, from the loop;
 * the dial is freed by then. */
typedef void dial_fn(void *data, int fd, const struct err *err);

struct dial_config {
	const char *address; /* borrowed during the call */
	int64_t retry_ns;    /* between attempts */
	int64_t deadline_ns; /* CLOCK_MONOTONIC */
	int64_t attempt_ns;  /* an attempt (connect and handshake) that takes longer is given up */
};

/* -EINVAL: the address cannot be parsed (err names it). */
int dial_start(struct loop *loop, const struct dial_config *config, dial_fn *fn, void *data,
	struct dial **ret, struct err *err) must_check;
/* The callback will not run. NULL is fine. */
void dial_cancel(struct dial *dial);

/* Parses an agent's listen address ("vsock://-1:1024", "unix:///path", "unix://@name") and returns
 * a listening, non-blocking, close-on-exec socket. */
int dial_listen(const char *address, struct err *err) must_check;
/* Removes the socket file of such an address, if it has one: before the socket is closed, because
 * the next listener may take the name from then on. */
void dial_unlisten(const char *address);
