/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every callback runs from the loop with the client not in use above it, or with is_busy set; it
 * may free the client, which is then put off until is_busy ends.
 */
#include "wire/ttrpc_client.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/list.h"
#include "base/utf8.h"
#include "ttrpc.pb-c.h"
#include "wire/deadlines.h"
#include "wire/frames.h"
#include "wire/message.h"
#include "wire/status.h"

/* What a decoded reply may take, as a multiple of its greatest size on the wire. */
enum { FILLS_PER_ROUND = 16, BUDGET_FACTOR = 4 };
/* ttrpc.Request.payload, ttrpc.Response.payload */
enum { REQUEST_PAYLOAD = 3, RESPONSE_PAYLOAD = 2 };

struct ttrpc_pending {
	struct list link; /* in client->pending */
	struct ttrpc_client *client;
	uint32_t stream;
	const ProtobufCMessageDescriptor *reply_desc; /* borrowed; NULL: not decoded */
	ttrpc_reply_fn *fn;			      /* NULL: has been called, or must not be */
	void *data;
	int64_t timeout_ns;
	struct deadline deadline;
	char name[]; /* "service/method" */
};

struct ttrpc_client {
	struct loop *loop; /* borrowed */
	struct frames frames;
	struct source *io; /* owned */
	ttrpc_closed_fn *closed;
	void *data;
	struct list pending; /* struct ttrpc_pending */
	uint32_t next_stream;
	bool has_wrapped;   /* any odd stream id may have been used */
	size_t n_abandoned; /* calls given up whose replies may still come */
	struct deadlines deadlines;
	struct deadline broken; /* set: the loop is to close it, because of broken_code */
	int broken_code;
	bool is_busy, is_closed, is_freed;
};

static void release(struct ttrpc_client *client)
{
	deadlines_clear(&client->deadlines, &client->broken);
	deadlines_fini(&client->deadlines);
	free(client);
}

static void disconnect(struct ttrpc_client *client)
{
	if (client->is_closed)
		return;
	client->is_closed = true;
	deadlines_clear(&client->deadlines, &client->broken);
	source_free(take_ptr(&client->io));
	frames_fini(&client->frames);
}

static void pending_unlink(struct ttrpc_pending *pending)
{
	deadlines_clear(&pending->client->deadlines, &pending->deadline);
	list_remove(&pending->link);
}

/* The callback may free the client. */
static void pending_finish(
	struct ttrpc_pending *pending, const ProtobufCMessage *reply, const struct err *err)
{
	ttrpc_reply_fn *fn = pending->fn;

	pending_unlink(pending);
	pending->fn = NULL;
	fn(pending->data, reply, err);
	free(pending);
}

/* Fails every call, then says so. is_busy must be set. */
static void close_because(struct ttrpc_client *client, const struct err *why)
{
	if (client->is_closed)
		return;
	disconnect(client);
	while (!list_is_empty(&client->pending))
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what it frees has left the list */
		pending_finish(
			container_of(client->pending.next, struct ttrpc_pending, link), NULL, why);
	if (client->closed && !client->is_freed)
		client->closed(client->data, why);
}

static void fail_later(struct ttrpc_client *client, int code)
{
	client->broken_code = code;
	deadlines_set(&client->deadlines, &client->broken, 0);
}

static void leave_busy(struct ttrpc_client *client)
{
	client->is_busy = false;
	if (client->is_freed)
		release(client);
}

static void fire_broken(struct deadline *deadline)
{
	struct ttrpc_client *client = container_of(deadline, struct ttrpc_client, broken);
	struct err err = ERR_INIT;

	err_set(&err, ECONNRESET, "connection lost: %s", strerror(client->broken_code));
	client->is_busy = true;
	close_because(client, &err);
	leave_busy(client);
}

static void flush(struct ttrpc_client *client)
{
	uint32_t events = EPOLLIN;
	int r;

	if (client->is_closed)
		return;
	r = frames_flush(&client->frames);
	if (frames_unsent(&client->frames))
		events |= EPOLLOUT;
	frames_trim(&client->frames);
	if (r == 0)
		r = source_set_events(client->io, events);
	if (r < 0)
		fail_later(client, -r);
}

static void fire_timeout(struct deadline *deadline)
{
	struct ttrpc_pending *pending = container_of(deadline, struct ttrpc_pending, deadline);
	struct err err = ERR_INIT;

	err_set(&err, ETIMEDOUT, "%s: no answer within %lld ms", pending->name,
		(long long)(pending->timeout_ns / NS_PER_MS));
	pending->client->n_abandoned++;
	pending_finish(pending, NULL, &err);
}

static struct ttrpc_pending *find_pending(struct ttrpc_client *client, uint32_t stream)
{
	LIST_FOREACH (pending, &client->pending, struct ttrpc_pending, link)
		if (pending->stream == stream)
			return pending;
	return NULL;
}

/* Hands the reply to its caller. An error is the connection's: the call is still pending then. */
static int finish_with(struct ttrpc_pending *pending, const Ttrpc__Status *status,
	struct slice payload, struct message_budget *budget, struct err *err)
{
	struct err failure = ERR_INIT;
	ProtobufCMessage *reply = NULL;
	int r;

	if (status && status->code != WIRE_OK) {
		bool known = status->code > 0 && status->code < WIRE_STATUS_COUNT;

		err_status(&failure, wire_status_errno(status->code),
			known ? (uint8_t)status->code : WIRE_UNKNOWN, "%s",
			status->message && status->message[0] ? status->message
							      : wire_status_name(status->code));
		utf8_make_printable(failure.msg);
		pending_finish(pending, NULL, &failure);
		return 0;
	}
	if (pending->reply_desc) {
		r = message_decode(pending->reply_desc, payload, budget, &reply, err);
		if (r < 0)
			return r;
	}
	pending_finish(pending, reply, NULL);
	message_free(reply, budget);
	return 0;
}

static int handle_response(struct ttrpc_client *client, const struct ttrpc_header *h,
	struct slice frame, struct err *err)
{
	struct ttrpc_pending *pending = find_pending(client, h->stream);
	struct message_budget budget = {.limit = BUDGET_FACTOR * (size_t)client->frames.max_in};
	ProtobufCMessage *response;
	struct slice payload;
	int r;

	if (!pending) {
		bool was_used = h->stream % 2 == 1 &&
				(client->has_wrapped || h->stream < client->next_stream);

		if (!was_used || client->n_abandoned == 0)
			return err_set(
				err, EPROTO, "reply to stream %u, which has no call", h->stream);
		client->n_abandoned--;
		return 0;
	}
	r = message_decode_envelope(&ttrpc__response__descriptor, frame, RESPONSE_PAYLOAD, &budget,
		&response, &payload, err);
	if (r < 0)
		return r;
	r = finish_with(
		pending, ((const Ttrpc__Response *)response)->status, payload, &budget, err);
	message_free(response, &budget);
	return r;
}

static int handle_frames(struct ttrpc_client *client, struct err *err)
{
	struct ttrpc_header h;
	struct slice payload;
	enum frame_kind kind;
	int r = 0;

	while (r == 0 && !client->is_closed) {
		kind = frames_next(&client->frames, &h, &payload);
		if (kind == FRAME_NONE)
			return 0;
		if (kind == FRAME_TOO_LARGE)
			r = err_set(err, EPROTO, "reply of %u bytes", h.len);
		else if (h.type != TTRPC_RESPONSE)
			r = err_set(err, EPROTO, "frame of type %u", h.type);
		else
			r = handle_response(client, &h, payload, err);
	}
	return r;
}

static int read_frames(struct ttrpc_client *client, struct err *err)
{
	for (int i = 0; i < FILLS_PER_ROUND && !client->is_closed; i++) {
		int r = frames_fill(&client->frames);

		if (r == -EAGAIN)
			return 0;
		if (r == 0)
			return err_set(err, ECONNRESET, "closed by the peer");
		if (r < 0)
			return err_sys(err, -r, "receive");
		r = handle_frames(client, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static void on_io(void *data, int fd, uint32_t events)
{
	struct ttrpc_client *client = data;
	struct err err = ERR_INIT;

	(void)fd;
	(void)events;
	client->is_busy = true;
	if (read_frames(client, &err) < 0) {
		err_wrap(&err, "connection lost");
		err.code = ECONNRESET;
		close_because(client, &err);
	}
	flush(client);
	leave_busy(client);
}

int ttrpc_client_new(
	struct loop *loop, int fd, ttrpc_closed_fn *closed, void *data, struct ttrpc_client **ret)
{
	struct ttrpc_client *client = calloc(1, sizeof(*client));
	int r;

	if (!client) {
		close_fd(fd);
		return -ENOMEM;
	}
	*client = (struct ttrpc_client){.loop = loop,
		.closed = closed,
		.data = data,
		.next_stream = 1,
		.broken.fire = fire_broken};
	frames_init(&client->frames, fd);
	list_init(&client->pending);
	r = io_set_nonblock(fd, true);
	if (r == 0)
		r = deadlines_init(&client->deadlines, loop);
	if (r == 0) {
		r = loop_add_io(loop, fd, EPOLLIN, on_io, client, &client->io);
		if (r < 0)
			deadlines_fini(&client->deadlines);
	}
	if (r < 0) {
		frames_fini(&client->frames);
		free(client);
		return r;
	}
	*ret = client;
	return 0;
}

void ttrpc_client_free(struct ttrpc_client *client)
{
	if (!client)
		return;
	disconnect(client);
	LIST_FOREACH_SAFE (pending, &client->pending, struct ttrpc_pending, link) {
		pending_unlink(pending);
		free(pending);
	}
	client->is_freed = true;
	if (!client->is_busy)
		release(client);
}

void ttrpc_client_limit_replies(struct ttrpc_client *client, uint32_t max_size)
{
	client->frames.max_in = max_size;
}

static uint32_t take_stream(struct ttrpc_client *client)
{
	uint32_t stream;

	/* After 2^31 calls the ids start over; only those in flight must not be met again. */
	do {
		stream = client->next_stream;
		client->next_stream += 2;
		client->has_wrapped |= client->next_stream < stream;
	} while (client->has_wrapped && find_pending(client, stream));
	return stream;
}

static int queue_request(struct ttrpc_client *client, const struct ttrpc_pending *pending,
	const char *service, const char *method, const ProtobufCMessage *message)
{
	Ttrpc__Request front = TTRPC__REQUEST__INIT, back = TTRPC__REQUEST__INIT;
	struct frames *frames = &client->frames;
	int r = frames_begin(frames);

	/* protobuf-c takes what it encodes by pointers to what may be changed. */
	front.service = message_text(service);
	front.method = message_text(method);
	if (pending->timeout_ns > 0)
		MESSAGE_SET(&back, timeout_nano, pending->timeout_ns);
	if (r == 0)
		r = message_encode(&front.base, &frames->out);
	if (r == 0)
		r = message_encode_field(REQUEST_PAYLOAD, message, &frames->out);
	if (r == 0)
		r = message_encode(&back.base, &frames->out);
	if (r == 0)
		return frames_end(frames, pending->stream, TTRPC_REQUEST);
	frames_abort(frames);
	return r;
}

int ttrpc_client_call(struct ttrpc_client *client, const char *service, const char *method,
	const ProtobufCMessage *request, int64_t timeout_ns,
	const ProtobufCMessageDescriptor *reply_desc, ttrpc_reply_fn *fn, void *data,
	struct ttrpc_pending **ret_pending)
{
	size_t name_size = strlen(service) + 1 + strlen(method) + 1;
	struct ttrpc_pending *pending;
	int64_t deadline_ns;
	int r;

	if (client->is_closed)
		return -ECONNRESET;
	pending = calloc(1, sizeof(*pending) + name_size);
	if (!pending)
		return -ENOMEM;
	*pending = (struct ttrpc_pending){.client = client,
		.stream = take_stream(client),
		.reply_desc = reply_desc,
		.fn = fn,
		.data = data,
		.timeout_ns = timeout_ns,
		.deadline.fire = fire_timeout};
	snprintf(pending->name, name_size, "%s/%s", service, method);
	r = queue_request(client, pending, service, method, request);
	if (r < 0) {
		free(pending);
		return r;
	}
	list_add(&client->pending, &pending->link);
	if (timeout_ns > 0 && !__builtin_add_overflow(clock_now_ns(), timeout_ns, &deadline_ns))
		deadlines_set(&client->deadlines, &pending->deadline, deadline_ns);
	if (!client->is_busy)
		flush(client);
	if (ret_pending)
		*ret_pending = pending;
	return 0;
}

void ttrpc_pending_cancel(struct ttrpc_pending *pending)
{
	/* NULL: its own callback is running and will free it. */
	if (!pending || !pending->fn)
		return;
	pending->client->n_abandoned++;
	pending_unlink(pending);
	free(pending);
}
