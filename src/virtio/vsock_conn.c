/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection and its socket on the host.
 *
 * The socket is watched only for what can be used: readable while the guest has credit and is not
 * out of receive buffers, writable while there is a backlog. A socket at end of file is watched
 * edge-triggered for nothing, which still reports its hang-up once; any level-triggered mask would
 * report it for ever.
 */
#include "virtio/vsock_device.h"

#include <assert.h>
#include <string.h>
#include <sys/socket.h>

static struct list *bucket_of(struct vsock *dev, uint32_t host_port, uint32_t guest_port)
{
	/* The guest may choose ports that collide: a bucket then holds VSOCK_CONNS_MAX at worst. */
	uint32_t h = (host_port ^ (guest_port << 16 | guest_port >> 16)) * UINT32_C(0x9e3779b1);

	return &dev->buckets[h >> 24];
}

static_assert(VSOCK_BUCKETS == 1 << 8, "bucket_of() takes the top eight bits");

struct vsock_conn *vsock_conn_find(struct vsock *dev, uint32_t host_port, uint32_t guest_port)
{
	struct list *bucket = bucket_of(dev, host_port, guest_port);

	LIST_FOREACH (conn, bucket, struct vsock_conn, bucket)
		if (conn->host_port == host_port && conn->guest_port == guest_port)
			return conn;
	return NULL;
}

void vsock_conn_index(struct vsock_conn *conn, uint32_t host_port, uint32_t guest_port)
{
	conn->host_port = host_port;
	conn->guest_port = guest_port;
	list_add(bucket_of(conn->dev, host_port, guest_port), &conn->bucket);
}

struct vsock_conn *vsock_conn_new(struct vsock *dev, enum vsock_state state, int fd)
{
	struct vsock_conn *conn = calloc(1, sizeof(*conn));
	bool large = dev->n_large < VSOCK_LARGE_MAX;

	assert(dev->n_conns < VSOCK_CONNS_MAX);
	if (!conn)
		return NULL;
	*conn = (struct vsock_conn){.dev = dev,
		.id = dev->next_id++,
		.state = state,
		.fd = -1,
		.deadline_ns = INT64_MAX};
	list_init(&conn->bucket);
	list_init(&conn->control);
	list_init(&conn->data);
	vsock_credit_init(&conn->credit, large ? VSOCK_BUF_LARGE : VSOCK_BUF_SMALL);
	if (fd >= 0 && vsock_conn_attach(conn, fd) < 0) {
		free(conn);
		return NULL;
	}
	list_add(&dev->conns, &conn->link);
	dev->n_conns++;
	if (large)
		dev->n_large++;
	vsock_host_poll(dev);
	return conn;
}

static void drop_backlog(struct vsock_conn *conn)
{
	vsock_credit_forwarded(&conn->credit, conn->backlog.len);
	own_free(&conn->backlog.data);
	conn->backlog = (struct vsock_backlog){0};
}

static void close_host(struct vsock_conn *conn)
{
	source_free(conn->source);
	conn->source = NULL;
	close_fd(take_fd(&conn->fd));
	drop_backlog(conn);
	list_remove(&conn->data);
}

void vsock_conn_free(struct vsock_conn *conn)
{
	struct vsock *dev = conn->dev;

	close_host(conn);
	list_remove(&conn->link);
	list_remove(&conn->bucket);
	list_remove(&conn->control);
	dev->n_conns--;
	if (conn->credit.buf_alloc == VSOCK_BUF_LARGE)
		dev->n_large--;
	free(conn);
	vsock_host_poll(dev);
}

void vsock_conn_owe(struct vsock_conn *conn, enum vsock_op op)
{
	if (conn->due == 0)
		list_add(&conn->dev->control, &conn->control);
	conn->due |= 1U << op;
}

void vsock_conn_reset(struct vsock_conn *conn)
{
	close_host(conn);
	conn->state = VSOCK_CLOSED;
	conn->deadline_ns = INT64_MAX;
	vsock_conn_owe(conn, VSOCK_OP_RST);
}

void vsock_conn_forgotten(struct vsock_conn *conn)
{
	if (conn->state != VSOCK_OPEN || conn->backlog.len == 0) {
		vsock_conn_free(conn);
		return;
	}
	conn->state = VSOCK_DRAINING;
	conn->due = 0;
	conn->deadline_ns = INT64_MAX;
	list_remove(&conn->control);
	list_remove(&conn->bucket);
	list_remove(&conn->data);
	vsock_conn_poll(conn);
}

void vsock_conn_set_deadline(struct vsock_conn *conn, int64_t deadline_ns)
{
	struct vsock *dev = conn->dev;

	conn->deadline_ns = deadline_ns;
	if (deadline_ns < dev->timer_ns) {
		dev->timer_ns = deadline_ns;
		source_set_deadline(dev->timer, deadline_ns);
	}
}

static uint32_t wanted_events(const struct vsock_conn *conn)
{
	uint32_t events = conn->backlog.len > 0 ? EPOLLOUT : 0;

	switch (conn->state) {
	case VSOCK_HANDSHAKE:
		return EPOLLIN;
	case VSOCK_CONNECTING:
		return EPOLLET;
	case VSOCK_OPEN:
		if (!conn->host_eof && list_is_empty(&conn->data) &&
			vsock_credit_space(&conn->credit) > 0)
			events |= EPOLLIN;
		if (events == 0 && conn->host_eof && !conn->host_deaf)
			return EPOLLET;
		return events;
	case VSOCK_DRAINING:
		return events;
	case VSOCK_DIALLING:
	case VSOCK_CLOSED:
		break;
	}
	return 0;
}

void vsock_conn_poll(struct vsock_conn *conn)
{
	if (!conn->source)
		return;
	if (source_set_events(conn->source, wanted_events(conn)) == 0)
		return;
	/* Only a lack of kernel memory makes this fail; a stream nobody watches would hang. */
	if (conn->state == VSOCK_DRAINING)
		vsock_conn_free(conn);
	else
		vsock_conn_reset(conn);
}

/* Passes the guest's shutdown on to the host's socket. Errors mean that its other end has gone. */
static void shut_host(struct vsock_conn *conn)
{
	if ((conn->guest_shutdown & VSOCK_SHUTDOWN_RECEIVE) != 0 && !conn->host_eof) {
		(void)shutdown(conn->fd, SHUT_RD);
		conn->host_eof = true;
		list_remove(&conn->data);
	}
	if ((conn->guest_shutdown & VSOCK_SHUTDOWN_SEND) != 0 && !conn->host_told_eof &&
		conn->backlog.len == 0) {
		(void)shutdown(conn->fd, SHUT_WR);
		conn->host_told_eof = true;
	}
}

void vsock_conn_settle(struct vsock_conn *conn)
{
	uint32_t flags;

	if (conn->state != VSOCK_OPEN)
		return;
	if (conn->guest_shutdown == VSOCK_SHUTDOWN_BOTH && conn->backlog.len == 0) {
		vsock_conn_reset(conn);
		return;
	}
	shut_host(conn);
	flags = (conn->host_eof ? VSOCK_SHUTDOWN_SEND : 0) |
		(conn->host_deaf ? VSOCK_SHUTDOWN_RECEIVE : 0);
	if (flags != conn->told_shutdown)
		vsock_conn_owe(conn, VSOCK_OP_SHUTDOWN);
	vsock_conn_poll(conn);
}

/* The host's socket takes no more: what the guest sends is dropped from here on. */
static void go_deaf(struct vsock_conn *conn)
{
	conn->host_deaf = true;
	drop_backlog(conn);
}

static void forwarded(struct vsock_conn *conn, uint32_t len)
{
	vsock_credit_forwarded(&conn->credit, len);
	if (conn->state == VSOCK_OPEN && vsock_credit_is_stale(&conn->credit))
		vsock_conn_owe(conn, VSOCK_OP_CREDIT_UPDATE);
}

/* Bytes written; 0 when the socket is full; -errno when it is no use any more. */
static ssize_t send_parts(struct vsock_conn *conn, struct iovec *iov, unsigned n)
{
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = n};
	ssize_t sent = sendmsg(conn->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (sent >= 0)
		return sent;
	return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

static void drain_backlog(struct vsock_conn *conn)
{
	struct vsock_backlog *b = &conn->backlog;

	while (b->len > 0) {
		uint32_t size = conn->credit.buf_alloc;
		uint32_t first = b->len < size - b->start ? b->len : size - b->start;
		struct iovec iov[2] = {{b->data + b->start, first}, {b->data, b->len - first}};
		ssize_t n = send_parts(conn, iov, b->len > first ? 2 : 1);

		if (n < 0) {
			go_deaf(conn);
			return;
		}
		if (n == 0)
			return;
		b->start = (b->start + (uint32_t)n) % size;
		b->len -= (uint32_t)n;
		forwarded(conn, (uint32_t)n);
	}
	drop_backlog(conn);
}

/* -ENOMEM. The credit check has made sure that it fits. */
static int add_to_backlog(
	struct vsock_conn *conn, const struct iovec *iov, unsigned n, uint32_t offset, uint32_t len)
{
	struct vsock_backlog *b = &conn->backlog;
	uint32_t size = conn->credit.buf_alloc, end, first;

	assert(len <= size - b->len);
	if (!b->data) {
		b->data = malloc(size);
		if (!b->data)
			return -ENOMEM;
	}
	end = (b->start + b->len) % size;
	first = len < size - end ? len : size - end;
	(void)vq_iov_read(iov, n, offset, b->data + end, first);
	(void)vq_iov_read(iov, n, offset + first, b->data, len - first);
	b->len += len;
	return 0;
}

void vsock_conn_receive(struct vsock_conn *conn, const struct iovec *iov, unsigned n, uint32_t len)
{
	struct iovec parts[VQ_IOV_MAX];
	ssize_t sent = 0;

	assert(conn->state == VSOCK_OPEN && n <= VQ_IOV_MAX);
	if (vsock_credit_received(&conn->credit, len) < 0) {
		vsock_conn_reset(conn);
		return;
	}
	if (!conn->host_deaf && conn->backlog.len == 0 && len > 0) {
		memcpy(parts, iov, n * sizeof(parts[0]));
		sent = send_parts(conn, parts, n);
		if (sent < 0)
			go_deaf(conn);
	}
	if (conn->host_deaf)
		sent = len;
	forwarded(conn, (uint32_t)sent);
	len -= (uint32_t)sent;
	if (len > 0 && add_to_backlog(conn, iov, n, (uint32_t)sent, len) < 0)
		vsock_conn_reset(conn);
}

static void open_event(struct vsock_conn *conn, uint32_t events)
{
	if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0)
		drain_backlog(conn);
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && list_is_empty(&conn->data))
		vsock_rx_data(conn);
	if (conn->state == VSOCK_OPEN && conn->host_eof && (events & EPOLLHUP) != 0)
		go_deaf(conn);
	vsock_conn_settle(conn);
}

static void on_host(void *data, int fd, uint32_t events)
{
	struct vsock_conn *conn = data;
	struct vsock *dev = conn->dev;

	(void)fd;
	switch (conn->state) {
	case VSOCK_HANDSHAKE:
		vsock_host_read_line(conn);
		break;
	case VSOCK_CONNECTING:
		/* The client has gone. The guest need not know if REQUEST has not left yet. */
		if ((conn->due & (1U << VSOCK_OP_REQUEST)) != 0)
			vsock_conn_free(conn);
		else
			vsock_conn_reset(conn);
		break;
	case VSOCK_OPEN:
		open_event(conn, events);
		break;
	case VSOCK_DRAINING:
		drain_backlog(conn);
		if (conn->backlog.len == 0)
			vsock_conn_free(conn);
		break;
	case VSOCK_DIALLING:
	case VSOCK_CLOSED:
		break;
	}
	vsock_rx_finish(dev);
}

int vsock_conn_attach(struct vsock_conn *conn, int fd)
{
	uint32_t events = wanted_events(conn);
	int r = loop_add_io(conn->dev->config.loop, fd, events, on_host, conn, &conn->source);

	if (r == 0)
		conn->fd = fd;
	return r;
}
