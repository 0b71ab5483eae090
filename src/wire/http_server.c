/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/http_server.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"

enum { READ_SIZE = 4096 };
/* Until a connection that could not be accepted, for want of descriptors, is tried again. */
#define ACCEPT_PAUSE_NS (100 * NS_PER_MS)

struct http_server {
	struct loop *loop; /* borrowed */
	struct http_server_config config;
	int listen_fd;
	struct source *listen, *resume; /* owned */
	struct list conns;
	size_t n_conns;
};

/* One connection, and its call. */
struct http_call {
	struct list link;
	struct http_server *server;
	int fd;
	struct source *io, *timer; /* owned */
	struct buf in, out;
	struct http_parse parse; /* of the request that is being answered */
	http_cancel_fn *cancel_fn;
	void *cancel_data;
	bool is_asked;	   /* the handler has it */
	bool is_busy;	   /* its bytes are being handled: whoever does it looks after the rest */
	bool is_last;	   /* closed once its answer is out */
	bool is_continued; /* has been told to send the body */
	bool is_broken;
};

static void accept_more(void *data)
{
	struct http_server *server = data;

	if (server->listen && server->n_conns < HTTP_CONNECTIONS_MAX &&
		source_set_events(server->listen, EPOLLIN) < 0)
		source_set_deadline(server->resume, clock_now_ns() + ACCEPT_PAUSE_NS);
}

static void stop_accepting(struct http_server *server)
{
	/* What it cannot take it does not take: then the next event is the same again. */
	(void)!source_set_events(server->listen, 0);
}

static void free_conn(struct http_call *c)
{
	struct http_server *server = c->server;
	http_cancel_fn *cancel_fn = c->is_asked ? c->cancel_fn : NULL;
	void *cancel_data = c->cancel_data;

	list_remove(&c->link);
	source_free(c->io);
	source_free(c->timer);
	close_fd(c->fd);
	buf_fini(&c->in);
	buf_fini(&c->out);
	free(c);
	server->n_conns--;
	accept_more(server);
	if (cancel_fn)
		cancel_fn(cancel_data);
}

/* ---- Answers ---- */

static void be_patient(struct http_call *c)
{
	source_set_deadline(c->timer, clock_now_ns() + HTTP_PATIENCE_S * NS_PER_S);
}

static void flush(struct http_call *c)
{
	while (buf_len(&c->out) > 0 && !c->is_broken) {
		struct slice s = buf_slice(&c->out);
		ssize_t n = send(c->fd, s.p, s.len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n >= 0)
			buf_consume(&c->out, (size_t)n);
		else if (errno == EAGAIN)
			return;
		else
			c->is_broken = errno != EINTR;
	}
}

static int queue_reply(
	struct http_call *c, unsigned int status, const char *type, struct slice body)
{
	int r = buf_printf(&c->out,
		"HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s\r\n", status,
		http_status_text(status), type, body.len,
		c->is_last ? "Connection: close\r\n" : "");

	return r < 0 ? r : buf_append(&c->out, body.p, body.len);
}

static void handle_input(struct http_call *c);

/* Sends, goes on with the next request, and says what is waited for. c may be gone afterwards. */
static void kick(struct http_call *c)
{
	/* EPOLLPRI never comes on these sockets: it keeps them in the set for their hang-up. */
	uint32_t events = EPOLLPRI;

	handle_input(c);
	flush(c);
	if (buf_len(&c->out) > 0)
		events |= EPOLLOUT;
	else if (c->is_last && !c->is_asked)
		c->is_broken = true;
	else if (!c->is_asked)
		events |= EPOLLIN;
	if (c->is_broken || source_set_events(c->io, events) < 0)
		free_conn(c);
}

void http_call_reply(
	struct http_call *call, unsigned int status, const char *type, struct slice body)
{
	call->is_asked = false;
	call->cancel_fn = NULL;
	call->is_last |= !call->parse.request.keep_alive;
	if (queue_reply(call, status, type, body) < 0)
		call->is_broken = true;
	buf_consume(&call->in, call->parse.len);
	be_patient(call);
	if (!call->is_busy)
		kick(call);
}

void http_call_reply_text(struct http_call *call, unsigned int status, const char *text)
{
	http_call_reply(call, status, "text/plain; charset=utf-8", slice_of_str(text));
}

const struct http_request *http_call_request(const struct http_call *call)
{
	return &call->parse.request;
}

void http_call_on_cancel(struct http_call *call, http_cancel_fn *fn, void *data)
{
	call->cancel_fn = fn;
	call->cancel_data = data;
}

/* ---- Requests ---- */

static void refuse(struct http_call *c)
{
	/* What comes behind it cannot be told apart. */
	c->is_last = true;
	c->parse.len = buf_len(&c->in);
	http_call_reply_text(c, c->parse.status, c->parse.why);
}

static void ask_for_body(struct http_call *c)
{
	if (!c->parse.expects_continue || c->is_continued)
		return;
	c->is_continued = true;
	if (buf_append_str(&c->out, "HTTP/1.1 100 Continue\r\n\r\n") < 0)
		c->is_broken = true;
}

/* The requests that are there, until one is not answered at once. An answer goes out before the next
 * request is looked at, so that nobody makes us hoard answers. */
static void handle_input(struct http_call *c)
{
	c->is_busy = true;
	flush(c);
	while (!c->is_broken && !c->is_asked && !c->is_last && buf_len(&c->out) == 0 &&
		buf_len(&c->in) > 0) {
		enum http_state state = http_request_parse(
			buf_slice(&c->in), c->server->config.max_body, &c->parse);

		if (state == HTTP_PARTIAL) {
			ask_for_body(c);
			break;
		}
		c->is_continued = false;
		c->is_asked = true;
		source_set_deadline(c->timer, INT64_MAX);
		if (state == HTTP_REFUSED)
			refuse(c);
		else
			c->server->config.handler(c->server->config.user, c);
		flush(c);
	}
	c->is_busy = false;
}

static void read_input(struct http_call *c)
{
	uint8_t *p = buf_reserve(&c->in, READ_SIZE);
	ssize_t n = p ? recv(c->fd, p, READ_SIZE, MSG_DONTWAIT) : 0;

	if (n > 0)
		buf_commit(&c->in, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		c->is_broken = true;
}

static void on_io(void *data, int fd, uint32_t events)
{
	struct http_call *c = data;

	(void)fd;
	if (events & EPOLLIN)
		read_input(c);
	else if (events & (EPOLLHUP | EPOLLERR))
		c->is_broken = true;
	kick(c);
}

static void on_timer(void *data)
{
	free_conn(data);
}

/* ---- Connections ---- */

static int add_conn(struct http_server *server, int fd)
{
	struct http_call *c = calloc(1, sizeof(*c));
	int r;

	if (!c) {
		close_fd(fd);
		return -ENOMEM;
	}
	c->server = server;
	c->fd = fd;
	list_add(&server->conns, &c->link);
	server->n_conns++;
	r = loop_add_io(server->loop, fd, EPOLLIN, on_io, c, &c->io);
	if (r == 0)
		r = loop_add_timer(server->loop, clock_now_ns() + HTTP_PATIENCE_S * NS_PER_S,
			on_timer, c, &c->timer);
	if (r < 0)
		free_conn(c);
	return r;
}

static void on_listen(void *data, int fd, uint32_t events)
{
	struct http_server *server = data;
	int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (conn < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		stop_accepting(server);
		source_set_deadline(server->resume, clock_now_ns() + ACCEPT_PAUSE_NS);
	}
	/* One that cannot be had hears it from its closed socket. */
	if (conn >= 0 && add_conn(server, conn) == 0 && server->n_conns == HTTP_CONNECTIONS_MAX)
		stop_accepting(server);
}

int http_server_new(struct loop *loop, int listen_fd, const struct http_server_config *config,
	struct http_server **ret)
{
	struct http_server *server = calloc(1, sizeof(*server));
	int r;

	if (!server) {
		close_fd(listen_fd);
		return -ENOMEM;
	}
	server->loop = loop;
	server->config = *config;
	server->listen_fd = listen_fd;
	list_init(&server->conns);
	r = loop_add_timer(loop, INT64_MAX, accept_more, server, &server->resume);
	if (r == 0)
		r = loop_add_io(loop, listen_fd, EPOLLIN, on_listen, server, &server->listen);
	if (r < 0) {
		http_server_free(server);
		return r;
	}
	*ret = server;
	return 0;
}

void http_server_free(struct http_server *server)
{
	if (!server)
		return;
	source_free(take_ptr(&server->listen));
	source_free(server->resume);
	while (!list_is_empty(&server->conns))
		free_conn(container_of(server->conns.next, struct http_call, link));
	close_fd(server->listen_fd);
	free(server);
}
