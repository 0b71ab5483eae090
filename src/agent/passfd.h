/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Streams of processes as connections of their own ("pass-fd"), instead of calls.
 *
 * The host connects to agent.passfd_listener_port once per stream, and names the connections in
 * CreateContainer and ExecProcess by the ports they come from (stdin_port, stdout_port,
 * stderr_port; 0: the process has no such stream). A connection may be there before its request is,
 * with data and even its end in it, or come a moment later: the request then waits for it,
 * PASSFD_WAIT_NS at most. Upstream waits for 300 ms and goes on without the stream; here the
 * request fails, for output that nobody sees is worse.
 *
 * Connections that no request has asked for are closed after PASSFD_KEEP_NS, and at once when there
 * are PASSFD_MAX_UNCLAIMED of them already. One of them costs a descriptor: nothing is read from it
 * and its end is not looked for.
 */
#include "agent/options.h"
#include "base/clock.h"
#include "loop/loop.h"
#include "wire/ttrpc_server.h"

struct passfd;

enum { PASSFD_MAX_UNCLAIMED = 64, PASSFD_STREAMS = 3 };
#define PASSFD_WAIT_NS (2 * NS_PER_S)
#define PASSFD_KEEP_NS (10 * NS_PER_S)

/* What a process has instead of pipes that are read by calls. stdin, stdout, stderr. */
struct passfd_streams {
	bool used;		 /* else the process has none of this */
	int fds[PASSFD_STREAMS]; /* owned; -1: no such stream */
};

int passfd_open(struct loop *loop, const struct options *options, struct passfd **ret,
	struct err *err) must_check;
/* Claims must have ended. NULL is fine. */
void passfd_close(struct passfd *passfd);

/* streams is the callee's to take from; what it leaves is closed. user: as of the call's handler. */
typedef void passfd_claimed_fn(struct ttrpc_call *call, struct passfd_streams *streams, void *user);
/*
 * Takes the call over until fn is called with it, which may be at once; or fails it. passfd NULL:
 * there is no listener, and naming ports is an error.
 */
void passfd_claim(struct passfd *passfd, struct ttrpc_call *call,
	const uint32_t ports[PASSFD_STREAMS], passfd_claimed_fn *fn, void *user);
