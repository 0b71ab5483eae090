/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where the agent's log records go. They enter a pipe and never wait: what does not fit is dropped
 * and counted (base/log.h). From the pipe they flow to whoever connects to the log port, one
 * connection at a time, or straight to standard output when the host asked for no port.
 */
#include <stdint.h>

#include "base/err.h"
#include "loop/loop.h"

struct logport;

/* First of all: creates the pipe, so that records from before the configuration is known are kept.
 */
int logport_begin(void) must_check;

/* address: of a vsock or unix listener, or NULL for standard output. ret is NULL for the latter. */
int logport_open(
	struct loop *loop, const char *address, struct logport **ret, struct err *err) must_check;
/* Hands what is still in the pipe to the connection as far as it takes it at once. */
void logport_close(struct logport *port);
