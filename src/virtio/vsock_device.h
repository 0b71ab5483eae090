/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the files of the vsock device share; nobody else includes this.
 *
 *	vsock.c       entry points, packets from the guest
 *	vsock_rx.c    packets to the guest
 *	vsock_conn.c  a connection: table, host socket, backlog, shutdown, deadline
 *	vsock_host.c  host clients and their CONNECT line, dialling
 */
#include "base/list.h"
#include "virtio/vsock.h"
#include "virtio/vsock_credit.h"
#include "virtio/vsock_packet.h"

enum {
	VSOCK_BUCKETS = 256,
	/* Receive buffers filled by one recvmsg: 16 of Linux's 3,776 bytes are about 58 KiB. */
	VSOCK_BATCH = 16,
	/* recvmsg calls for one connection before the others get their turn. */
	VSOCK_BATCHES_PER_TURN = 4,
	/* Packets from the guest before other events get their turn. */
	VSOCK_TX_PER_TURN = 128,
};

/*
 * State        socket  in table  what may happen
 * HANDSHAKE    yes     no        the client's line is being read
 * CONNECTING   yes     yes       REQUEST is due or sent; RESPONSE opens it
 * DIALLING     no      yes       the guest's REQUEST waits for vsock_dialled()
 * OPEN         yes     yes       data and credit flow, either side shuts down
 * DRAINING     yes     no        the guest is done with it; the backlog goes to the host
 * CLOSED       no      yes       RST is due; freed when it is sent
 */
enum vsock_state {
	VSOCK_HANDSHAKE,
	VSOCK_CONNECTING,
	VSOCK_DIALLING,
	VSOCK_OPEN,
	VSOCK_DRAINING,
	VSOCK_CLOSED,
};

/* Bytes from the guest that the host's socket did not take: a ring of buf_alloc bytes, allocated
 * when the first byte has to wait and freed when the last has gone. */
struct vsock_backlog {
	uint8_t *data; /* owned */
	uint32_t start, len;
};

struct vsock_conn {
	struct vsock *dev; /* borrowed */
	struct list link;  /* in dev->conns */
	struct list bucket;
	struct list control; /* in dev->control while due != 0 */
	struct list data;    /* in dev->data while it waits for a receive buffer */
	uint64_t id;
	enum vsock_state state;
	uint32_t host_port, guest_port;
	int fd; /* owned */
	struct source *source;
	struct vsock_credit credit;
	struct vsock_backlog backlog;
	unsigned due;		 /* bit 1 << VSOCK_OP_x: that packet must be sent */
	uint32_t guest_shutdown; /* VSOCK_SHUTDOWN_x flags the guest has sent */
	uint32_t told_shutdown;	 /* and those it was sent */
	bool host_eof;		 /* the host's socket has no more for the guest */
	bool host_deaf;		 /* it takes no more from the guest */
	bool host_told_eof;	 /* shutdown(SHUT_WR) done */
	bool asked_credit;	 /* CREDIT_REQUEST sent since the guest last gave some */
	int64_t deadline_ns;	 /* INT64_MAX: none */
	uint8_t line_len;
	char line[VSOCK_CONNECT_LINE_MAX];
};

/* An RST to the guest that belongs to no connection. */
struct vsock_rst {
	uint64_t src_cid;
	uint32_t src_port, dst_port;
	uint16_t type;
};

struct vsock {
	struct vsock_config config;
	struct list conns, control, data;
	struct list buckets[VSOCK_BUCKETS];
	unsigned n_conns, n_large;
	struct source *listener, *timer;
	int64_t timer_ns; /* when the timer fires */
	uint32_t next_port;
	uint64_t next_id;
	struct vsock_rst rsts[VSOCK_RSTS_MAX]; /* a ring */
	unsigned first_rst, n_rsts;
	bool tx_paused;			    /* until there is room in rsts */
	struct vq_chain packet;		    /* scratch: the packet being received */
	struct vq_chain chain;		    /* scratch: the one being sent */
	struct vq_chain batch[VSOCK_BATCH]; /* scratch for vsock_rx_data() */
};

/* vsock.c */
/* A host port that no connection to guest_port has. */
uint32_t vsock_free_port(struct vsock *dev, uint32_t guest_port);

/* vsock_conn.c */
struct vsock_conn *vsock_conn_new(struct vsock *dev, enum vsock_state state, int fd);
/* Closes the socket and frees; the guest is told nothing. */
void vsock_conn_free(struct vsock_conn *conn);
struct vsock_conn *vsock_conn_find(struct vsock *dev, uint32_t host_port, uint32_t guest_port);
/* Gives it its ports and makes it findable. */
void vsock_conn_index(struct vsock_conn *conn, uint32_t host_port, uint32_t guest_port);
/* The socket it gets when it had none. -ENOMEM, or what epoll says; fd is then still the caller's.
 */
int vsock_conn_attach(struct vsock_conn *conn, int fd) must_check;
/* op must be sent to the guest. */
void vsock_conn_owe(struct vsock_conn *conn, enum vsock_op op);
/* Closes the host's socket at once, drops the backlog, and owes the guest an RST. */
void vsock_conn_reset(struct vsock_conn *conn);
/* The guest has forgotten the connection: frees it, now or after the backlog has drained. */
void vsock_conn_forgotten(struct vsock_conn *conn);
/* len bytes of payload in the parts iov, from the guest. vsock_conn_settle() must follow. */
void vsock_conn_receive(struct vsock_conn *conn, const struct iovec *iov, unsigned n, uint32_t len);
/* Does what the shutdown flags of both sides now ask for; conn may be reset by it. */
void vsock_conn_settle(struct vsock_conn *conn);
/* Waits for what the state needs from the host's socket; after every change. */
void vsock_conn_poll(struct vsock_conn *conn);
void vsock_conn_set_deadline(struct vsock_conn *conn, int64_t deadline_ns);

/* vsock_rx.c */
/* Sends what is due and has a receive buffer. May free connections that were owed an RST. */
void vsock_rx_pump(struct vsock *dev);
/* The host's socket may be readable: sends what is there, or puts the connection in the line of
 * those that wait for receive buffers. vsock_conn_settle() must follow. */
void vsock_rx_data(struct vsock_conn *conn);
/* Whether there is room for another stray RST. */
bool vsock_rx_has_rst_room(const struct vsock *dev);
/* Queues an RST in answer to h. */
void vsock_rx_rst(struct vsock *dev, const struct vsock_header *h);
/* The end of every entry into the device: sends what is due, publishes, interrupts. */
void vsock_rx_finish(struct vsock *dev);

/* vsock_host.c */
int vsock_host_listen(struct vsock *dev) must_check;
/* The client's socket is readable during HANDSHAKE; conn may be freed. */
void vsock_host_read_line(struct vsock_conn *conn);
/* The guest has accepted: tells the client. -errno: it cannot be told. */
int vsock_host_accepted(struct vsock_conn *conn) must_check;
/* Accepts clients while there is room for connections. */
void vsock_host_poll(struct vsock *dev);
