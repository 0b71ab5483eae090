/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device's entry points and the packets that come from the guest.
 *
 * A packet that makes no sense for its connection resets it; one that belongs to no connection is
 * answered with RST, as virtio 1.2 s5.10.6.4 wants, so that the guest's socket does not wait for a
 * timeout; one that does not name the guest's own address as its source is dropped.
 */
#include "virtio/vsock.h"

#include <sys/syscall.h>

#include "base/log.h"
#include "virtio/vsock_device.h"

/* Host ports given to host clients: from here up, clear of what services listen on. */
static const uint32_t FIRST_HOST_PORT = UINT32_C(1) << 30;
static const uint32_t LAST_HOST_PORT = (UINT32_C(1) << 31) - 1;

/* clang-format off */
const struct jail_rule vsock_rules[] = {
	{.nr = SYS_accept4},	/* host clients */
	{.nr = SYS_recvfrom},	/* their CONNECT line */
	{.nr = SYS_sendto},	/* its answer */
	{.nr = SYS_sendmsg},	/* from the guest */
	{.nr = SYS_recvmsg},	/* to the guest */
	{.nr = SYS_shutdown},	/* half-close */
	JAIL_RULES_END,
};
/* clang-format on */

/* One timer for all deadlines: a few connections have one at any time, and for seconds. */
static void on_timer(void *data)
{
	struct vsock *dev = data;
	int64_t now = clock_now_ns(), next = INT64_MAX;

	LIST_FOREACH_SAFE (conn, &dev->conns, struct vsock_conn, link) {
		if (conn->deadline_ns > now) {
			next = conn->deadline_ns < next ? conn->deadline_ns : next;
			continue;
		}
		log_printf(LOG_DEBUG, "vsock", "port %u: timed out", conn->guest_port);
		if (conn->state == VSOCK_HANDSHAKE || (conn->due & (1U << VSOCK_OP_REQUEST)) != 0)
			vsock_conn_free(conn);
		else
			vsock_conn_reset(conn);
	}
	dev->timer_ns = next;
	source_set_deadline(dev->timer, next);
	vsock_rx_finish(dev);
}

int vsock_new(const struct vsock_config *config, struct vsock **ret)
{
	struct vsock *dev = calloc(1, sizeof(*dev));
	int r;

	if (!dev)
		return -ENOMEM;
	dev->config = *config;
	dev->next_port = FIRST_HOST_PORT;
	dev->timer_ns = INT64_MAX;
	list_init(&dev->conns);
	list_init(&dev->control);
	list_init(&dev->data);
	for (size_t i = 0; i < ARRAY_SIZE(dev->buckets); i++)
		list_init(&dev->buckets[i]);
	r = loop_add_timer(config->loop, INT64_MAX, on_timer, dev, &dev->timer);
	if (r == 0 && config->listen_fd >= 0)
		r = vsock_host_listen(dev);
	if (r < 0) {
		vsock_free(dev);
		return r;
	}
	*ret = dev;
	return 0;
}

void vsock_free(struct vsock *dev)
{
	if (!dev)
		return;
	source_free(dev->listener);
	dev->listener = NULL;
	vsock_reset(dev);
	source_free(dev->timer);
	free(dev);
}

void vsock_reset(struct vsock *dev)
{
	LIST_FOREACH_SAFE (conn, &dev->conns, struct vsock_conn, link)
		vsock_conn_free(conn);
	dev->first_rst = dev->n_rsts = 0;
	dev->tx_paused = false;
}

unsigned vsock_n_conns(const struct vsock *dev)
{
	return dev->n_conns;
}

uint32_t vsock_free_port(struct vsock *dev, uint32_t guest_port)
{
	uint32_t port;

	/* Ends: there are more ports than connections. */
	do {
		port = dev->next_port;
		dev->next_port = port == LAST_HOST_PORT ? FIRST_HOST_PORT : port + 1;
	} while (vsock_conn_find(dev, port, guest_port));
	return port;
}

static void open_for_guest(struct vsock *dev, const struct vsock_header *h)
{
	struct vsock_conn *conn = NULL;

	if (dev->n_conns < VSOCK_CONNS_MAX)
		conn = vsock_conn_new(dev, VSOCK_DIALLING, -1);
	if (!conn) {
		vsock_rx_rst(dev, h);
		return;
	}
	vsock_conn_index(conn, h->dst_port, h->src_port);
	/* Nothing was sent yet, so any fwd_cnt but 0 is a lie. */
	if (vsock_credit_peer(&conn->credit, h->buf_alloc, h->fwd_cnt) < 0 ||
		dev->config.dial(dev->config.data, h->dst_port, conn->id) < 0)
		vsock_conn_reset(conn);
}

void vsock_dialled(struct vsock *dev, uint64_t id, int fd)
{
	LIST_FOREACH (conn, &dev->conns, struct vsock_conn, link) {
		if (conn->id != id || conn->state != VSOCK_DIALLING)
			continue;
		conn->state = VSOCK_OPEN;
		if (fd < 0 || vsock_conn_attach(conn, fd) < 0) {
			vsock_conn_reset(conn);
		} else {
			fd = -1;
			vsock_conn_owe(conn, VSOCK_OP_RESPONSE);
		}
		break;
	}
	close_fd(fd);
	vsock_rx_finish(dev);
}

static void on_response(struct vsock_conn *conn)
{
	if (conn->state != VSOCK_CONNECTING || (conn->due & (1U << VSOCK_OP_REQUEST)) != 0 ||
		vsock_host_accepted(conn) < 0) {
		vsock_conn_reset(conn);
		return;
	}
	conn->state = VSOCK_OPEN;
	vsock_conn_set_deadline(conn, INT64_MAX);
	vsock_conn_poll(conn);
}

static void on_payload(struct vsock_conn *conn, const struct vq_chain *chain, uint32_t len)
{
	struct iovec parts[VQ_IOV_MAX];
	unsigned n;

	if (conn->state != VSOCK_OPEN || (conn->guest_shutdown & VSOCK_SHUTDOWN_SEND) != 0) {
		vsock_conn_reset(conn);
		return;
	}
	n = vq_iov_slice(chain->iov, chain->n_out, VSOCK_HEADER_SIZE, len, parts);
	vsock_conn_receive(conn, parts, n, len);
}

static void on_shutdown(struct vsock_conn *conn, uint32_t flags)
{
	if (conn->state != VSOCK_OPEN) {
		vsock_conn_reset(conn);
		return;
	}
	conn->guest_shutdown |= flags & VSOCK_SHUTDOWN_BOTH;
}

static void on_packet(
	struct vsock_conn *conn, const struct vsock_header *h, const struct vq_chain *chain)
{
	if (h->op == VSOCK_OP_RST) {
		vsock_conn_forgotten(conn);
		return;
	}
	if (conn->state == VSOCK_CLOSED)
		return;
	if (vsock_credit_peer(&conn->credit, h->buf_alloc, h->fwd_cnt) < 0) {
		vsock_conn_reset(conn);
		return;
	}
	switch (h->op) {
	case VSOCK_OP_RESPONSE:
		on_response(conn);
		break;
	case VSOCK_OP_RW:
		on_payload(conn, chain, h->len);
		break;
	case VSOCK_OP_SHUTDOWN:
		on_shutdown(conn, h->flags);
		break;
	case VSOCK_OP_CREDIT_REQUEST:
		vsock_conn_owe(conn, VSOCK_OP_CREDIT_UPDATE);
		break;
	case VSOCK_OP_CREDIT_UPDATE:
		break;
	default:
		vsock_conn_reset(conn);
		break;
	}
	if (vsock_credit_space(&conn->credit) > 0)
		conn->asked_credit = false;
	vsock_conn_settle(conn);
}

static void receive_packet(struct vsock *dev, const struct vq_chain *chain)
{
	uint8_t raw[VSOCK_HEADER_SIZE];
	struct vsock_header h;
	struct vsock_conn *conn;

	if (vq_iov_read(chain->iov, chain->n_out, 0, raw, sizeof(raw)) < sizeof(raw)) {
		vq_break(dev->config.tx, "a packet shorter than its header");
		return;
	}
	vsock_header_decode(raw, &h);
	if (h.src_cid != dev->config.guest_cid)
		return;
	conn = h.dst_cid == VSOCK_CID_HOST && h.type == VSOCK_TYPE_STREAM
		       ? vsock_conn_find(dev, h.dst_port, h.src_port)
		       : NULL;
	if (h.len > chain->out_len - VSOCK_HEADER_SIZE)
		h.op = VSOCK_OP_INVALID;
	if (conn)
		on_packet(conn, &h, chain);
	else if (h.op == VSOCK_OP_REQUEST && h.dst_cid == VSOCK_CID_HOST &&
		 h.type == VSOCK_TYPE_STREAM)
		open_for_guest(dev, &h);
	else if (h.op != VSOCK_OP_RST)
		vsock_rx_rst(dev, &h);
}

/* The next packet, or NULL: none is there, or its answer would have no room. */
static const struct vq_chain *next_packet(struct vsock *dev)
{
	struct vq *tx = dev->config.tx;

	dev->tx_paused = !vsock_rx_has_rst_room(dev);
	if (dev->tx_paused)
		return NULL;
	if (vq_pop(tx, &dev->packet) || (vq_enable_kicks(tx) && vq_pop(tx, &dev->packet)))
		return &dev->packet;
	return NULL;
}

bool vsock_process_tx(struct vsock *dev)
{
	const struct vq_chain *chain = NULL;

	vq_disable_kicks(dev->config.tx);
	for (unsigned n = 0; n < VSOCK_TX_PER_TURN; n++) {
		chain = next_packet(dev);
		if (!chain)
			break;
		receive_packet(dev, chain);
		vq_push(dev->config.tx, chain, 0);
	}
	vsock_rx_finish(dev);
	return chain || (dev->tx_paused && vsock_rx_has_rst_room(dev));
}

bool vsock_process_rx(struct vsock *dev)
{
	vq_disable_kicks(dev->config.rx);
	vsock_rx_finish(dev);
	return dev->tx_paused && vsock_rx_has_rst_room(dev);
}
