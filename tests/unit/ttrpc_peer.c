/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ttrpc_peer.h"

#include <stdio.h>
#include <sys/socket.h>

#include "loop_until.h"
#include "wire/dial.h"

enum { MAX_PARKED = 20000 };

static void handle_check(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	Grpc__HealthCheckResponse reply = GRPC__HEALTH_CHECK_RESPONSE__INIT;
	struct fixture *f = user;
	const char *value = ttrpc_call_metadata(call, "traceparent");

	(void)request;
	snprintf(f->metadata, sizeof(f->metadata), "%s", value ? value : "(none)");
	f->n_handled++;
	MESSAGE_SET(&reply, status, GRPC__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING);
	if (f->frees_server) {
		ttrpc_server_free(f->server);
		f->server = NULL;
	}
	ttrpc_call_reply(call, &reply.base);
}

static void handle_destroy(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	(void)request;
	(void)user;
	ttrpc_call_reply(call, NULL);
}

static void handle_metrics(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	Grpc__Metrics reply = GRPC__METRICS__INIT;
	struct fixture *f = user;
	char *text = calloc(1, f->reply_size + 1);

	(void)request;
	assert_non_null(text);
	memset(text, 'm', f->reply_size);
	f->n_handled++;
	reply.metrics = text;
	ttrpc_call_reply(call, &reply.base);
	free(text);
}

void on_cancel(void *data)
{
	struct fixture *f = data;

	f->n_cancelled++;
}

struct parked {
	struct fixture *f;
	struct ttrpc_call *call;
};

static void drop_on_cancel(void *data)
{
	struct parked *p = data;

	p->f->n_cancelled++;
	ttrpc_call_drop(p->call);
	free(p);
}

static void handle_wait(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	struct fixture *f = user;

	(void)request;
	assert_true(f->n_parked < MAX_PARKED);
	if (f->drops_on_cancel) {
		struct parked *p = malloc(sizeof(*p));

		assert_non_null(p);
		*p = (struct parked){f, call};
		ttrpc_call_on_cancel(call, drop_on_cancel, p);
		f->n_parked++;
		return;
	}
	ttrpc_call_on_cancel(call, on_cancel, f);
	f->parked[f->n_parked++] = call;
}

static void handle_write(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	Grpc__WriteStreamResponse reply = GRPC__WRITE_STREAM_RESPONSE__INIT;

	(void)user;
	MESSAGE_SET(&reply, len, (uint32_t)((const Grpc__WriteStreamRequest *)request)->data.len);
	ttrpc_call_reply(call, &reply.base);
}

static const struct ttrpc_method methods[] = {
	{"grpc.Health", "Check", &grpc__check_request__descriptor, handle_check},
	{"grpc.AgentService", "WaitProcess", &grpc__wait_process_request__descriptor, handle_wait},
	{"grpc.AgentService", "WriteStdin", &grpc__write_stream_request__descriptor, handle_write},
	{"grpc.AgentService", "GetMetrics", &grpc__get_metrics_request__descriptor, handle_metrics},
	{"grpc.AgentService", "DestroySandbox", &grpc__destroy_sandbox_request__descriptor,
		handle_destroy},
	{"grpc.AgentService", "SetPolicy", &grpc__set_policy_request__descriptor, NULL},
	{"grpc.AgentService", "CreateContainer", &grpc__create_container_request__descriptor,
		handle_wait},
};

void fill_methods(struct ttrpc_server_config *config, struct fixture *f)
{
	config->methods = methods;
	config->n_methods = ARRAY_SIZE(methods);
	config->user = f;
}

void start(struct fixture *f, struct ttrpc_server_config config)
{
	int fds[2];

	fill_methods(&config, f);
	if (!config.unknown_service_status)
		config.unknown_service_status = WIRE_INVALID_ARGUMENT;
	assert_int_equal(ttrpc_server_new(f->loop, -1, &config, &f->server), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	frames_init(&f->peer, fds[1]);
	f->peer_open = true;
	assert_int_equal(ttrpc_server_add(f->server, fds[0]), 0);
}

void start_listening(struct fixture *f, struct sockaddr_un *ret_address, socklen_t *ret_len)
{
	struct ttrpc_server_config config = {0};
	struct sockaddr_un own;
	socklen_t len = sizeof(own);
	char address[64];
	int listen_fd, fd;

	fill_methods(&config, f);
	snprintf(address, sizeof(address), "unix://@test_ttrpc.%d", (int)getpid());
	listen_fd = dial_listen(address, NULL);
	assert_true(listen_fd >= 0);
	assert_int_equal(getsockname(listen_fd, (struct sockaddr *)&own, &len), 0);
	assert_int_equal(ttrpc_server_new(f->loop, listen_fd, &config, &f->server), 0);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&own, len), 0);
	frames_init(&f->peer, fd);
	f->peer_open = true;
	*ret_address = own;
	*ret_len = len;
}

int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	f->parked = calloc(MAX_PARKED, sizeof(*f->parked));
	assert_non_null(f->parked);
	return loop_new(&f->loop);
}

int set_up_started(void **state)
{
	assert_int_equal(set_up(state), 0);
	start(*state, (struct ttrpc_server_config){0});
	return 0;
}

void close_peer(struct fixture *f)
{
	if (f->peer_open)
		frames_fini(&f->peer);
	f->peer_open = false;
}

void drop_parked(struct fixture *f)
{
	for (size_t i = 0; i < f->n_parked && !f->drops_on_cancel; i++)
		if (f->parked[i])
			ttrpc_call_drop(f->parked[i]);
	f->n_parked = 0;
}

int tear_down(void **state)
{
	struct fixture *f = *state;

	ttrpc_server_free(f->server);
	drop_parked(f);
	close_peer(f);
	loop_free(f->loop);
	free(f->parked);
	free(f);
	return 0;
}

void run(struct fixture *f)
{
	assert_int_equal(loop_run_once(f->loop, 0), 0);
}

void run_until(struct fixture *f, const size_t *n, size_t want)
{
	loop_until(f->loop, *n >= want);
}

void send_bytes(struct fixture *f, const void *p, size_t len)
{
	const uint8_t *at = p;

	if (f->holds_back) {
		assert_int_equal(buf_append(&f->held, p, len), 0);
		return;
	}
	while (len) {
		ssize_t n = send(f->peer.fd, at, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			run(f);
			continue;
		}
		at += n;
		len -= (size_t)n;
	}
}

void send_held(struct fixture *f)
{
	f->holds_back = false;
	send_bytes(f, buf_slice(&f->held).p, buf_len(&f->held));
	buf_fini(&f->held);
}

void send_header(struct fixture *f, uint32_t len, uint32_t stream, uint8_t type)
{
	const struct ttrpc_header h = {.len = len, .stream = stream, .type = type};
	uint8_t bytes[TTRPC_HEADER_SIZE];

	ttrpc_header_encode(&h, bytes);
	send_bytes(f, bytes, sizeof(bytes));
}

void send_frame(struct fixture *f, uint32_t stream, uint8_t type, struct slice payload)
{
	send_header(f, (uint32_t)payload.len, stream, type);
	send_bytes(f, payload.p, payload.len);
}

void send_request(struct fixture *f, uint32_t stream, struct request r)
{
	Ttrpc__Request request = TTRPC__REQUEST__INIT;
	Ttrpc__KeyValue pairs[4], *list[4];
	auto_buf struct buf b = BUF_INIT;

	request.service = message_text(r.service);
	request.method = message_text(r.method);
	request.has_payload = r.payload.len > 0;
	request.payload = (ProtobufCBinaryData){r.payload.len, (uint8_t *)(uintptr_t)r.payload.p};
	request.has_timeout_nano = r.timeout_ns != 0;
	request.timeout_nano = r.timeout_ns;
	request.metadata = list;
	for (; r.metadata && r.metadata[0]; r.metadata += 2) {
		Ttrpc__KeyValue *pair = &pairs[request.n_metadata];

		ttrpc__key_value__init(pair);
		pair->key = message_text(r.metadata[0]);
		pair->value = message_text(r.metadata[1]);
		list[request.n_metadata++] = pair;
	}
	assert_int_equal(message_encode(&request.base, &b), 0);
	send_frame(f, stream, TTRPC_REQUEST, buf_slice(&b));
}

const struct request check = {.service = "grpc.Health", .method = "Check"};
const struct request wait_process = {.service = "grpc.AgentService", .method = "WaitProcess"};
const struct request metrics = {.service = "grpc.AgentService", .method = "GetMetrics"};

static void keep_response(struct fixture *f, const struct ttrpc_header *h, struct slice payload)
{
	ProtobufCMessage *msg;
	const Ttrpc__Response *response;

	assert_int_equal(h->type, TTRPC_RESPONSE);
	assert_int_equal(h->flags, 0);
	assert_int_equal(
		message_decode(&ttrpc__response__descriptor, payload, NULL, &msg, NULL), 0);
	response = (const Ttrpc__Response *)msg;
	f->stream = h->stream;
	f->has_status = response->status != NULL;
	f->status = response->status ? response->status->code : 0;
	snprintf(f->text, sizeof(f->text), "%s",
		response->status && response->status->message ? response->status->message : "");
	f->payload_len = response->payload.len;
	message_free(msg, NULL);
}

bool next_response(struct fixture *f)
{
	int64_t give_up_ns = clock_now_ns() + 10 * NS_PER_S;
	struct ttrpc_header h;
	struct slice payload;

	while (frames_next(&f->peer, &h, &payload) == FRAME_NONE) {
		int n;

		run(f);
		n = frames_fill(&f->peer);
		if (n == 0 || n == -ECONNRESET)
			return false;
		assert_true(n > 0 || n == -EAGAIN);
		assert_true(clock_now_ns() < give_up_ns);
	}
	keep_response(f, &h, payload);
	return true;
}

void expect_response(struct fixture *f, uint32_t stream, int32_t status, const char *text)
{
	assert_true(next_response(f));
	assert_int_equal(f->stream, stream);
	if (f->status != status || strcmp(f->text, text) != 0)
		fail_msg("got %d \"%s\", not %d \"%s\"", f->status, f->text, status, text);
}

void expect_alive(struct fixture *f, uint32_t stream)
{
	send_request(f, stream, check);
	expect_response(f, stream, WIRE_OK, "");
	assert_int_equal(f->payload_len, 2);
}
