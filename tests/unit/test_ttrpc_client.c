/* SPDX-License-Identifier: Apache-2.0 */
/* The client with a server that is written by hand: for the shim this is a guest, and hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/socket.h>

#include "agent.pb-c.h"
#include "loop_until.h"
#include "ttrpc.pb-c.h"
#include "wire/frames.h"
#include "wire/message.h"
#include "wire/status.h"
#include "wire/ttrpc_client.h"

struct fixture {
	struct loop *loop;
	struct ttrpc_client *client;
	struct frames server; /* our end of the connection */
	bool server_open;
	size_t n_replies, n_failures, n_closed;
	int32_t exit_status;
	struct err last;
	bool frees_client, calls_again;
};

static void on_closed(void *data, const struct err *why)
{
	struct fixture *f = data;

	/* After every call has failed. */
	f->n_closed++;
	f->last = *why;
	if (f->frees_client) {
		ttrpc_client_free(f->client);
		f->client = NULL;
	}
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fds[2];

	*state = f;
	assert_int_equal(loop_new(&f->loop), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	frames_init(&f->server, fds[0]);
	f->server_open = true;
	assert_int_equal(ttrpc_client_new(f->loop, fds[1], on_closed, f, &f->client), 0);
	return 0;
}

static void close_server(struct fixture *f)
{
	if (f->server_open)
		frames_fini(&f->server);
	f->server_open = false;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	ttrpc_client_free(f->client);
	close_server(f);
	loop_free(f->loop);
	free(f);
	return 0;
}

static void run(struct fixture *f)
{
	assert_int_equal(loop_run_once(f->loop, 0), 0);
}

static int call(struct fixture *f, int64_t timeout_ns, struct ttrpc_pending **ret);

static void on_reply(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct fixture *f = data;

	assert_true((reply == NULL) == (err != NULL));
	if (err) {
		f->n_failures++;
		f->last = *err;
	} else {
		f->n_replies++;
		f->exit_status = ((const Grpc__WaitProcessResponse *)reply)->status;
	}
	if (f->calls_again) {
		f->calls_again = false;
		assert_int_equal(call(f, 0, NULL), 0);
	}
	if (f->frees_client) {
		ttrpc_client_free(f->client);
		f->client = NULL;
	}
}

static int call(struct fixture *f, int64_t timeout_ns, struct ttrpc_pending **ret)
{
	Grpc__WaitProcessRequest request = GRPC__WAIT_PROCESS_REQUEST__INIT;
	char id[] = "c1";

	request.container_id = id;
	return ttrpc_client_call(f->client, "grpc.AgentService", "WaitProcess", &request.base,
		timeout_ns, &grpc__wait_process_response__descriptor, on_reply, f, ret);
}

static void send_frame(struct fixture *f, uint32_t stream, uint8_t type, struct slice payload)
{
	const struct ttrpc_header h = {
		.len = (uint32_t)payload.len, .stream = stream, .type = type};
	uint8_t bytes[TTRPC_HEADER_SIZE];

	ttrpc_header_encode(&h, bytes);
	assert_int_equal(send(f->server.fd, bytes, sizeof(bytes), MSG_NOSIGNAL), sizeof(bytes));
	if (payload.len)
		assert_int_equal(
			send(f->server.fd, payload.p, payload.len, MSG_NOSIGNAL), payload.len);
}

/* Status OK and {status: exit_status}. */
static void send_exit(struct fixture *f, uint32_t stream, uint8_t exit_status)
{
	const uint8_t payload[] = {0x0a, 0, 0x12, 2, 8, exit_status};

	send_frame(f, stream, TTRPC_RESPONSE, slice_of(payload, sizeof(payload)));
}

static void send_status(struct fixture *f, uint32_t stream, int32_t code, const char *text)
{
	Ttrpc__Response response = TTRPC__RESPONSE__INIT;
	Ttrpc__Status status = TTRPC__STATUS__INIT;
	auto_buf struct buf b = BUF_INIT;

	response.status = &status;
	MESSAGE_SET(&status, code, code);
	status.message = message_text(text);
	assert_int_equal(message_encode(&response.base, &b), 0);
	send_frame(f, stream, TTRPC_RESPONSE, buf_slice(&b));
}

/* Takes a request off the wire; its bytes are checked elsewhere. */
static struct ttrpc_header receive_request(struct fixture *f)
{
	struct ttrpc_header h = {0};
	struct slice payload;

	while (frames_next(&f->server, &h, &payload) == FRAME_NONE) {
		run(f);
		assert_true(frames_fill(&f->server) != 0);
	}
	return h;
}

static void a_request_goes_out_as_the_protocol_says(void **state)
{
	struct fixture *f = *state;
	struct ttrpc_header h = {0};
	struct slice payload;
	ProtobufCMessage *msg;
	const Ttrpc__Request *request;

	assert_int_equal(call(f, 30 * NS_PER_S, NULL), 0);
	/* Sent at once: no turn of the loop is needed. */
	assert_true(frames_fill(&f->server) > 0);
	assert_int_equal(frames_next(&f->server, &h, &payload), FRAME_WHOLE);
	assert_int_equal(h.stream, 1);
	assert_int_equal(h.type, TTRPC_REQUEST);
	assert_int_equal(h.flags, 0);
	assert_int_equal(message_decode(&ttrpc__request__descriptor, payload, NULL, &msg, NULL), 0);
	request = (const Ttrpc__Request *)msg;
	assert_string_equal(request->service, "grpc.AgentService");
	assert_string_equal(request->method, "WaitProcess");
	assert_true(request->timeout_nano == 30 * NS_PER_S);
	assert_true(slice_equal(
		slice_of(request->payload.data, request->payload.len), slice_of("\x0a\2c1", 4)));
	message_free(msg, NULL);
	assert_int_equal(call(f, 0, NULL), 0);
	assert_int_equal(receive_request(f).stream, 3);
}

static void a_reply_reaches_its_call(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(call(f, 0, NULL), 0);
	assert_int_equal(call(f, 0, NULL), 0);
	send_exit(f, 3, 7);
	loop_until(f->loop, f->n_replies >= 1);
	assert_int_equal(f->exit_status, 7);
	/* Without a status it is a success as well. */
	send_frame(f, 1, TTRPC_RESPONSE, slice_of("\x12\2\x08\x09", 4));
	loop_until(f->loop, f->n_replies >= 2);
	assert_int_equal(f->exit_status, 9);
	assert_int_equal(f->n_failures, 0);
}

static void an_empty_response_is_an_empty_reply(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(call(f, 0, NULL), 0);
	send_frame(f, 1, TTRPC_RESPONSE, slice_of(NULL, 0));
	loop_until(f->loop, f->n_replies >= 1);
	assert_int_equal(f->exit_status, 0);
}

static void a_status_becomes_an_error(void **state)
{
	static const struct {
		int32_t sent;
		const char *text;
		int code;
		uint8_t status;
		const char *expected;
	} rows[] = {
		{WIRE_NOT_FOUND, "no such process", ENOENT, WIRE_NOT_FOUND, "no such process"},
		{WIRE_UNIMPLEMENTED, "X method", EOPNOTSUPP, WIRE_UNIMPLEMENTED, "X method"},
		{WIRE_DEADLINE_EXCEEDED, "timeout", ETIMEDOUT, WIRE_DEADLINE_EXCEEDED, "timeout"},
		{WIRE_INTERNAL, "", EIO, WIRE_INTERNAL, "INTERNAL"},
		{WIRE_INTERNAL, "100%s %n", EIO, WIRE_INTERNAL, "100%s %n"},
		{WIRE_INTERNAL, "\033[2J\r\nlevel=error", EIO, WIRE_INTERNAL, " [2J  level=error"},
		{17, "new", EIO, WIRE_UNKNOWN, "new"},
		{256, "as uint8_t this is 0", EIO, WIRE_UNKNOWN, "as uint8_t this is 0"},
		{-1, "", EIO, WIRE_UNKNOWN, "UNKNOWN"},
	};
	struct fixture *f = *state;

	for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(call(f, 0, NULL), 0);
		send_status(f, 2 * i + 1, rows[i].sent, rows[i].text);
		loop_until(f->loop, f->n_failures >= i + 1);
		assert_int_equal(f->last.code, rows[i].code);
		assert_int_equal(f->last.status, rows[i].status);
		assert_string_equal(f->last.msg, rows[i].expected);
	}
	assert_int_equal(f->n_closed, 0);
}

static void a_long_error_text_is_cut(void **state)
{
	struct fixture *f = *state;
	char text[3000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(call(f, 0, NULL), 0);
	send_status(f, 1, WIRE_INTERNAL, text);
	loop_until(f->loop, f->n_failures >= 1);
	assert_int_equal(strlen(f->last.msg), ERR_MSG_SIZE - 1);
}

/* What must end the connection. Every row is sent while the calls 1 and 3 wait. */
static void nonsense_closes_the_connection(void **state)
{
	static const struct {
		const char *what;
		struct ttrpc_header h;
		const char *payload;
		const char *text;
	} rows[] = {
		{"a stream that was never used", {2, 5, TTRPC_RESPONSE, 0}, "\x0a\0", "stream 5"},
		{"an even stream", {2, 2, TTRPC_RESPONSE, 0}, "\x0a\0", "stream 2"},
		{"stream 0", {2, 0, TTRPC_RESPONSE, 0}, "\x0a\0", "stream 0"},
		{"the last stream", {2, UINT32_MAX, TTRPC_RESPONSE, 0}, "\x0a\0",
			"stream 4294967295"},
		{"a request", {2, 1, TTRPC_REQUEST, 0}, "\x0a\0", "type 1"},
		{"data", {2, 1, TTRPC_DATA, 0}, "\x0a\0", "type 3"},
		{"no type", {2, 1, 0, 0}, "\x0a\0", "type 0"},
		{"another type", {2, 1, 255, 0}, "\x0a\0", "type 255"},
		{"4 MiB and a byte", {TTRPC_MAX_PAYLOAD + 1, 1, TTRPC_RESPONSE, 0}, "",
			"4194305 bytes"},
		{"4 GiB", {UINT32_MAX, 1, TTRPC_RESPONSE, 0}, "", "4294967295 bytes"},
		{"4 GiB of another type", {UINT32_MAX, 1, 7, 0}, "", "4294967295 bytes"},
		{"a bad response", {2, 1, TTRPC_RESPONSE, 0}, "\x0a\x05", "ttrpc.Response"},
		{"a bad payload", {4, 1, TTRPC_RESPONSE, 0}, "\x12\2\x0a\1", "WaitProcessResponse"},
		{"a NUL in the text", {6, 1, TTRPC_RESPONSE, 0}, "\x0a\4\x12\2a\0", "NUL"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fixture *f;
		uint8_t bytes[TTRPC_HEADER_SIZE + 8];
		size_t len = rows[i].payload[0] ? rows[i].h.len : 0;

		set_up(state);
		f = *state;
		assert_int_equal(call(f, 0, NULL), 0);
		assert_int_equal(call(f, 0, NULL), 0);
		ttrpc_header_encode(&rows[i].h, bytes);
		memcpy(bytes + TTRPC_HEADER_SIZE, rows[i].payload, len);
		assert_int_equal(send(f->server.fd, bytes, TTRPC_HEADER_SIZE + len, 0),
			TTRPC_HEADER_SIZE + len);
		loop_until(f->loop, f->n_closed >= 1);
		assert_int_equal(f->n_failures, 2);
		assert_int_equal(f->last.code, ECONNRESET);
		assert_int_equal(f->last.status, 0);
		if (!strstr(f->last.msg, rows[i].text))
			fail_msg("%s: %s", rows[i].what, f->last.msg);
		assert_int_equal(call(f, 0, NULL), -ECONNRESET);
		run(f);
		assert_int_equal(f->n_closed, 1);
		tear_down(state);
	}
}

static void a_second_reply_closes_the_connection(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(call(f, 0, NULL), 0);
	assert_int_equal(call(f, 0, NULL), 0);
	send_exit(f, 1, 1);
	send_exit(f, 1, 2);
	loop_until(f->loop, f->n_closed >= 1);
	assert_int_equal(f->n_replies, 1);
	assert_int_equal(f->n_failures, 1);
}

static void a_cancelled_call_is_answered_once_at_most(void **state)
{
	struct fixture *f = *state;
	struct ttrpc_pending *pending;

	assert_int_equal(call(f, 0, &pending), 0);
	ttrpc_pending_cancel(pending);
	ttrpc_pending_cancel(NULL);
	send_exit(f, 1, 1);
	for (int i = 0; i < 3; i++)
		run(f);
	assert_int_equal(f->n_closed, 0);
	assert_int_equal(f->n_replies + f->n_failures, 0);
	send_exit(f, 1, 1);
	loop_until(f->loop, f->n_closed >= 1);
}

static void silence_ends_with_the_timeout(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(call(f, 5 * NS_PER_MS, NULL), 0);
	assert_int_equal(call(f, 0, NULL), 0);
	loop_until(f->loop, f->n_failures >= 1);
	assert_int_equal(f->last.code, ETIMEDOUT);
	assert_int_equal(f->last.status, 0);
	assert_string_equal(f->last.msg, "grpc.AgentService/WaitProcess: no answer within 5 ms");
	/* Too late, and ignored; the other call goes on. */
	send_exit(f, 1, 1);
	send_exit(f, 3, 2);
	loop_until(f->loop, f->n_replies >= 1);
	assert_int_equal(f->exit_status, 2);
	assert_int_equal(f->n_closed, 0);
}

static void a_server_that_hangs_up_fails_every_call(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(call(f, 0, NULL), 0);
	assert_int_equal(call(f, NS_PER_S, NULL), 0);
	/* In the middle of a frame. */
	assert_int_equal(send(f->server.fd, "\0\0\0\x08\0\0", 6, 0), 6);
	close_server(f);
	loop_until(f->loop, f->n_closed >= 1);
	assert_int_equal(f->n_failures, 2);
	assert_int_equal(f->last.code, ECONNRESET);
}

static void a_call_into_a_dead_connection_fails_from_the_loop(void **state)
{
	struct fixture *f = *state;

	close_server(f);
	assert_int_equal(call(f, 0, NULL), 0);
	assert_int_equal(f->n_failures, 0);
	loop_until(f->loop, f->n_closed >= 1);
	assert_int_equal(f->n_failures, 1);
}

static void a_server_that_will_not_read_is_given_up(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(shutdown(f->server.fd, SHUT_RD), 0);
	assert_int_equal(call(f, 0, NULL), 0);
	assert_int_equal(f->n_failures, 0);
	loop_until(f->loop, f->n_closed >= 1);
	assert_int_equal(f->n_failures, 1);
	assert_string_equal(f->last.msg, "connection lost: Broken pipe");
}

static void a_server_that_does_not_read_blocks_nobody(void **state)
{
	Grpc__WriteStreamRequest request = GRPC__WRITE_STREAM_REQUEST__INIT;
	static uint8_t data[1 << 20];
	struct fixture *f = *state;

	request.has_data = 1;
	request.data = (ProtobufCBinaryData){sizeof(data), data};
	for (int i = 0; i < 4; i++)
		assert_int_equal(ttrpc_client_call(f->client, "grpc.AgentService", "WriteStdin",
					 &request.base, 0, &grpc__wait_process_response__descriptor,
					 on_reply, f, NULL),
			0);
	for (uint32_t i = 0; i < 4; i++) {
		struct ttrpc_header h = receive_request(f);

		assert_int_equal(h.stream, 2 * i + 1);
		assert_true(h.len > sizeof(data));
		send_exit(f, h.stream, 1);
	}
	loop_until(f->loop, f->n_replies >= 4);
}

static void a_request_over_the_limit_is_not_sent(void **state)
{
	Grpc__WriteStreamRequest request = GRPC__WRITE_STREAM_REQUEST__INIT;
	static uint8_t data[TTRPC_MAX_PAYLOAD];
	struct fixture *f = *state;

	request.has_data = 1;
	request.data = (ProtobufCBinaryData){sizeof(data), data};
	assert_int_equal(ttrpc_client_call(f->client, "grpc.AgentService", "WriteStdin",
				 &request.base, 0, NULL, on_reply, f, NULL),
		-EMSGSIZE);
	assert_int_equal(frames_fill(&f->server), -EAGAIN);
	assert_int_equal(call(f, 0, NULL), 0);
	send_exit(f, receive_request(f).stream, 1);
	loop_until(f->loop, f->n_replies >= 1);
}

static void a_callback_may_call_again(void **state)
{
	struct fixture *f = *state;

	f->calls_again = true;
	assert_int_equal(call(f, 0, NULL), 0);
	send_exit(f, 1, 1);
	loop_until(f->loop, f->n_replies >= 1);
	assert_int_equal(receive_request(f).stream, 1);
	assert_int_equal(receive_request(f).stream, 3);
	send_exit(f, 3, 2);
	loop_until(f->loop, f->n_replies >= 2);
}

static void a_callback_may_free_the_client(void **state)
{
	struct fixture *f = *state;

	f->frees_client = true;
	assert_int_equal(call(f, 0, NULL), 0);
	assert_int_equal(call(f, 0, NULL), 0);
	send_exit(f, 1, 1);
	send_exit(f, 3, 1);
	loop_until(f->loop, f->n_replies >= 1);
	run(f);
	assert_null(f->client);
	assert_int_equal(f->n_replies, 1);
	assert_int_equal(f->n_closed, 0);
}

static void a_timeout_may_free_the_client(void **state)
{
	struct fixture *f = *state;

	f->frees_client = true;
	assert_int_equal(call(f, NS_PER_MS, NULL), 0);
	assert_int_equal(call(f, NS_PER_MS, NULL), 0);
	loop_until(f->loop, f->n_failures >= 1);
	run(f);
	assert_null(f->client);
	assert_int_equal(f->n_failures, 1);
}

static void the_loss_may_free_the_client(void **state)
{
	struct fixture *f = *state;

	f->frees_client = true;
	assert_int_equal(call(f, 0, NULL), 0);
	assert_int_equal(call(f, 0, NULL), 0);
	close_server(f);
	loop_until(f->loop, f->n_failures >= 1);
	run(f);
	assert_null(f->client);
	assert_int_equal(f->n_failures, 1);
	assert_int_equal(f->n_closed, 0);
}

static void the_closed_callback_may_free_the_client(void **state)
{
	struct fixture *f = *state;

	f->frees_client = true;
	close_server(f);
	loop_until(f->loop, f->n_closed >= 1);
	assert_null(f->client);
}

static void a_thousand_calls_are_answered_in_any_order(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 1000; i++)
		assert_int_equal(call(f, NS_PER_S * (60 + i % 7), NULL), 0);
	for (uint32_t i = 0; i < 1000; i++) {
		send_exit(f, 2 * (i * 7 % 1000) + 1, 1);
		if (i % 100 == 0)
			run(f);
	}
	loop_until(f->loop, f->n_replies >= 1000);
	assert_int_equal(f->n_failures, 0);
}

/* A reply whose decoding would take too much: a guest must not grow the shim. */
static void a_reply_over_the_budget_closes_the_connection(void **state)
{
	struct fixture *f = *state;
	auto_buf struct buf payload = BUF_INIT, b = BUF_INIT;
	Ttrpc__Response response = TTRPC__RESPONSE__INIT;
	Grpc__GetMetricsRequest request = GRPC__GET_METRICS_REQUEST__INIT;

	/* Within every limit: 4096 storages of 256 empty options each, a million strings. */
	for (int list = 0; list < 4096; list++) {
		assert_int_equal(buf_append(&payload, "\x0a\x80\x04", 3), 0);
		for (int i = 0; i < 256; i++)
			assert_int_equal(buf_append(&payload, "\x2a\0", 2), 0);
	}
	response.has_payload = 1;
	response.payload = (ProtobufCBinaryData){buf_len(&payload), payload.data + payload.start};
	assert_int_equal(message_encode(&response.base, &b), 0);
	assert_int_equal(
		ttrpc_client_call(f->client, "s", "m", &request.base, 0,
			&grpc__update_ephemeral_mounts_request__descriptor, on_reply, f, NULL),
		0);
	assert_int_equal(frames_begin(&f->server), 0);
	assert_int_equal(buf_append(&f->server.out, buf_slice(&b).p, buf_len(&b)), 0);
	assert_int_equal(frames_end(&f->server, 1, TTRPC_RESPONSE), 0);
	while (f->n_closed == 0) {
		run(f);
		assert_true(frames_flush(&f->server) == 0 || f->n_closed);
	}
	assert_non_null(strstr(f->last.msg, "needs more memory"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_request_goes_out_as_the_protocol_says),
		TEST(a_reply_reaches_its_call),
		TEST(an_empty_response_is_an_empty_reply),
		TEST(a_status_becomes_an_error),
		TEST(a_long_error_text_is_cut),
		cmocka_unit_test(nonsense_closes_the_connection),
		TEST(a_second_reply_closes_the_connection),
		TEST(a_cancelled_call_is_answered_once_at_most),
		TEST(silence_ends_with_the_timeout),
		TEST(a_server_that_hangs_up_fails_every_call),
		TEST(a_call_into_a_dead_connection_fails_from_the_loop),
		TEST(a_server_that_will_not_read_is_given_up),
		TEST(a_server_that_does_not_read_blocks_nobody),
		TEST(a_request_over_the_limit_is_not_sent),
		TEST(a_callback_may_call_again),
		TEST(a_callback_may_free_the_client),
		TEST(a_timeout_may_free_the_client),
		TEST(the_loss_may_free_the_client),
		TEST(the_closed_callback_may_free_the_client),
		TEST(a_thousand_calls_are_answered_in_any_order),
		TEST(a_reply_over_the_budget_closes_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
