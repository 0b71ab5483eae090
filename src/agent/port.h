/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The agent's vsock ports beside its server: log, debug console, streams of processes, and the
 * host's port for traces. Listening is on any CID. Whoever runs in the guest could connect as well
 * where its kernel has a vsock loopback, so a port that is more than a log takes connections of the
 * host (CID 2) only.
 *
 * For an agent that is not in a guest KIHON_AGENT_PORTS says what stands in for vsock:
 *
 *	local   vsock, and the host is this machine (CID 1: the loopback)
 *	/DIR    port N is the unix socket /DIR/N, the host's ports too. A peer's own port is the last
 *	        part of the name that it has bound itself to (/DIR/a/77 is port 77), or 0.
 */
#include <stdint.h>

#include "agent/options.h"
#include "loop/loop.h"

struct port;

enum { PORT_ADDRESS_SIZE = OPTIONS_PATH_SIZE + 32 };

/* fd: connected, non-blocking, the callee's; peer_port: the peer's own. It must not close the
 * port. */
typedef void port_accepted_fn(void *data, int fd, uint32_t peer_port);

int port_listen(struct loop *loop, const struct options *options, uint32_t number,
	port_accepted_fn *fn, void *data, struct port **ret, struct err *err) must_check;
/* NULL is fine. */
void port_close(struct port *port);

/* Where the agent listens, and where the host does, as wire/dial.h takes it. */
void port_format_own(
	const struct options *options, uint32_t number, char address[static PORT_ADDRESS_SIZE]);
void port_format_host(
	const struct options *options, uint32_t number, char address[static PORT_ADDRESS_SIZE]);
