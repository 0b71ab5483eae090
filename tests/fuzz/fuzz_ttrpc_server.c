/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server with a peer that sends the input. The first byte says how: bit 0, as it is, or cut into
 * requests (a method, a length and a payload each) so that handlers are reached; the rest, in how
 * many pieces. Every answer must be a whole, decodable response, and nothing may be left.
 */
#include <sys/socket.h>

#include "agent.pb-c.h"
#include "health.pb-c.h"
#include "ttrpc.pb-c.h"
#include "wire/frames.h"
#include "wire/message.h"
#include "wire/ttrpc_server.h"

enum { MAX_PARKED = 64 };

static struct ttrpc_call *parked[MAX_PARKED];
static size_t n_parked;

static void handle_now(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	(void)user;
	/* Any message is a reply: here its own request. */
	(void)ttrpc_call_metadata(call, "traceparent");
	ttrpc_call_reply(call, request);
}

static void handle_later(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	struct err err = ERR_INIT;

	(void)request;
	(void)user;
	if (n_parked < MAX_PARKED) {
		parked[n_parked++] = call;
		return;
	}
	err_set(&err, EBUSY, "enough");
	ttrpc_call_fail(call, &err);
}

static const struct ttrpc_method methods[] = {
	{"grpc.Health", "Check", &grpc__check_request__descriptor, handle_now},
	{"grpc.AgentService", "CreateContainer", &grpc__create_container_request__descriptor,
		handle_now},
	{"grpc.AgentService", "WaitProcess", &grpc__wait_process_request__descriptor, handle_later},
	{"grpc.AgentService", "WriteStdin", &grpc__write_stream_request__descriptor, handle_now},
	{"grpc.AgentService", "SetPolicy", &grpc__set_policy_request__descriptor, NULL},
};

/* Every second parked call is answered, from outside of the loop. */
static void answer_some(void)
{
	for (size_t i = 0; i < n_parked; i += 2)
		if (parked[i]) {
			ttrpc_call_reply(parked[i], NULL);
			parked[i] = NULL;
		}
}

static void drop_all(void)
{
	for (size_t i = 0; i < n_parked; i++)
		if (parked[i])
			ttrpc_call_drop(parked[i]);
	n_parked = 0;
}

static void check_response(const struct ttrpc_header *h, struct slice payload)
{
	ProtobufCMessage *msg;

	if (h->type != TTRPC_RESPONSE || h->flags ||
		message_decode(&ttrpc__response__descriptor, payload, NULL, &msg, NULL) < 0 ||
		!((const Ttrpc__Response *)msg)->status)
		abort();
	message_free(msg, NULL);
}

/* A round of the loop, and all answers; false when the server has hung up. */
static bool run(struct loop *loop, struct frames *peer)
{
	struct ttrpc_header h;
	struct slice payload;
	int r;

	if (loop_run_once(loop, 0) < 0)
		abort();
	do {
		while (frames_next(peer, &h, &payload) != FRAME_NONE)
			check_response(&h, payload);
		r = frames_fill(peer);
	} while (r > 0);
	return r == -EAGAIN;
}

static void send_pieces(struct loop *loop, struct frames *peer, struct slice bytes, size_t piece)
{
	while (bytes.len) {
		size_t want = bytes.len < piece ? bytes.len : piece;
		ssize_t n = send(peer->fd, bytes.p, want, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			return;
		if (n > 0)
			bytes = slice_of(bytes.p + n, bytes.len - (size_t)n);
		if (!run(loop, peer))
			return;
		answer_some();
	}
}

/* [method][length][payload]...: each becomes a frame. */
static void make_requests(struct slice in, struct buf *out)
{
	for (uint32_t stream = 1; in.len >= 2; stream += 2) {
		const struct ttrpc_method *method = &methods[in.p[0] % ARRAY_SIZE(methods)];
		size_t len = in.p[1] < in.len - 2 ? in.p[1] : in.len - 2;
		Ttrpc__Request request = TTRPC__REQUEST__INIT;
		auto_buf struct buf payload = BUF_INIT;
		uint8_t header[TTRPC_HEADER_SIZE];
		struct ttrpc_header h = {.stream = stream, .type = TTRPC_REQUEST};

		request.service = message_text(method->service);
		request.method = message_text(method->method);
		MESSAGE_SET(&request, timeout_nano, in.p[0] > 128 ? 1 : 0);
		request.has_payload = 1;
		request.payload = (ProtobufCBinaryData){len, (uint8_t *)(uintptr_t)in.p + 2};
		if (message_encode(&request.base, &payload) < 0)
			abort();
		h.len = (uint32_t)buf_len(&payload);
		ttrpc_header_encode(&h, header);
		if (buf_append(out, header, sizeof(header)) < 0 ||
			buf_append(out, buf_slice(&payload).p, buf_len(&payload)) < 0)
			abort();
		in = slice_of(in.p + 2 + len, in.len - 2 - len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ttrpc_server_config config = {.methods = methods,
		.n_methods = ARRAY_SIZE(methods),
		.unknown_service_status = 3,
		.max_calls = 8,
		.max_unsent = 512,
		.call_budget = 64 << 10,
		.connection_budget = 128 << 10};
	auto_buf struct buf requests = BUF_INIT;
	struct ttrpc_server *server;
	struct frames peer;
	struct slice bytes;
	struct loop *loop;
	int fds[2];

	if (size == 0)
		return 0;
	bytes = slice_of(data + 1, size - 1);
	if (data[0] & 1) {
		make_requests(bytes, &requests);
		bytes = buf_slice(&requests);
	}
	if (loop_new(&loop) < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 ||
		ttrpc_server_new(loop, -1, &config, &server) < 0 ||
		ttrpc_server_add(server, fds[0]) < 0)
		abort();
	frames_init(&peer, fds[1]);
	send_pieces(loop, &peer, bytes, bytes.len / (1 + data[0] / 8) + 1);
	frames_fini(&peer);
	for (int i = 0; i < 3; i++)
		if (loop_run_once(loop, 0) < 0)
			abort();
	drop_all();
	if (!ttrpc_server_is_idle(server))
		abort();
	ttrpc_server_free(server);
	loop_free(loop);
	return 0;
}
