/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/ttrpc_server.h"

#include <sys/socket.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "wire/ttrpc_conn.h"

enum { ACCEPTS_PER_ROUND = 16 };
/* How long to leave the listener alone when the process is out of descriptors or memory: it stays
 * readable, and nothing tells when there are some again. */
#define ACCEPT_PAUSE_NS NS_PER_S

static void set_default(size_t *value, size_t if_zero)
{
	if (*value == 0)
		*value = if_zero;
}

static void pause_accepting(struct ttrpc_server *server)
{
	if (source_set_events(server->listen, 0) == 0)
		deadlines_set(&server->deadlines, &server->accept_again,
			clock_now_ns() + ACCEPT_PAUSE_NS);
}

static void accept_again(struct deadline *deadline)
{
	struct ttrpc_server *server = container_of(deadline, struct ttrpc_server, accept_again);

	if (source_set_events(server->listen, EPOLLIN) < 0)
		deadlines_set(&server->deadlines, deadline, clock_now_ns() + ACCEPT_PAUSE_NS);
}

static void on_listen(void *data, int fd, uint32_t events)
{
	struct ttrpc_server *server = data;

	(void)events;
	for (int i = 0; i < ACCEPTS_PER_ROUND; i++) {
		int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), r;

		if (peer < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
			return;
		if (peer < 0) {
			log_printf(LOG_DEBUG, "ttrpc", "accept: %s", strerror(errno));
			pause_accepting(server);
			return;
		}
		r = ttrpc_server_add(server, peer);
		if (r < 0)
			log_printf(LOG_DEBUG, "ttrpc", "connection refused: %s", strerror(-r));
	}
}

static void fire_flushed(struct deadline *deadline)
{
	struct ttrpc_server *server = container_of(deadline, struct ttrpc_server, flushed);
	void (*fn)(void *data) = server->flushed_fn;

	server->flushed_fn = NULL;
	fn(server->flushed_data);
}

int ttrpc_server_new(struct loop *loop, int listen_fd, const struct ttrpc_server_config *config,
	struct ttrpc_server **ret)
{
	struct ttrpc_server *server = calloc(1, sizeof(*server));
	int r;

	if (!server) {
		close_fd(listen_fd);
		return -ENOMEM;
	}
	*server = (struct ttrpc_server){.loop = loop,
		.config = *config,
		.listen_fd = listen_fd,
		.accept_again.fire = accept_again,
		.flushed.fire = fire_flushed};
	list_init(&server->conns);
	set_default(&server->config.max_connections, 128);
	set_default(&server->config.max_calls, 16384);
	set_default(&server->config.call_budget, 16 << 20);
	set_default(&server->config.connection_budget, 64 << 20);
	set_default(&server->config.connection_reserve, 128 << 10);
	set_default(&server->config.shared_budget, 64 << 20);
	server->budget.limit = server->config.shared_budget;
	set_default(&server->config.max_unsent, 8 << 20);
	r = deadlines_init(&server->deadlines, loop);
	if (r == 0 && listen_fd >= 0)
		r = io_set_nonblock(listen_fd, true);
	if (r == 0 && listen_fd >= 0)
		r = loop_add_io(loop, listen_fd, EPOLLIN, on_listen, server, &server->listen);
	if (r < 0) {
		ttrpc_server_free(server);
		return r;
	}
	*ret = server;
	return 0;
}

int ttrpc_server_add(struct ttrpc_server *server, int fd)
{
	if (server->n_conns >= server->config.max_connections) {
		close_fd(fd);
		return -EMFILE;
	}
	return ttrpc_conn_new(server, fd);
}

void ttrpc_server_stop_accepting(struct ttrpc_server *server)
{
	deadlines_clear(&server->deadlines, &server->accept_again);
	source_free(take_ptr(&server->listen));
	close_fd(take_fd(&server->listen_fd));
}

void ttrpc_server_free(struct ttrpc_server *server)
{
	if (!server)
		return;
	if (server->deadlines.timer) {
		ttrpc_server_stop_accepting(server);
		deadlines_clear(&server->deadlines, &server->flushed);
	}
	server->flushed_fn = NULL;
	while (!list_is_empty(&server->conns)) {
		struct ttrpc_conn *conn = container_of(server->conns.next, struct ttrpc_conn, link);

		conn->refs++;
		ttrpc_conn_close(conn);
		/* One that was closed before may have calls that the loop has yet to tell. */
		ttrpc_call_cancel_all(conn);
		list_remove(&conn->link);
		conn->server = NULL;
		conn->budget.parent = NULL;
		ttrpc_conn_unref(conn);
	}
	if (server->deadlines.timer)
		deadlines_fini(&server->deadlines);
	close_fd(server->listen_fd);
	free(server);
}

bool ttrpc_server_is_idle(const struct ttrpc_server *server)
{
	LIST_FOREACH (conn, &server->conns, struct ttrpc_conn, link)
		if (conn->n_calls || frames_unsent(&conn->frames))
			return false;
	return true;
}

int ttrpc_server_on_flushed(struct ttrpc_server *server, void (*fn)(void *data), void *data)
{
	if (server->flushed_fn)
		return -EBUSY;
	server->flushed_fn = fn;
	server->flushed_data = data;
	server->n_unflushed = 0;
	LIST_FOREACH (conn, &server->conns, struct ttrpc_conn, link) {
		if (!frames_unsent(&conn->frames))
			continue;
		conn->flush_mark = conn->frames.n_sent + frames_unsent(&conn->frames);
		server->n_unflushed++;
	}
	if (server->n_unflushed == 0)
		deadlines_set(&server->deadlines, &server->flushed, 0);
	return 0;
}
