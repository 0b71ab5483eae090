/* SPDX-License-Identifier: Apache-2.0 */
/* Peers that want too much: of memory, of calls, of patience. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "loop_until.h"
#include "oom.h"
#include "ttrpc_peer.h"
#include "wire/ttrpc_conn.h"

static void a_frame_of_four_gigabytes_costs_nothing(void **state)
{
	struct fixture *f = *state;

	send_header(f, UINT32_MAX, 1, TTRPC_REQUEST);
	expect_response(f, 1, WIRE_INVALID_ARGUMENT, "message is larger than 4194304 bytes");
	/* What follows is its body. */
	send_request(f, 3, check);
	run(f);
	assert_int_equal(f->n_handled, 0);
	close_peer(f);
	run(f);
	assert_true(ttrpc_server_is_idle(f->server));
}

static void a_half_frame_dies_with_its_peer(void **state)
{
	struct fixture *f = *state;

	send_header(f, 100000, 1, TTRPC_REQUEST);
	send_bytes(f, "\x0a\x10", 2);
	run(f);
	close_peer(f);
	run(f);
	run(f);
	assert_true(ttrpc_server_is_idle(f->server));
	assert_int_equal(f->n_handled, 0);
}

static void a_peer_that_does_not_read_is_not_read_from(void **state)
{
	struct fixture *f = *state;
	const int n_requests = 2000;
	size_t handled;

	start(f, (struct ttrpc_server_config){.max_unsent = 256 << 10});
	f->reply_size = 10000;
	f->holds_back = true;
	for (int i = 0; i < n_requests; i++)
		send_request(f, 2 * (uint32_t)i + 1, metrics);
	send_held(f);
	for (int i = 0; i < 100; i++)
		run(f);
	/* 20 MB of replies: 256 KiB wait here, about as much in the socket. */
	handled = f->n_handled;
	assert_in_range(handled, 26, 200);
	run(f);
	assert_int_equal(f->n_handled, handled);
	/* Nothing is lost when it reads at last. */
	for (int i = 0; i < n_requests; i++)
		expect_response(f, 2 * (uint32_t)i + 1, WIRE_OK, "");
	assert_int_equal(f->n_handled, n_requests);
	assert_true(ttrpc_server_is_idle(f->server));
}

static void a_peer_that_never_reads_can_leave(void **state)
{
	struct fixture *f = *state;

	start(f, (struct ttrpc_server_config){.max_unsent = 64 << 10});
	f->reply_size = 1 << 20;
	send_request(f, 1, wait_process);
	for (uint32_t i = 1; i < 20; i++)
		send_request(f, 2 * i + 1, metrics);
	run(f);
	assert_int_equal(f->n_handled, 1);
	close_peer(f);
	run_until(f, &f->n_cancelled, 1);
	assert_int_equal(f->n_handled, 1);
}

static void late_answers_that_nobody_reads_end_the_connection(void **state)
{
	struct fixture *f = *state;
	Grpc__Metrics reply = GRPC__METRICS__INIT;
	static char text[1 << 20];

	start(f, (struct ttrpc_server_config){.max_unsent = 1 << 20});
	for (uint32_t i = 0; i < 32; i++)
		send_request(f, 2 * i + 1, wait_process);
	run_until(f, &f->n_parked, 32);
	memset(text, 'x', sizeof(text) - 1);
	reply.metrics = text;
	for (size_t i = 0; i < 16; i++) {
		assert_int_equal(f->n_cancelled, 0);
		ttrpc_call_reply(f->parked[i], &reply.base);
		f->parked[i] = NULL;
	}
	/* Not from inside ttrpc_call_reply. */
	assert_int_equal(f->n_cancelled, 0);
	run_until(f, &f->n_cancelled, 16);
	while (next_response(f))
		;
}

static void calls_in_flight_are_bounded(void **state)
{
	struct fixture *f = *state;

	start(f, (struct ttrpc_server_config){.max_calls = 3});
	for (uint32_t i = 0; i < 4; i++)
		send_request(f, 2 * i + 1, wait_process);
	expect_response(f, 7, WIRE_RESOURCE_EXHAUSTED, "too many calls in flight");
	send_request(f, 9, check);
	expect_response(f, 9, WIRE_RESOURCE_EXHAUSTED, "too many calls in flight");
	ttrpc_call_reply(f->parked[1], NULL);
	f->parked[1] = NULL;
	expect_response(f, 3, WIRE_OK, "");
	expect_alive(f, 11);
}

static void ten_thousand_calls_may_wait(void **state)
{
	struct fixture *f = *state;

	for (uint32_t i = 0; i < 10000; i++)
		send_request(f, 2 * i + 1,
			(struct request){"grpc.AgentService", "WaitProcess",
				.timeout_ns = (1 + i % 100) * NS_PER_S * 60});
	run_until(f, &f->n_parked, 10000);
	ttrpc_call_reply(f->parked[5000], NULL);
	f->parked[5000] = NULL;
	expect_response(f, 10001, WIRE_OK, "");
	close_peer(f);
	run_until(f, &f->n_cancelled, 9999);
	assert_false(ttrpc_server_is_idle(f->server));
	drop_parked(f);
	assert_true(ttrpc_server_is_idle(f->server));
}

static void decoded_bytes_are_bounded_per_call(void **state)
{
	struct fixture *f = *state;
	auto_buf struct buf payload = BUF_INIT;

	start(f, (struct ttrpc_server_config){.call_budget = 64 << 10});
	/* 4096 empty devices: 8 kB as sent, about 500 kB decoded. */
	for (int i = 0; i < 4096; i++)
		assert_int_equal(buf_append(&payload, "\x22\0", 2), 0);
	send_request(f, 1,
		(struct request){
			"grpc.AgentService", "CreateContainer", .payload = buf_slice(&payload)});
	expect_response(f, 1, WIRE_RESOURCE_EXHAUSTED,
		"grpc.CreateContainerRequest: needs more memory than a peer may use");
	expect_alive(f, 3);
}

static void decoded_bytes_are_bounded_per_connection(void **state)
{
	struct fixture *f = *state;
	auto_buf struct buf payload = BUF_INIT;
	uint32_t stream = 1;

	start(f, (struct ttrpc_server_config){.connection_budget = 2 << 20});
	for (int i = 0; i < 4096; i++)
		assert_int_equal(buf_append(&payload, "\x22\0", 2), 0);
	do {
		send_request(f, stream,
			(struct request){"grpc.AgentService", "CreateContainer",
				.payload = buf_slice(&payload)});
		run(f);
		stream += 2;
	} while (f->n_parked == (stream - 1) / 2);
	expect_response(f, stream - 2, WIRE_RESOURCE_EXHAUSTED,
		"grpc.CreateContainerRequest: needs more memory than a peer may use");
	assert_in_range(f->n_parked, 2, 10);
	/* Another connection has its own; this one has it back when its calls have ended. */
	for (size_t i = 0; i < f->n_parked; i++) {
		ttrpc_call_reply(f->parked[i], NULL);
		expect_response(f, 2 * (uint32_t)i + 1, WIRE_OK, "");
	}
	f->n_parked = 0;
	send_request(f, stream,
		(struct request){
			"grpc.AgentService", "CreateContainer", .payload = buf_slice(&payload)});
	run_until(f, &f->n_parked, 1);
}

static void connections_are_bounded(void **state)
{
	struct fixture *f = *state;
	int first[2], second[2];
	char c;

	start(f, (struct ttrpc_server_config){.max_connections = 2});
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, first), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, second), 0);
	assert_int_equal(ttrpc_server_add(f->server, first[0]), 0);
	assert_int_equal(ttrpc_server_add(f->server, second[0]), -EMFILE);
	assert_int_equal(recv(second[1], &c, 1, MSG_DONTWAIT), 0);
	close(second[1]);
	/* One whose calls are still held counts. */
	send_request(f, 1, wait_process);
	run_until(f, &f->n_parked, 1);
	close_peer(f);
	run_until(f, &f->n_cancelled, 1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, second), 0);
	assert_int_equal(ttrpc_server_add(f->server, second[0]), -EMFILE);
	close(second[1]);
	run(f);
	drop_parked(f);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, second), 0);
	assert_int_equal(ttrpc_server_add(f->server, second[0]), 0);
	close(second[1]);
	close(first[1]);
}

/* Returns what it was. */
static rlim_t set_max_fds(rlim_t max)
{
	struct rlimit limit;
	rlim_t old;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	old = limit.rlim_cur;
	limit.rlim_cur = max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return old;
}

static void a_listener_rests_when_descriptors_are_out(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un own;
	socklen_t len;
	int64_t start_ns;
	rlim_t old_max;

	start_listening(f, &own, &len);
	old_max = set_max_fds((rlim_t)f->peer.fd + 1);
	run(f);
	/* Not woken over and over by a connection that cannot be accepted. */
	start_ns = clock_now_ns();
	assert_int_equal(loop_run_once(f->loop, 50 * NS_PER_MS), 0);
	assert_true(clock_now_ns() - start_ns >= 50 * NS_PER_MS);
	set_max_fds(old_max);
	expect_alive(f, 1);
}

/* A buffer that is never empty must not grow with what has passed through it. */
static void a_peer_that_always_starts_another_frame_costs_one_buffer(void **state)
{
	struct fixture *f = *state;
	const struct ttrpc_conn *conn =
		container_of(f->server->conns.next, struct ttrpc_conn, link);
	auto_buf struct buf bytes = BUF_INIT;

	f->holds_back = true;
	for (uint32_t i = 0; i < 2000; i++)
		send_request(f, 2 * i + 1, check);
	f->holds_back = false;
	bytes = f->held;
	f->held = (struct buf)BUF_INIT;
	for (size_t len; buf_len(&bytes); buf_consume(&bytes, len)) {
		/* A prime: every piece ends somewhere else in a frame. */
		len = buf_len(&bytes) < 997 ? buf_len(&bytes) : 997;
		send_bytes(f, buf_slice(&bytes).p, len);
		run(f);
		assert_true(conn->frames.in.cap <= 16 << 10);
	}
	run_until(f, &f->n_handled, 2000);
}

/* An agent is idle most of its life: its goal for all private memory is 100 kB. */
static void an_idle_connection_keeps_no_buffer(void **state)
{
	struct fixture *f = *state;
	const struct ttrpc_conn *conn =
		container_of(f->server->conns.next, struct ttrpc_conn, link);

	f->reply_size = 100000;
	send_request(f, 1, metrics);
	expect_response(f, 1, WIRE_OK, "");
	assert_true(frames_has_memory(&conn->frames));
	loop_until(f->loop, !frames_has_memory(&conn->frames));
	/* More than is ever kept goes at once. */
	f->reply_size = 1 << 20;
	send_request(f, 3, metrics);
	expect_response(f, 3, WIRE_OK, "");
	assert_null(conn->frames.out.data);
	expect_alive(f, 5);
	/* In the middle of a frame nothing is lost. */
	send_header(f, 2, 7, TTRPC_REQUEST);
	send_bytes(f, "\x0a", 1);
	loop_until(f->loop, !f->server->deadlines.root && conn->frames.in.end > 0);
	send_bytes(f, "\0", 1);
	expect_response(f, 7, WIRE_INVALID_ARGUMENT, " service does not exist");
}

static uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* The same rounds in every run. Whatever comes, a new connection is served afterwards. */
static void random_frames_do_no_harm(void **state)
{
	struct fixture *f = *state;
	uint32_t seed = 2463534242u;

	f->drops_on_cancel = true;
	for (int round = 0; round < 200; round++) {
		int fds[2], n_frames = (int)(next_random(&seed) % 20);

		close_peer(f);
		run(f);
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
		assert_int_equal(ttrpc_server_add(f->server, fds[0]), 0);
		frames_init(&f->peer, fds[1]);
		f->peer_open = true;
		for (int i = 0; i < n_frames; i++) {
			uint8_t junk[64];
			size_t len = next_random(&seed) % sizeof(junk);

			for (size_t n = 0; n < len; n++)
				junk[n] = (uint8_t)next_random(&seed);
			send_header(f, (uint32_t)(len + (next_random(&seed) % 8 ? 0 : 3)),
				next_random(&seed) % 9, (uint8_t)(next_random(&seed) % 5));
			send_bytes(f, junk, len);
			if (next_random(&seed) % 2)
				run(f);
		}
	}
	close_peer(f);
	run(f);
	ttrpc_server_free(f->server);
	f->n_parked = 0;
	start(f, (struct ttrpc_server_config){0});
	expect_alive(f, 1);
}

/* Each allocation of a served call fails once: the peer gets an error, or is disconnected. */
static void no_memory_is_survived(void **state)
{
	struct fixture *f = *state;
	static const char *const pairs[] = {"k", "v", NULL};
	struct request r = wait_process;

	r.payload = slice_of("\x0a\2c1", 4);
	r.metadata = pairs;
	f->drops_on_cancel = false;
	OOM_SWEEP(n)
	{
		send_request(f, 1, r);
		oom_arm(n);
		for (int i = 0; i < 4; i++)
			run(f);
		if (f->n_parked)
			ttrpc_call_reply(f->parked[0], NULL);
		f->n_parked = 0;
		for (int i = 0; i < 4; i++)
			run(f);
		oom_disarm();
		if (next_response(f) && !oom_has_struck())
			assert_int_equal(f->status, WIRE_OK);
		ttrpc_server_free(f->server);
		close_peer(f);
		start(f, (struct ttrpc_server_config){0});
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STARTED(a_frame_of_four_gigabytes_costs_nothing),
		STARTED(a_half_frame_dies_with_its_peer),
		TEST(a_peer_that_does_not_read_is_not_read_from),
		TEST(a_peer_that_never_reads_can_leave),
		TEST(late_answers_that_nobody_reads_end_the_connection),
		TEST(calls_in_flight_are_bounded),
		STARTED(ten_thousand_calls_may_wait),
		TEST(decoded_bytes_are_bounded_per_call),
		TEST(decoded_bytes_are_bounded_per_connection),
		TEST(connections_are_bounded),
		TEST(a_listener_rests_when_descriptors_are_out),
		STARTED(a_peer_that_always_starts_another_frame_costs_one_buffer),
		STARTED(an_idle_connection_keeps_no_buffer),
		STARTED(random_frames_do_no_harm),
		STARTED(no_memory_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
