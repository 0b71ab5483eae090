/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/logport.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/io.h"
#include "base/log.h"
#include "base/slice.h"
#include "wire/dial.h"

enum { CHUNK = 4096 };

/* The pipe is older than any port: records may be written before there is one. */
static int pipe_fds[2] = {-1, -1};

struct logport {
	struct loop *loop;
	int listen_fd, fd; /* owned; fd -1: nobody is connected */
	struct source *accepting, *reading, *connection;
	uint8_t chunk[CHUNK]; /* taken from the pipe and not sent yet */
	size_t start, end;
};

int logport_begin(void)
{
	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	log_init(&(struct log_config){
		.format = LOG_JSON,
		.level = LOG_INFO,
		.name = "kata-agent",
		.source = "agent",
		.fd = pipe_fds[1],
	});
	return 0;
}

/*
 * Standard output without waiting for it. Its file description may be shared with others who expect
 * it to block (a terminal, a journal), so it is opened once more where that is possible.
 */
static int open_stdout(void)
{
	int fd = open("/proc/self/fd/1", O_WRONLY | O_APPEND | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	fd = io_dup(STDOUT_FILENO);
	if (fd >= 0 && io_set_nonblock(fd, true) < 0) {
		close_fd(fd);
		return -EBADF;
	}
	return fd;
}

static int use_stdout(struct err *err)
{
	int fd = open_stdout();
	uint8_t chunk[CHUNK];
	ssize_t n;

	if (fd < 0)
		return err_sys(err, -fd, "log to standard output");
	log_set_fd(fd);
	close_fd(take_fd(&pipe_fds[1]));
	/* A record that standard output does not take at once is lost, here as later. */
	while ((n = read(pipe_fds[0], chunk, sizeof(chunk))) > 0)
		if (write(fd, chunk, (size_t)n) < 0)
			break;
	close_fd(take_fd(&pipe_fds[0]));
	return 0;
}

static void disconnect(struct logport *port)
{
	source_free(port->connection);
	port->connection = NULL;
	close_fd(take_fd(&port->fd));
	/* The rest of a record would only confuse the next reader. */
	port->start = port->end = 0;
	(void)!source_set_events(port->reading, 0);
	(void)!source_set_events(port->accepting, EPOLLIN);
}

/* Sends what the chunk holds. False when it could not all be sent now, or the connection broke. */
static bool flush(struct logport *port)
{
	while (port->start < port->end) {
		ssize_t n = send(port->fd, port->chunk + port->start, port->end - port->start,
			MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			return false;
		if (n < 0) {
			disconnect(port);
			return false;
		}
		port->start += (size_t)n;
	}
	return true;
}

static bool refill(struct logport *port)
{
	ssize_t n = read(pipe_fds[0], port->chunk, sizeof(port->chunk));

	port->start = 0;
	port->end = n > 0 ? (size_t)n : 0;
	return n > 0;
}

/* Moves records until the pipe is empty or the connection full, and waits for the other of the two.
 */
static void pump(struct logport *port)
{
	bool sent = flush(port);

	while (sent && refill(port))
		sent = flush(port);
	if (port->fd < 0)
		return;
	(void)!source_set_events(port->reading, sent ? EPOLLIN : 0);
	(void)!source_set_events(port->connection, sent ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

static void on_record(void *data, int fd, uint32_t events)
{
	(void)fd, (void)events;
	pump(data);
}

static void on_connection(void *data, int fd, uint32_t events)
{
	struct logport *port = data;
	uint8_t ignored[256];

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		ssize_t n = recv(fd, ignored, sizeof(ignored), MSG_DONTWAIT);

		/* A peer has nothing to tell us but that it leaves. */
		if (n == 0 || (n < 0 && errno != EAGAIN)) {
			disconnect(port);
			return;
		}
	}
	if (events & EPOLLOUT)
		pump(port);
}

static void on_accept(void *data, int listen_fd, uint32_t events)
{
	struct logport *port = data;
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0)
		return;
	if (loop_add_io(port->loop, fd, EPOLLIN, on_connection, port, &port->connection) < 0) {
		close_fd(fd);
		return;
	}
	port->fd = fd;
	(void)!source_set_events(port->accepting, 0);
	pump(port);
}

int logport_open(struct loop *loop, const char *address, struct logport **ret, struct err *err)
{
	struct logport *port;
	int r;

	*ret = NULL;
	if (!address)
		return use_stdout(err);
	port = calloc(1, sizeof(*port));
	if (!port)
		return err_sys(err, ENOMEM, "log port");
	port->loop = loop;
	port->fd = -1;
	port->listen_fd = dial_listen(address, err);
	r = port->listen_fd;
	if (r >= 0)
		r = loop_add_io(loop, pipe_fds[0], 0, on_record, port, &port->reading);
	if (r >= 0)
		r = loop_add_io(loop, port->listen_fd, EPOLLIN, on_accept, port, &port->accepting);
	if (r < 0) {
		logport_close(port);
		return err_is_set(err) ? r : err_sys(err, -r, "log port %s", address);
	}
	*ret = port;
	return 0;
}

void logport_close(struct logport *port)
{
	if (!port)
		return;
	if (port->fd >= 0)
		pump(port);
	source_free(port->connection);
	source_free(port->reading);
	source_free(port->accepting);
	close_fd(port->fd);
	close_fd(port->listen_fd);
	free(port);
}
