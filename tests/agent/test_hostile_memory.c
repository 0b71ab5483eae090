/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients that want the agent's memory, or all of its time. What it holds stays within what the
 * limits of agent/agent.h come to, others are served meanwhile, and all is given back when such a
 * client has left.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/io.h"
#include "fixture.h"
#include "health.pb-c.h"
#include "ttrpc.pb-c.h"
#include "wire/message.h"
#include "wire/ttrpc.h"

enum {
	N_CLIENTS = 100,
	N_PARKED = 10000,
	STALLED_MS = 20,
	N_CHECKS = 1000,
	/* On the wire. */
	CHECK_REPLY_SIZE = TTRPC_HEADER_SIZE + 6,
	/* Of those that have all memory: a quarter of what fits, since buffers double. */
	N_UNREAD = AGENT_SHARED_BUDGET / CHECK_REPLY_SIZE / 4,
	N_ANSWERED = 200000,
	KIB = 1 << 10,
	/* The budgets; and what may pass them: one buffer that doubles when there is still room (8
	 * MiB at most: a message of 4 MiB lies in it), and 32 KiB of replies and of a request per
	 * connection, which it may have in any case. */
	MAX_MEMORY_KB = (AGENT_SHARED_BUDGET + AGENT_MAX_CONNECTIONS * AGENT_CONNECTION_RESERVE +
				(8 << 20) + AGENT_MAX_CONNECTIONS * 2 * (32 << 10)) /
			KIB,
	/* The heap is given back as it becomes free, down to some pages that are in use. */
	MAX_LEFT_KB = 512,
};

/* AddressSanitizer keeps freed memory for a while, and surrounds the rest. */
#ifdef __SANITIZE_ADDRESS__
static const bool is_memory_exact = false;
#else
static const bool is_memory_exact = true;
#endif

/* On a machine whose processors are busy with other tests as well. */
#define SERVED_WITHIN_NS (2 * NS_PER_S)

static void assert_served(struct fixture *f)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;
	int64_t start_ns = clock_now_ns();

	assert_int_equal(call(f, "Check", &request.base, NULL), 0);
	assert_in_range(clock_now_ns() - start_ns, 0, SERVED_WITHIN_NS);
}

/* With the fixture's own client connected: what there is before. */
static void measure(struct fixture *f, size_t *ret_kb, size_t *ret_fds)
{
	assert_served(f);
	*ret_kb = fixture_agent_memory_kb(f);
	*ret_fds = fixture_count_fds(f);
}

static void assert_bounded(const struct fixture *f)
{
	size_t kb = fixture_agent_memory_kb(f);

	if (is_memory_exact && kb > MAX_MEMORY_KB)
		fail_msg("the agent holds %zu kB, more than %d kB", kb, MAX_MEMORY_KB);
}

static bool holds_more(const struct fixture *f, size_t fds_before, size_t kb_before)
{
	return fixture_count_fds(f) > fds_before ||
	       (is_memory_exact && fixture_agent_memory_kb(f) > kb_before + MAX_LEFT_KB);
}

/* Also that the agent has noticed that they have gone. */
static void assert_released(struct fixture *f, size_t fds_before, size_t kb_before)
{
	int64_t deadline_ns = clock_now_ns() + 10 * NS_PER_S;

	while (holds_more(f, fds_before, kb_before)) {
		if (clock_now_ns() > deadline_ns)
			fail_msg("%zu files and %zu kB, from %zu and %zu", fixture_count_fds(f),
				fixture_agent_memory_kb(f), fds_before, kb_before);
		assert_served(f);
	}
}

static void append_frame(struct buf *b, uint32_t stream, struct slice payload)
{
	struct ttrpc_header h = {
		.len = (uint32_t)payload.len, .stream = stream, .type = TTRPC_REQUEST};
	uint8_t header[TTRPC_HEADER_SIZE];

	ttrpc_header_encode(&h, header);
	assert_int_equal(buf_append(b, header, sizeof(header)), 0);
	assert_int_equal(buf_append(b, payload.p, payload.len), 0);
}

/* Each with a stream of its own, from first on. */
static void append_requests(struct buf *b, uint32_t first, size_t n, const char *service,
	const char *method, const ProtobufCMessage *inner)
{
	Ttrpc__Request request = TTRPC__REQUEST__INIT;
	auto_buf struct buf payload = BUF_INIT, bytes = BUF_INIT;

	assert_int_equal(message_encode(inner, &bytes), 0);
	request.service = message_text(service);
	request.method = message_text(method);
	request.has_payload = buf_len(&bytes) > 0;
	request.payload = (ProtobufCBinaryData){buf_len(&bytes), bytes.data};
	assert_int_equal(message_encode(&request.base, &payload), 0);
	for (size_t i = 0; i < n; i++)
		append_frame(b, first + 2 * (uint32_t)i, buf_slice(&payload));
}

static void append_waits(struct buf *b, uint32_t first, size_t n)
{
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;
	static char id[] = "c1";

	wait.container_id = id;
	append_requests(b, first, n, "grpc.AgentService", "WaitProcess", &wait.base);
}

static void append_checks(struct buf *b, uint32_t first, size_t n)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;

	append_requests(b, first, n, "grpc.Health", "Check", &request.base);
}

/* All of it, as the agent takes it; false if it hung up. */
static bool send_all(int fd, struct slice s)
{
	while (s.len > 0) {
		ssize_t n = send(fd, s.p, s.len, MSG_NOSIGNAL);

		if (n < 0)
			return false;
		s = slice_of(s.p + n, s.len - (size_t)n);
	}
	return true;
}

/* Over and over, until the agent takes no more for a moment. Returns how many bytes that were. */
static size_t send_until_full(int fd, struct slice s)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	size_t total = 0, at = 0;

	while (poll(&p, 1, STALLED_MS) > 0) {
		ssize_t n = send(fd, s.p + at, s.len - at, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0)
			break;
		at = (at + (size_t)n) % s.len;
		total += (size_t)n;
	}
	return total;
}

static void half_messages_share_one_budget(void **state)
{
	struct fixture *f = *state;
	auto_free void *zeros = calloc(1, TTRPC_MAX_PAYLOAD);
	struct buf half = BUF_INIT;
	size_t kb, n_fds;
	int fds[N_CLIENTS];

	measure(f, &kb, &n_fds);
	append_frame(&half, 1, slice_of(zeros, TTRPC_MAX_PAYLOAD));
	for (size_t i = 0; i < N_CLIENTS; i++) {
		fds[i] = fixture_socket(f);
		/* 300 MiB in all. */
		assert_true(send_all(fds[i], slice_of(half.data, 3 << 20)));
		assert_bounded(f);
	}
	assert_served(f);
	for (size_t i = 0; i < N_CLIENTS; i++)
		close(fds[i]);
	buf_fini(&half);
	assert_released(f, n_fds, kb);
}

static void ten_thousand_calls_of_one_client_may_wait(void **state)
{
	struct fixture *f = *state;
	struct buf waits = BUF_INIT;
	size_t kb, n_fds;
	int fd;
	char c;

	run_container(f, "c1", "exec sleep 1000");
	measure(f, &kb, &n_fds);
	append_waits(&waits, 1, N_PARKED);
	for (int round = 0; round < 3; round++) {
		fd = fixture_socket(f);
		assert_true(send_all(fd, buf_slice(&waits)));
		for (int i = 0; i < 100; i++)
			assert_served(f);
		assert_bounded(f);
		/* None has been refused. */
		assert_int_equal(recv(fd, &c, 1, MSG_DONTWAIT), -1);
		close(fd);
		assert_released(f, n_fds, kb);
	}
	buf_fini(&waits);
	assert_int_equal(remove_container(f, "c1"), 0);
}

static void what_a_hundred_clients_park_is_bounded_too(void **state)
{
	struct fixture *f = *state;
	struct buf waits = BUF_INIT;
	int fds[N_CLIENTS];
	size_t kb, n_fds;

	run_container(f, "c1", "exec sleep 1000");
	measure(f, &kb, &n_fds);
	append_waits(&waits, 1, 1000);
	for (size_t i = 0; i < N_CLIENTS; i++) {
		fds[i] = fixture_socket(f);
		/* A million in all: most find no memory left. The answers are not read. */
		(void)send_until_full(fds[i], buf_slice(&waits));
		assert_bounded(f);
	}
	for (int i = 0; i < 100; i++)
		assert_served(f);
	/* Not only what needs next to nothing. */
	run_container(f, "c2", "exec sleep 1000");
	assert_int_equal(remove_container(f, "c2"), 0);
	for (size_t i = 0; i < N_CLIENTS; i++)
		close(fds[i]);
	buf_fini(&waits);
	assert_released(f, n_fds, kb);
	assert_int_equal(remove_container(f, "c1"), 0);
}

static void requests_without_reading_stop_their_own_client(void **state)
{
	struct fixture *f = *state;
	struct buf checks = BUF_INIT;
	size_t kb, n_fds;
	int fds[N_CLIENTS];
	size_t total = 0;

	measure(f, &kb, &n_fds);
	append_checks(&checks, 1, N_CHECKS);
	for (size_t i = 0; i < N_CLIENTS; i++)
		fds[i] = fixture_socket(f);
	/* Twice, for a moment may be too short for an agent that has little of the processor. */
	for (size_t i = 0; i < 2 * N_CLIENTS; i++) {
		total += send_until_full(fds[i % N_CLIENTS], buf_slice(&checks));
		assert_bounded(f);
	}
	/* Up to a million; the first clients may have more answers waiting than the others. */
	assert_true(total / (buf_len(&checks) / N_CHECKS) >= N_UNREAD);
	for (int i = 0; i < 100; i++)
		assert_served(f);
	for (size_t i = 0; i < N_CLIENTS; i++)
		close(fds[i]);
	buf_fini(&checks);
	assert_released(f, n_fds, kb);
}

static bool has_ended(pid_t pid)
{
	siginfo_t info = {.si_pid = 0};

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == pid;
}

static void the_agent_ends_though_somebody_does_not_read(void **state)
{
	struct fixture *f = *state;
	struct buf checks = BUF_INIT;
	int64_t deadline_ns;
	int fd = fixture_socket(f);

	append_checks(&checks, 1, N_CHECKS);
	(void)send_until_full(fd, buf_slice(&checks));
	assert_int_equal(kill(f->agent_pid, SIGTERM), 0);
	deadline_ns = clock_now_ns() + 10 * NS_PER_S;
	while (!has_ended(f->agent_pid)) {
		assert_true(clock_now_ns() < deadline_ns);
		usleep(10000);
	}
	close(fd);
	buf_fini(&checks);
}

/* Reads what is there; the number of bytes. */
static size_t receive_some(int fd)
{
	static uint8_t bytes[64 * KIB];
	ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	return n > 0 ? (size_t)n : 0;
}

static void a_client_that_reads_at_last_has_every_answer(void **state)
{
	struct fixture *f = *state;
	struct buf checks = BUF_INIT;
	int fd = fixture_socket(f);
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
	size_t sent = 0, received = 0;

	append_checks(&checks, 1, N_ANSWERED);
	/* It reads only when nothing else is left to do. */
	while (received < (size_t)N_ANSWERED * CHECK_REPLY_SIZE) {
		p.events = sent < buf_len(&checks) ? POLLOUT : POLLIN;
		if (poll(&p, 1, STALLED_MS) > 0 && p.events == POLLOUT) {
			ssize_t n = send(fd, checks.data + sent, buf_len(&checks) - sent,
				MSG_NOSIGNAL | MSG_DONTWAIT);

			assert_true(n > 0 || errno == EAGAIN);
			sent += n > 0 ? (size_t)n : 0;
			continue;
		}
		assert_true(p.revents == 0 || p.revents == POLLIN);
		assert_bounded(f);
		for (size_t n = 1; n > 0; received += n)
			n = receive_some(fd);
	}
	assert_int_equal(received, (size_t)N_ANSWERED * CHECK_REPLY_SIZE);
	assert_served(f);
	close(fd);
	buf_fini(&checks);
}

static void large_answers_that_nobody_reads_are_bounded(void **state)
{
	Grpc__GetMetricsRequest request = GRPC__GET_METRICS_REQUEST__INIT;
	struct fixture *f = *state;
	struct buf requests = BUF_INIT;
	size_t kb, n_fds;
	int fds[N_CLIENTS];

	measure(f, &kb, &n_fds);
	/* Some 10 KiB each: a gigabyte in all. They are answered all at once. */
	append_requests(&requests, 1, 1000, "grpc.AgentService", "GetMetrics", &request.base);
	for (size_t i = 0; i < N_CLIENTS; i++) {
		fds[i] = fixture_socket(f);
		(void)send_until_full(fds[i], buf_slice(&requests));
		assert_bounded(f);
	}
	for (int i = 0; i < 100; i++) {
		assert_served(f);
		assert_bounded(f);
	}
	for (size_t i = 0; i < N_CLIENTS; i++)
		close(fds[i]);
	buf_fini(&requests);
	assert_released(f, n_fds, kb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		agent_test(half_messages_share_one_budget),
		agent_test(ten_thousand_calls_of_one_client_may_wait),
		agent_test(what_a_hundred_clients_park_is_bounded_too),
		agent_test(requests_without_reading_stop_their_own_client),
		agent_test(the_agent_ends_though_somebody_does_not_read),
		agent_test(a_client_that_reads_at_last_has_every_answer),
		agent_test(large_answers_that_nobody_reads_are_bounded),
	};

	/* glibc would keep small blocks for later, and it could not be told what the agent keeps. */
	setenv("GLIBC_TUNABLES",
		"glibc.malloc.mxfast=0:glibc.malloc.tcache_count=0:"
		"glibc.malloc.mmap_threshold=65536",
		1);
	fixture_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
