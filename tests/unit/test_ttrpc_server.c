/* SPDX-License-Identifier: Apache-2.0 */
/* What the server answers to frames that are written by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/socket.h>

#include "ttrpc_peer.h"

static void success_is_an_empty_status_and_the_payload(void **state)
{
	static const uint8_t with_payload[] = {
		0, 0, 0, 6, 0, 0, 0, 1, 2, 0, 0x0a, 0, 0x12, 2, 8, 1};
	static const uint8_t empty[] = {0, 0, 0, 2, 0, 0, 0, 3, 2, 0, 0x0a, 0};
	struct fixture *f = *state;
	uint8_t got[64];

	send_request(f, 1, check);
	run(f);
	assert_int_equal(recv(f->peer.fd, got, sizeof(got), MSG_DONTWAIT), sizeof(with_payload));
	assert_memory_equal(got, with_payload, sizeof(with_payload));
	send_request(f, 3, (struct request){"grpc.AgentService", "DestroySandbox"});
	run(f);
	assert_int_equal(recv(f->peer.fd, got, sizeof(got), MSG_DONTWAIT), sizeof(empty));
	assert_memory_equal(got, empty, sizeof(empty));
}

static void a_refused_request_says_why(void **state)
{
	static const struct {
		struct request request;
		int32_t status;
		const char *text;
	} rows[] = {
		{{"grpc.Nothing", "Check"}, WIRE_INVALID_ARGUMENT,
			"grpc.Nothing service does not exist"},
		{{"", "Check"}, WIRE_INVALID_ARGUMENT, " service does not exist"},
		{{NULL, "Check"}, WIRE_INVALID_ARGUMENT, " service does not exist"},
		{{"grpc.health", "Check"}, WIRE_INVALID_ARGUMENT,
			"grpc.health service does not exist"},
		{{"grpc.Health", "Chec"}, WIRE_UNIMPLEMENTED, "Chec method"},
		{{"grpc.Health", "Checks"}, WIRE_UNIMPLEMENTED, "Checks method"},
		{{"grpc.Health", NULL}, WIRE_UNIMPLEMENTED, " method"},
		/* A method of another service. */
		{{"grpc.Health", "WaitProcess"}, WIRE_UNIMPLEMENTED, "WaitProcess method"},
		{{"grpc.AgentService", "SetPolicy"}, WIRE_UNIMPLEMENTED,
			"/grpc.AgentService/SetPolicy is not supported"},
		{{"grpc.AgentService", "WaitProcess", {(const uint8_t *)"\x0a\5x", 3}},
			WIRE_UNKNOWN, "grpc.WaitProcessRequest: malformed field"},
		{{"grpc.AgentService", "WaitProcess", {(const uint8_t *)"\x0a\1\0", 3}},
			WIRE_UNKNOWN, "grpc.WaitProcessRequest.container_id: NUL byte in a string"},
	};
	struct fixture *f = *state;

	for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
		send_request(f, 2 * i + 1, rows[i].request);
		expect_response(f, 2 * i + 1, rows[i].status, rows[i].text);
	}
	assert_int_equal(f->n_parked, 0);
	expect_alive(f, 99);
}

static void the_status_for_an_unknown_service_is_an_option(void **state)
{
	struct fixture *f = *state;

	start(f, (struct ttrpc_server_config){.unknown_service_status = WIRE_UNIMPLEMENTED});
	send_request(f, 1, (struct request){"x.Y", "Z"});
	expect_response(f, 1, WIRE_UNIMPLEMENTED, "x.Y service does not exist");
}

static void a_wrong_frame_is_answered_on_its_stream(void **state)
{
	struct fixture *f = *state;
	const struct slice junk = slice_of("\xff\xff\xff", 3);

	send_request(f, 2, check);
	expect_response(f, 2, WIRE_INVALID_ARGUMENT, "stream id must be odd");
	send_request(f, 0, check);
	expect_response(f, 0, WIRE_INVALID_ARGUMENT, "stream id must be odd");
	send_frame(f, 1, TTRPC_REQUEST, junk);
	expect_response(f, 1, WIRE_INVALID_ARGUMENT, "ttrpc.Request: malformed field");
	send_frame(f, 3, TTRPC_REQUEST, slice_of("\x0a\2g\0", 4));
	expect_response(f, 3, WIRE_INVALID_ARGUMENT, "ttrpc.Request.service: NUL byte in a string");
	send_frame(f, 5, TTRPC_DATA, junk);
	expect_response(f, 5, WIRE_INVALID_ARGUMENT, "no such stream");
	send_frame(f, 7, TTRPC_REQUEST, slice_of(NULL, 0));
	expect_response(f, 7, WIRE_INVALID_ARGUMENT, " service does not exist");
	assert_int_equal(f->n_handled, 0);
	expect_alive(f, UINT32_MAX);
}

static void a_frame_of_unknown_type_is_ignored(void **state)
{
	struct fixture *f = *state;
	const uint8_t types[] = {0, TTRPC_RESPONSE, 4, 128, 255};

	for (size_t i = 0; i < sizeof(types); i++)
		send_frame(f, 1, types[i], slice_of("xyz", 3));
	expect_alive(f, 3);
}

static void send_zeros(struct fixture *f, uint32_t len)
{
	static const uint8_t zeros[65536];

	while (len) {
		uint32_t n = len < sizeof(zeros) ? len : sizeof(zeros);

		send_bytes(f, zeros, n);
		len -= n;
	}
}

static void a_too_large_frame_is_skipped(void **state)
{
	struct fixture *f = *state;
	const uint32_t sizes[] = {TTRPC_MAX_PAYLOAD + 1, TTRPC_MAX_PAYLOAD + 4096, 6 << 20};

	for (uint32_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		send_header(f, sizes[i], 4 * i + 1, TTRPC_REQUEST);
		send_zeros(f, sizes[i]);
		expect_response(f, 4 * i + 1, WIRE_INVALID_ARGUMENT,
			"message is larger than 4194304 bytes");
		expect_alive(f, 4 * i + 3);
	}
	/* Of a type that is ignored: skipped all the same. */
	send_header(f, sizes[0], 1, 9);
	send_zeros(f, sizes[0]);
	expect_alive(f, 99);
}

static void the_largest_message_passes(void **state)
{
	Grpc__WriteStreamRequest request = GRPC__WRITE_STREAM_REQUEST__INIT;
	struct fixture *f = *state;
	auto_buf struct buf payload = BUF_INIT;
	/* Envelope and keys take 48 bytes of the 4 MiB. */
	const size_t len = TTRPC_MAX_PAYLOAD - 48;
	uint8_t *data = calloc(1, len);

	assert_non_null(data);
	request.has_data = 1;
	request.data = (ProtobufCBinaryData){len, data};
	assert_int_equal(message_encode(&request.base, &payload), 0);
	send_request(f, 1,
		(struct request){
			"grpc.AgentService", "WriteStdin", .payload = buf_slice(&payload)});
	expect_response(f, 1, WIRE_OK, "");
	assert_int_equal(f->payload_len, 5);
	free(data);
}

static void a_too_large_response_becomes_an_error(void **state)
{
	struct fixture *f = *state;

	f->reply_size = TTRPC_MAX_PAYLOAD;
	send_request(f, 1, metrics);
	expect_response(
		f, 1, WIRE_INVALID_ARGUMENT, "the response is larger than a message may be");
	f->reply_size = TTRPC_MAX_PAYLOAD - 16;
	send_request(f, 3, metrics);
	expect_response(f, 3, WIRE_OK, "");
}

static void a_request_may_come_in_single_bytes(void **state)
{
	struct fixture *f = *state;
	auto_buf struct buf bytes = BUF_INIT;

	f->holds_back = true;
	send_request(f, 1, check);
	f->holds_back = false;
	bytes = f->held;
	f->held = (struct buf)BUF_INIT;
	for (size_t i = 0; i < buf_len(&bytes); i++) {
		assert_int_equal(f->n_handled, 0);
		send_bytes(f, buf_slice(&bytes).p + i, 1);
		run(f);
	}
	expect_response(f, 1, WIRE_OK, "");
}

static void many_requests_in_one_go_are_all_answered(void **state)
{
	struct fixture *f = *state;

	for (uint32_t i = 0; i < 1000; i++)
		send_request(f, 2 * i + 1, check);
	for (uint32_t i = 0; i < 1000; i++)
		expect_response(f, 2 * i + 1, WIRE_OK, "");
	assert_int_equal(f->n_handled, 1000);
}

static void a_listener_is_served_until_it_is_stopped(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un own;
	socklen_t len;
	int fd;

	start_listening(f, &own, &len);
	expect_alive(f, 1);
	ttrpc_server_stop_accepting(f->server);
	expect_alive(f, 3);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&own, len), -1);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STARTED(success_is_an_empty_status_and_the_payload),
		STARTED(a_refused_request_says_why),
		TEST(the_status_for_an_unknown_service_is_an_option),
		STARTED(a_wrong_frame_is_answered_on_its_stream),
		STARTED(a_frame_of_unknown_type_is_ignored),
		STARTED(a_too_large_frame_is_skipped),
		STARTED(the_largest_message_passes),
		STARTED(a_too_large_response_becomes_an_error),
		STARTED(a_request_may_come_in_single_bytes),
		STARTED(many_requests_in_one_go_are_all_answered),
		TEST(a_listener_is_served_until_it_is_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
