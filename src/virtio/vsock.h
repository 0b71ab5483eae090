/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The virtio socket device (virtio 1.2 s5.10): stream connections between processes of the guest
 * and unix sockets of the host.
 *
 * The host's side speaks what Firecracker introduced and Kata calls hybrid vsock. A client connects
 * to the listening socket and writes "CONNECT <port>\n"; when the guest accepts, it reads
 * "OK <host port>\n" and the stream begins; when the guest refuses, or says nothing for
 * VSOCK_CONNECT_NS, it reads end of file. The other way round, a guest that connects to host port P
 * is joined with whatever dial(P) yields.
 *
 * The device knows two virtqueues, file descriptors and a loop, no transport. The transport calls
 * vsock_process_rx() and vsock_process_tx() when the driver kicks a queue or a queue has been
 * started; the device calls notify() when the guest wants an interrupt. The event queue (s5.10.6.4)
 * is the transport's. Everything runs on the loop's thread and nothing waits. No pointer into guest
 * memory outlives a call, so the memory table may change between calls.
 *
 * What bounds a hostile guest:
 *  - VSOCK_CONNS_MAX connections, handshakes included; one more is refused with RST (the guest's)
 * or waits in the listen queue (the host's);
 *  - per connection, one backlog of at most the credit it was given: VSOCK_BUF_LARGE for the first
 *    VSOCK_LARGE_MAX connections alive and VSOCK_BUF_SMALL for the others, 46 MiB in all. A guest
 *    that sends beyond its credit is reset. Data for the guest is never buffered here: it is read
 *    from the host's socket into the guest's own receive buffer, when there is one, and credit;
 *  - VSOCK_RSTS_MAX answers to packets that belong to no connection; while they wait for receive
 *    buffers the transmit queue is not looked at (Linux's vhost-vsock does the same).
 *
 * Life cycle: a connection ends for the guest with RST, in answer to its SHUTDOWN of both
 * directions or VSOCK_CLOSE_NS after ours. What the guest had sent before it closed is still
 * written to the host's socket, however slowly that is read; when the guest comes back to the same
 * pair of ports meanwhile, that is a new connection.
 */
#include <stdbool.h>

#include "base/clock.h"
#include "linux/jail.h"
#include "loop/loop.h"
#include "virtio/queue.h"

enum {
	VSOCK_CONNS_MAX = 1024,
	VSOCK_LARGE_MAX = 64,
	VSOCK_BUF_LARGE = 256 << 10, /* what Linux gives its own sockets */
	VSOCK_BUF_SMALL = 32 << 10,
	VSOCK_RSTS_MAX = 256,
};
/* A host client has this long to finish its CONNECT line, and the guest to answer the REQUEST. */
#define VSOCK_CONNECT_NS (5 * NS_PER_S)
/* From our SHUTDOWN of both directions to our RST, as Linux's vhost-vsock. */
#define VSOCK_CLOSE_NS (8 * NS_PER_S)

enum { VSOCK_RX_QUEUE, VSOCK_TX_QUEUE, VSOCK_N_QUEUES };

struct vsock;

struct vsock_config {
	struct loop *loop;  /* borrowed */
	struct vq *rx, *tx; /* borrowed; to the guest, from the guest */
	uint64_t guest_cid;
	int listen_fd; /* borrowed: a listening, non-blocking unix stream socket; -1: none */
	/* The guest wants an interrupt for vq. */
	void (*notify)(void *data, struct vq *vq);
	/* vq broke (vq_broken() says why); may be repeated. */
	void (*broken)(void *data, struct vq *vq);
	/*
	 * The guest connects to a port of the host. 0: vsock_dialled(id) will be called, later and
	 * not from inside; -errno: refused.
	 */
	int (*dial)(void *data, uint32_t port, uint64_t id);
	void *data; /* borrowed */
};

int vsock_new(const struct vsock_config *config, struct vsock **ret) must_check;
/* Closes every connection. NULL is fine. */
void vsock_free(struct vsock *dev);

/*
 * The guest has made receive buffers available; it has sent packets. True: there are packets left
 * to handle that no kick will announce (one call takes a bounded number): call vsock_process_tx()
 * soon, after other events have had their turn.
 */
bool vsock_process_rx(struct vsock *dev) must_check;
bool vsock_process_tx(struct vsock *dev) must_check;

/* The answer to dial(): a connected stream socket, which the device owns from here on, or -1. An id
 * that is not waiting any more is fine. */
void vsock_dialled(struct vsock *dev, uint64_t id, int fd);

/* The driver starts anew (the guest was reset): closes every connection without a word to it. */
void vsock_reset(struct vsock *dev);

/* Connections now, for logs and tests. */
unsigned vsock_n_conns(const struct vsock *dev);

/* The system calls of this module, for jail_filter(). */
extern const struct jail_rule vsock_rules[];
