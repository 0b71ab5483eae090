/* SPDX-License-Identifier: Apache-2.0 */
/* Host clients: the listening socket and the line "CONNECT <port>\n" each begins with. */
#include "virtio/vsock_device.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"

static void listen_for(struct vsock *dev, uint32_t events)
{
	/* Stopping cannot fail; what starting failed for, the next connection that ends tries
	 * again. */
	if (dev->listener && source_set_events(dev->listener, events) < 0)
		log_printf(LOG_DEBUG, "vsock", "listen: %s", strerror(errno));
}

void vsock_host_poll(struct vsock *dev)
{
	listen_for(dev, dev->n_conns < VSOCK_CONNS_MAX ? EPOLLIN : 0);
}

static void on_client(void *data, int listen_fd, uint32_t events)
{
	struct vsock *dev = data;
	struct vsock_conn *conn = NULL;
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0) {
		/* Out of descriptors or memory: the next connection that ends starts it again. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			listen_for(dev, 0);
		return;
	}
	if (dev->n_conns < VSOCK_CONNS_MAX)
		conn = vsock_conn_new(dev, VSOCK_HANDSHAKE, fd);
	if (conn)
		vsock_conn_set_deadline(conn, clock_now_ns() + VSOCK_CONNECT_NS);
	else
		close_fd(fd);
}

int vsock_host_listen(struct vsock *dev)
{
	return loop_add_io(
		dev->config.loop, dev->config.listen_fd, EPOLLIN, on_client, dev, &dev->listener);
}

/*
 * Adds bytes to the line, never one behind its newline: those are the stream's. 1: the line is
 * complete; 0: not yet; -errno: the client is no client.
 */
static int read_more(struct vsock_conn *conn)
{
	char bytes[VSOCK_CONNECT_LINE_MAX + 2], *newline;
	size_t room = sizeof(conn->line) - conn->line_len, take;
	ssize_t n = recv(conn->fd, bytes, room + 1, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	newline = memchr(bytes, '\n', (size_t)n);
	take = newline ? (size_t)(newline - bytes) : (size_t)n;
	if (n == 0 || take > room)
		return -EPROTO;
	memcpy(conn->line + conn->line_len, bytes, take);
	conn->line_len = (uint8_t)(conn->line_len + take);
	if (recv(conn->fd, bytes, take + (newline ? 1 : 0), MSG_DONTWAIT) < 0)
		return -errno;
	return newline ? 1 : 0;
}

void vsock_host_read_line(struct vsock_conn *conn)
{
	uint32_t port;
	int r = read_more(conn);

	if (r == 0)
		return;
	if (r < 0 || vsock_connect_line_parse(conn->line, conn->line_len, &port) < 0) {
		vsock_conn_free(conn);
		return;
	}
	conn->state = VSOCK_CONNECTING;
	vsock_conn_index(conn, vsock_free_port(conn->dev, port), port);
	vsock_conn_set_deadline(conn, clock_now_ns() + VSOCK_CONNECT_NS);
	vsock_conn_owe(conn, VSOCK_OP_REQUEST);
	vsock_conn_poll(conn);
}

int vsock_host_accepted(struct vsock_conn *conn)
{
	char line[sizeof("OK 4294967295\n")];
	int len = snprintf(line, sizeof(line), "OK %u\n", conn->host_port);
	ssize_t n = send(conn->fd, line, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);

	/* Nothing else was ever written here: a full buffer means a client that is not one. */
	return n == len ? 0 : -EPIPE;
}
