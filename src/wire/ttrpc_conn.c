/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. Each readable event fills the buffer and handles every whole frame in it;
 * replies that handlers give at once are queued and sent together at the end. Replies that come
 * later are sent when they come. Past max_unsent no frame is handled and nothing is read; the
 * connection then waits to become writable. Calls that were in flight by then may still be
 * answered: past twice the limit (and one message) their peer is disconnected.
 *
 * A socket is closed from the loop only (`broken` carries it there), because closing runs the
 * cancel functions of other calls, which must not happen inside a handler.
 */
#include "wire/ttrpc_conn.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "ttrpc.pb-c.h"
#include "wire/budget.h"
#include "wire/message.h"
#include "wire/status.h"

/* Then others get their turn; the loop comes back, since there is more to read. */
enum { FILLS_PER_ROUND = 16 };
/* Buffers of a busy connection are worth keeping, those of an idle one are not (frames.c). */
#define TRIM_AFTER_NS (100 * NS_PER_MS)
/* ttrpc.Response.payload */
enum { RESPONSE_PAYLOAD = 2 };

/* Bytes of a frame, and of replies, that a connection may have even when all memory is used up: how
 * else should it be told so. */
enum { ALWAYS_SIZE = 16 << 10 };

/* No more is read or sent, lest a peer hear an answer from a connection that has failed. */
static bool is_over(const struct ttrpc_conn *conn)
{
	return conn->state == CONN_CLOSED || conn->broken.is_set;
}

static bool may_read(const struct ttrpc_conn *conn)
{
	size_t unsent = frames_unsent(&conn->frames);

	return conn->state == CONN_OPEN && !is_over(conn) &&
	       unsent <= conn->server->config.max_unsent &&
	       (unsent <= ALWAYS_SIZE || !budget_is_over(&conn->budget));
}

static void charge_frames(struct ttrpc_conn *conn)
{
	budget_recharge(&conn->budget, &conn->frames_charged, frames_memory(&conn->frames));
}

static void fail_later(struct ttrpc_conn *conn)
{
	if (conn->state != CONN_CLOSED)
		deadlines_set(&conn->server->deadlines, &conn->broken, 0);
}

static void pass_flush_mark(struct ttrpc_conn *conn)
{
	struct ttrpc_server *server = conn->server;

	conn->flush_mark = 0;
	if (--server->n_unflushed == 0 && server->flushed_fn)
		deadlines_set(&server->deadlines, &server->flushed, 0);
}

static void update_events(struct ttrpc_conn *conn)
{
	/* EPOLLPRI never comes on these sockets: it keeps them in the set for their hang-up. */
	uint32_t events = EPOLLPRI;

	if (conn->state == CONN_CLOSED)
		return;
	if (may_read(conn))
		events |= EPOLLIN;
	if (frames_unsent(&conn->frames) || conn->is_stalled)
		events |= EPOLLOUT;
	if (source_set_events(conn->io, events) < 0)
		fail_later(conn);
	if (!conn->trim.is_set && frames_has_memory(&conn->frames))
		deadlines_set(
			&conn->server->deadlines, &conn->trim, clock_now_ns() + TRIM_AFTER_NS);
}

static void flush(struct ttrpc_conn *conn)
{
	if (is_over(conn))
		return;
	if (frames_flush(&conn->frames) < 0 ||
		(conn->state == CONN_ENDING && !frames_unsent(&conn->frames)))
		fail_later(conn);
	charge_frames(conn);
	if (conn->flush_mark && conn->frames.n_sent >= conn->flush_mark)
		pass_flush_mark(conn);
}

void ttrpc_conn_kick(struct ttrpc_conn *conn)
{
	if (conn->is_busy || conn->state == CONN_CLOSED)
		return;
	flush(conn);
	update_events(conn);
}

static int queue_response(struct ttrpc_conn *conn, uint32_t stream, uint8_t status,
	const char *text, const ProtobufCMessage *body)
{
	Ttrpc__Response response = TTRPC__RESPONSE__INIT;
	Ttrpc__Status st = TTRPC__STATUS__INIT;
	struct frames *frames = &conn->frames;
	int r = frames_begin(frames);

	response.status = &st;
	if (status != WIRE_OK) {
		MESSAGE_SET(&st, code, status);
		/* protobuf-c takes what it encodes by pointers to what may be changed. */
		st.message = message_text(text);
	}
	if (r == 0)
		r = message_encode(&response.base, &frames->out);
	if (r == 0 && body)
		r = message_encode_field(RESPONSE_PAYLOAD, body, &frames->out);
	if (r == 0)
		return frames_end(frames, stream, TTRPC_RESPONSE);
	frames_abort(frames);
	return r;
}

static struct ttrpc_conn *find_largest(struct ttrpc_server *server)
{
	struct ttrpc_conn *largest = NULL;

	LIST_FOREACH (conn, &server->conns, struct ttrpc_conn, link)
		if (!is_over(conn) && (!largest || conn->budget.used > largest->budget.used))
			largest = conn;
	return largest;
}

static bool has_too_much(const struct ttrpc_conn *conn)
{
	return frames_unsent(&conn->frames) > ALWAYS_SIZE && budget_is_over(&conn->budget);
}

/*
 * Replies to calls in flight cannot be refused. Where they find no memory left, it is taken from
 * whoever has most. Where small ones are given at once it is enough to stop reading: may_read().
 */
static void make_room(struct ttrpc_conn *conn, size_t reply_size)
{
	struct ttrpc_conn *largest;

	charge_frames(conn);
	if (conn->is_busy && reply_size <= ALWAYS_SIZE)
		return;
	/* A peer that reads needs none for long. */
	if (has_too_much(conn))
		flush(conn);
	if (!has_too_much(conn))
		return;
	largest = find_largest(conn->server);
	if (largest)
		fail_later(largest);
}

void ttrpc_conn_respond(struct ttrpc_conn *conn, uint32_t stream, uint8_t status, const char *text,
	const ProtobufCMessage *body)
{
	size_t before, size;
	int r;

	if (is_over(conn))
		return;
	before = frames_unsent(&conn->frames);
	r = queue_response(conn, stream, status, text, body);
	if (r == -EMSGSIZE)
		r = queue_response(conn, stream, WIRE_INVALID_ARGUMENT,
			"the response is larger than a message may be", NULL);
	size = frames_unsent(&conn->frames) - before;
	ttrpc_conn_kick(conn);
	make_room(conn, size);
	/* A peer that would wait for ever for this answer is better off without us. */
	if (r < 0 || frames_unsent(&conn->frames) >
			     2 * conn->server->config.max_unsent + TTRPC_MAX_PAYLOAD)
		fail_later(conn);
}

static void handle_frame(struct ttrpc_conn *conn, enum frame_kind kind,
	const struct ttrpc_header *h, struct slice payload)
{
	if (h->type != TTRPC_REQUEST && h->type != TTRPC_DATA) {
		log_printf(LOG_DEBUG, "ttrpc", "frame of type %u ignored", h->type);
		return;
	}
	if (kind == FRAME_TOO_LARGE)
		ttrpc_conn_respond(conn, h->stream, WIRE_INVALID_ARGUMENT,
			"message is larger than 4194304 bytes", NULL);
	else if (h->type == TTRPC_DATA)
		ttrpc_conn_respond(conn, h->stream, WIRE_INVALID_ARGUMENT, "no such stream", NULL);
	else if (h->stream % 2 == 0)
		ttrpc_conn_respond(
			conn, h->stream, WIRE_INVALID_ARGUMENT, "stream id must be odd", NULL);
	else
		ttrpc_call_start(conn, h->stream, payload);
}

/* Handles what has arrived; false if the peer has to read first, or is gone. */
static bool handle_frames(struct ttrpc_conn *conn)
{
	struct ttrpc_header h;
	struct slice payload;
	enum frame_kind kind;

	while (conn->state == CONN_OPEN) {
		if (!may_read(conn))
			flush(conn);
		conn->is_stalled = !may_read(conn);
		if (conn->is_stalled)
			return false;
		kind = frames_next(&conn->frames, &h, &payload);
		if (kind == FRAME_NONE)
			return true;
		handle_frame(conn, kind, &h, payload);
	}
	return false;
}

/* A large frame that is still arriving when there is no memory left is one that others miss. */
static void refuse_large_frame(struct ttrpc_conn *conn)
{
	struct ttrpc_header h;

	if (budget_is_over(&conn->budget) && frames_refuse(&conn->frames, ALWAYS_SIZE, &h))
		ttrpc_conn_respond(conn, h.stream, WIRE_RESOURCE_EXHAUSTED,
			"the message needs more memory than a peer may use", NULL);
}

/* 0: nothing more for now. -EPIPE: the peer sends no more. */
static int read_frames(struct ttrpc_conn *conn)
{
	for (int i = 0; i < FILLS_PER_ROUND && handle_frames(conn); i++) {
		int r;

		refuse_large_frame(conn);
		r = frames_fill(&conn->frames);
		charge_frames(conn);
		if (r <= 0)
			return r == -EAGAIN ? 0 : r == 0 ? -EPIPE : r;
	}
	/* What the last fill brought must not wait for more. */
	handle_frames(conn);
	return 0;
}

/* The peer sends no more. As for upstream it has left, but it gets what was answered. */
static void end_input(struct ttrpc_conn *conn)
{
	conn->state = CONN_ENDING;
	conn->is_stalled = false;
	ttrpc_call_cancel_all(conn);
}

static void on_io(void *data, int fd, uint32_t events)
{
	struct ttrpc_conn *conn = data;
	int r = 0;

	(void)fd;
	conn->refs++;
	conn->is_busy = true;
	flush(conn);
	if (may_read(conn))
		r = read_frames(conn);
	else if (events & (EPOLLHUP | EPOLLERR))
		r = -ECONNRESET;
	if (r == -EPIPE && conn->state == CONN_OPEN)
		end_input(conn);
	else if (r < 0)
		ttrpc_conn_close(conn);
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it is held by the reference taken above */
	conn->is_busy = false;
	ttrpc_conn_kick(conn);
	ttrpc_conn_unref(conn);
}

static void fire_broken(struct deadline *deadline)
{
	ttrpc_conn_close(container_of(deadline, struct ttrpc_conn, broken));
}

static void fire_trim(struct deadline *deadline)
{
	struct ttrpc_conn *conn = container_of(deadline, struct ttrpc_conn, trim);

	frames_trim(&conn->frames);
	charge_frames(conn);
}

int ttrpc_conn_new(struct ttrpc_server *server, int fd)
{
	struct ttrpc_conn *conn = calloc(1, sizeof(*conn));
	int r;

	if (!conn) {
		close_fd(fd);
		return -ENOMEM;
	}
	*conn = (struct ttrpc_conn){.server = server,
		.refs = 1,
		.budget = {.limit = server->config.connection_budget,
			.reserve = server->config.connection_reserve,
			.parent = &server->budget},
		.broken.fire = fire_broken,
		.trim.fire = fire_trim};
	frames_init(&conn->frames, fd);
	list_init(&conn->calls);
	list_init(&conn->cancelled);
	r = io_set_nonblock(fd, true);
	if (r == 0)
		r = loop_add_io(server->loop, fd, EPOLLIN | EPOLLPRI, on_io, conn, &conn->io);
	if (r < 0) {
		frames_fini(&conn->frames);
		free(conn);
		return r;
	}
	list_add(&server->conns, &conn->link);
	server->n_conns++;
	return 0;
}

void ttrpc_conn_close(struct ttrpc_conn *conn)
{
	if (conn->state == CONN_CLOSED)
		return;
	conn->state = CONN_CLOSED;
	deadlines_clear(&conn->server->deadlines, &conn->broken);
	deadlines_clear(&conn->server->deadlines, &conn->trim);
	source_free(take_ptr(&conn->io));
	frames_fini(&conn->frames);
	charge_frames(conn);
	if (conn->flush_mark)
		pass_flush_mark(conn);
	ttrpc_call_cancel_all(conn);
	ttrpc_conn_unref(conn);
}

void ttrpc_conn_unref(struct ttrpc_conn *conn)
{
	if (--conn->refs > 0)
		return;
	if (conn->server) {
		list_remove(&conn->link);
		conn->server->n_conns--;
	}
	free(conn);
}
