/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets to the guest.
 *
 * Each needs a receive buffer. Answers that belong to no connection come first, then what
 * connections owe (control packets), then data, one turn per connection. When buffers run out
 * everything stays where it is until the guest kicks the queue.
 */
#include "virtio/vsock_device.h"

#include <assert.h>
#include <sys/socket.h>

/* Linux takes at most this in one packet (VIRTIO_VSOCK_MAX_PKT_BUF_SIZE). */
enum { PAYLOAD_MAX = 64 << 10 };
/* Parts given to one recvmsg. */
enum { PARTS_MAX = 256 };

enum outcome {
	SOURCE_EMPTY, /* the host's socket has no more now, or is at its end */
	TURN_OVER,    /* it may have more */
	NO_BUFFERS,
	NO_CREDIT,
};

static bool is_receive_buffer(const struct vq_chain *chain)
{
	return chain->n_out == 0 && chain->in_len > VSOCK_HEADER_SIZE;
}

static bool take_buffer(struct vsock *dev, struct vq_chain *chain)
{
	struct vq *rx = dev->config.rx;

	if (!vq_pop(rx, chain) && !(vq_enable_kicks(rx) && vq_pop(rx, chain)))
		return false;
	if (!is_receive_buffer(chain)) {
		vq_break(rx, "a receive buffer that is readable or has no room for data");
		return false;
	}
	return true;
}

static void give_packet(
	struct vsock *dev, const struct vq_chain *chain, const struct vsock_header *h)
{
	uint8_t raw[VSOCK_HEADER_SIZE];

	vsock_header_encode(h, raw);
	(void)vq_iov_write(chain->iov, chain->n_in, 0, raw, sizeof(raw));
	vq_push(dev->config.rx, chain, VSOCK_HEADER_SIZE + h->len);
}

static struct vsock_header header_of(struct vsock_conn *conn, enum vsock_op op, uint32_t len)
{
	struct vsock_header h = {
		.src_cid = VSOCK_CID_HOST,
		.dst_cid = conn->dev->config.guest_cid,
		.src_port = conn->host_port,
		.dst_port = conn->guest_port,
		.len = len,
		.type = VSOCK_TYPE_STREAM,
		.op = (uint16_t)op,
		.buf_alloc = conn->credit.buf_alloc,
		.fwd_cnt = conn->credit.fwd_cnt,
	};

	/* Every packet carries the credit, so an update that was due is not any more. */
	vsock_credit_told(&conn->credit);
	conn->due &= ~(1U << VSOCK_OP_CREDIT_UPDATE | 1U << op);
	if (conn->due == 0)
		list_remove(&conn->control);
	return h;
}

bool vsock_rx_has_rst_room(const struct vsock *dev)
{
	return dev->n_rsts < VSOCK_RSTS_MAX;
}

void vsock_rx_rst(struct vsock *dev, const struct vsock_header *h)
{
	unsigned at = (dev->first_rst + dev->n_rsts) % VSOCK_RSTS_MAX;

	assert(vsock_rx_has_rst_room(dev));
	dev->rsts[at] = (struct vsock_rst){.src_cid = h->dst_cid,
		.src_port = h->dst_port,
		.dst_port = h->src_port,
		.type = h->type};
	dev->n_rsts++;
}

static bool send_stray_rst(struct vsock *dev)
{
	const struct vsock_rst *rst = &dev->rsts[dev->first_rst];
	struct vsock_header h = {
		.src_cid = rst->src_cid,
		.dst_cid = dev->config.guest_cid,
		.src_port = rst->src_port,
		.dst_port = rst->dst_port,
		.type = rst->type,
		.op = VSOCK_OP_RST,
	};

	if (!take_buffer(dev, &dev->chain))
		return false;
	give_packet(dev, &dev->chain, &h);
	dev->first_rst = (dev->first_rst + 1) % VSOCK_RSTS_MAX;
	dev->n_rsts--;
	return true;
}

/* RST makes the rest pointless; SHUTDOWN is last because it ends what others may begin. */
static enum vsock_op next_due(const struct vsock_conn *conn)
{
	static const enum vsock_op order[] = {VSOCK_OP_RST, VSOCK_OP_REQUEST, VSOCK_OP_RESPONSE,
		VSOCK_OP_CREDIT_UPDATE, VSOCK_OP_CREDIT_REQUEST, VSOCK_OP_SHUTDOWN};

	size_t i = 0;

	assert(conn->due != 0);
	while (i + 1 < ARRAY_SIZE(order) && (conn->due & (1U << order[i])) == 0)
		i++;
	return order[i];
}

static bool send_control(struct vsock_conn *conn)
{
	struct vsock *dev = conn->dev;
	enum vsock_op op = next_due(conn);
	struct vsock_header h;

	if (!take_buffer(dev, &dev->chain))
		return false;
	h = header_of(conn, op, 0);
	if (op == VSOCK_OP_SHUTDOWN) {
		h.flags = (conn->host_eof ? VSOCK_SHUTDOWN_SEND : 0) |
			  (conn->host_deaf ? VSOCK_SHUTDOWN_RECEIVE : 0);
		conn->told_shutdown = h.flags;
		if (h.flags == VSOCK_SHUTDOWN_BOTH)
			vsock_conn_set_deadline(conn, clock_now_ns() + VSOCK_CLOSE_NS);
	}
	give_packet(dev, &dev->chain, &h);
	if (op == VSOCK_OP_RST)
		vsock_conn_free(conn);
	return true;
}

/* Bytes of payload that fit into the buffer, the connection's credit and one packet. */
static uint32_t payload_room(const struct vq_chain *chain, uint32_t credit)
{
	uint32_t room = chain->in_len - VSOCK_HEADER_SIZE;

	if (room > PAYLOAD_MAX)
		room = PAYLOAD_MAX;
	return room < credit ? room : credit;
}

/* Takes as many buffers as credit fills, up to a batch, and lists where their payload goes. */
static unsigned take_batch(
	struct vsock *dev, uint32_t credit, struct iovec *parts, unsigned *ret_n_parts)
{
	unsigned n = 0, n_parts = 0;

	while (n < VSOCK_BATCH && credit > 0 && n_parts + VQ_IOV_MAX <= PARTS_MAX) {
		struct vq_chain *chain = &dev->batch[n];
		uint32_t room;

		if (n == 0 ? !take_buffer(dev, chain) : !vq_pop(dev->config.rx, chain))
			break;
		if (!is_receive_buffer(chain)) {
			vq_unpop(dev->config.rx, 1);
			break; /* the next take_buffer() says what is wrong with it */
		}
		room = payload_room(chain, credit);
		n_parts += vq_iov_slice(
			chain->iov, chain->n_in, VSOCK_HEADER_SIZE, room, parts + n_parts);
		credit -= room;
		n++;
	}
	*ret_n_parts = n_parts;
	return n;
}

static void give_batch(struct vsock_conn *conn, unsigned n, uint32_t len)
{
	struct vsock *dev = conn->dev;
	unsigned n_used = 0;

	while (len > 0) {
		const struct vq_chain *chain = &dev->batch[n_used++];
		uint32_t room = payload_room(chain, UINT32_MAX);
		struct vsock_header h = header_of(conn, VSOCK_OP_RW, room < len ? room : len);

		give_packet(dev, chain, &h);
		vsock_credit_sent(&conn->credit, h.len);
		len -= h.len;
	}
	vq_unpop(dev->config.rx, n - n_used);
}

static enum outcome host_ended(struct vsock_conn *conn, bool deaf)
{
	conn->host_eof = true;
	if (deaf)
		conn->host_deaf = true;
	return SOURCE_EMPTY;
}

static enum outcome send_batch(struct vsock_conn *conn)
{
	struct vsock *dev = conn->dev;
	struct iovec parts[PARTS_MAX];
	uint32_t credit = vsock_credit_space(&conn->credit);
	struct msghdr msg = {.msg_iov = parts};
	unsigned n, n_parts;
	size_t room = 0;
	ssize_t got;

	if (credit == 0)
		return NO_CREDIT;
	n = take_batch(dev, credit, parts, &n_parts);
	if (n == 0)
		return NO_BUFFERS;
	for (unsigned i = 0; i < n_parts; i++)
		room += parts[i].iov_len;
	msg.msg_iovlen = n_parts;
	got = recvmsg(conn->fd, &msg, MSG_DONTWAIT);
	if (got <= 0) {
		vq_unpop(dev->config.rx, n);
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return SOURCE_EMPTY;
		/* ECONNRESET: the client closed without having read all. */
		return host_ended(conn, got < 0);
	}
	give_batch(conn, n, (uint32_t)got);
	return (size_t)got < room ? SOURCE_EMPTY : TURN_OVER;
}

/* One turn of a connection. */
static enum outcome send_data(struct vsock_conn *conn)
{
	enum outcome outcome = TURN_OVER;

	for (unsigned i = 0; i < VSOCK_BATCHES_PER_TURN && outcome == TURN_OVER; i++)
		outcome = send_batch(conn);
	if (outcome == NO_BUFFERS)
		list_add(&conn->dev->data, &conn->data);
	if (outcome == NO_CREDIT && !conn->asked_credit) {
		conn->asked_credit = true;
		vsock_conn_owe(conn, VSOCK_OP_CREDIT_REQUEST);
	}
	return outcome;
}

void vsock_rx_data(struct vsock_conn *conn)
{
	struct vsock *dev = conn->dev;

	if (conn->state != VSOCK_OPEN || conn->host_eof)
		return;
	/* Data may not overtake a RESPONSE that waits, nor another connection's turn. */
	if (dev->n_rsts > 0 || !list_is_empty(&dev->control) || !list_is_empty(&dev->data))
		list_add(&dev->data, &conn->data);
	else
		(void)send_data(conn);
}

void vsock_rx_pump(struct vsock *dev)
{
	for (;;) {
		struct vsock_conn *conn;
		enum outcome outcome;

		if (dev->n_rsts > 0) {
			if (!send_stray_rst(dev))
				return;
			continue;
		}
		if (!list_is_empty(&dev->control)) {
			conn = container_of(dev->control.next, struct vsock_conn, control);
			if (!send_control(conn))
				return;
			continue;
		}
		if (list_is_empty(&dev->data))
			return;
		conn = container_of(dev->data.next, struct vsock_conn, data);
		list_remove(&conn->data);
		outcome = send_data(conn);
		vsock_conn_settle(conn);
		if (outcome == NO_BUFFERS)
			return;
	}
}

void vsock_rx_finish(struct vsock *dev)
{
	const struct vsock_config *config = &dev->config;
	struct vq *queues[] = {config->rx, config->tx};

	vsock_rx_pump(dev);
	for (size_t i = 0; i < ARRAY_SIZE(queues); i++) {
		if (vq_flush(queues[i]))
			config->notify(config->data, queues[i]);
		if (vq_broken(queues[i]))
			config->broken(config->data, queues[i]);
	}
}
