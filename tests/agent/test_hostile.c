/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that break every rule, while others are served. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/io.h"
#include "fixture.h"
#include "health.pb-c.h"
#include "wire/ttrpc.h"

enum { N_TOO_MANY = 20 };

static void assert_served(struct fixture *f)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;

	assert_int_equal(call(f, "Check", &request.base, NULL), 0);
}

static uint32_t next_random(uint32_t *x)
{
	*x = *x * 1664525 + 1013904223;
	return *x >> 8;
}

/* Everything, or until the agent hangs up, which it may. */
static void send_bytes(int fd, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	while (len > 0) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n < 0)
			return;
		p += n;
		len -= (size_t)n;
	}
}

static void send_frame(int fd, uint32_t len, uint32_t stream, uint8_t type, const void *payload,
	size_t payload_len)
{
	struct ttrpc_header h = {.len = len, .stream = stream, .type = type};
	uint8_t header[TTRPC_HEADER_SIZE];

	ttrpc_header_encode(&h, header);
	send_bytes(fd, header, sizeof(header));
	send_bytes(fd, payload, payload_len);
}

static void random_bytes_hurt_nobody(void **state)
{
	struct fixture *f = *state;
	uint32_t x = 42;
	uint8_t bytes[4096];

	run_container(f, "c1", "exec sleep 1000");
	for (int round = 0; round < 50; round++) {
		int fd = fixture_socket(f);

		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)next_random(&x);
		/* A length that the agent reads on for, sometimes. */
		if (round % 2)
			bytes[0] = bytes[1] = 0;
		send_bytes(fd, bytes, sizeof(bytes));
		assert_served(f);
		close(fd);
	}
	assert_int_equal(signal_process(f, "c1", "", 0, NULL), 0);
}

static void a_hundred_clients_of_noise_hurt_nobody(void **state)
{
	struct fixture *f = *state;
	uint32_t x = 99;
	uint8_t bytes[512];
	int fds[100];

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = fixture_socket(f);
	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
			for (size_t n = 0; n < sizeof(bytes); n++)
				bytes[n] = (uint8_t)next_random(&x);
			bytes[0] = bytes[1] = 0;
			send_bytes(fds[i], bytes, next_random(&x) % sizeof(bytes));
		}
		assert_served(f);
	}
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	assert_served(f);
}

static void random_payloads_hurt_nobody(void **state)
{
	struct fixture *f = *state;
	int fd = fixture_socket(f);
	uint32_t x = 7, stream = 1;
	uint8_t bytes[256];

	for (int round = 0; round < 2000; round++) {
		size_t len = next_random(&x) % sizeof(bytes);

		for (size_t i = 0; i < len; i++)
			bytes[i] = (uint8_t)next_random(&x);
		send_frame(fd, (uint32_t)len, stream, TTRPC_REQUEST, bytes, len);
		stream += 2;
	}
	assert_served(f);
	close(fd);
}

static void frames_that_never_end_hold_up_nobody(void **state)
{
	struct fixture *f = *state;
	int fds[20];

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = fixture_socket(f);
		send_frame(fds[i], TTRPC_MAX_PAYLOAD, 1, TTRPC_REQUEST, "x", 1);
	}
	assert_served(f);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	assert_served(f);
}

static void impossible_headers_are_survived(void **state)
{
	static const struct ttrpc_header rows[] = {
		{.len = 0, .stream = 1, .type = TTRPC_REQUEST},
		{.len = 0, .stream = 2, .type = TTRPC_REQUEST},
		{.len = 0, .stream = 0, .type = TTRPC_REQUEST},
		{.len = 0, .stream = UINT32_MAX, .type = TTRPC_RESPONSE},
		{.len = 0, .stream = 5, .type = TTRPC_DATA},
		{.len = 0, .stream = 5, .type = 255},
		{.len = UINT32_MAX, .stream = 7, .type = TTRPC_REQUEST},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int fd = fixture_socket(f);

		send_frame(fd, rows[i].len, rows[i].stream, rows[i].type, "", 0);
		assert_served(f);
		close(fd);
	}
}

static void more_connections_than_allowed_wait_or_fail(void **state)
{
	struct fixture *f = *state;
	/* The fixture has one as well. */
	int fds[AGENT_MAX_CONNECTIONS - 1 + N_TOO_MANY];
	int64_t deadline_ns = clock_now_ns() + 10 * NS_PER_S;
	size_t n_closed = 0;
	char c;

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = fixture_socket(f);
	/* Those that are too many are hung up on; it may take the agent some rounds. */
	while (n_closed < N_TOO_MANY) {
		assert_true(clock_now_ns() < deadline_ns);
		assert_served(f);
		n_closed = 0;
		for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
			n_closed += recv(fds[i], &c, 1, MSG_DONTWAIT) == 0;
	}
	assert_int_equal(n_closed, N_TOO_MANY);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	ttrpc_client_free(fixture_connect(f));
	assert_served(f);
}

static void parked_calls_are_bounded_and_dropped_with_their_client(void **state)
{
	static struct reply reads[200], waits[200];
	struct fixture *f = *state;
	struct ttrpc_client *other = fixture_connect(f);
	size_t n_refused = 0;

	run_container(f, "c1", "exec sleep 1000");
	for (size_t i = 0; i < ARRAY_SIZE(reads); i++) {
		read_start_on(f, other, "c1", 0, &reads[i]);
		wait_start_on(f, other, "c1", "", &waits[i]);
	}
	assert_served(f);
	while (n_refused == 0) {
		assert_int_equal(loop_run_once(f->loop, NS_PER_S), 0);
		for (size_t i = 0; i < ARRAY_SIZE(reads); i++)
			n_refused += reads[i].done;
	}
	ttrpc_client_free(other);
	assert_served(f);
	assert_int_equal(remove_container(f, "c1"), 0);
}

static void a_client_that_does_not_read_blocks_only_itself(void **state)
{
	struct fixture *f = *state;
	struct ttrpc_client *other = fixture_connect(f);
	static struct reply reads[50];

	run_container(f, "c1", "exec yes");
	for (size_t i = 0; i < ARRAY_SIZE(reads); i++)
		read_start_on(f, other, "c1", 0, &reads[i]);
	/* Its replies are queued or refused; our own calls go through meanwhile. */
	for (int i = 0; i < 100; i++)
		assert_served(f);
	ttrpc_client_free(other);
}

static void texts_with_a_nul_are_refused(void **state)
{
	/* A RemoveContainerRequest whose id is "c\0x", as protobuf-c would never encode it. */
	static const uint8_t id[] = {0x0a, 3, 'c', 0, 'x'};
	static const char service[] = "grpc.AgentService", method[] = "RemoveContainer";
	struct fixture *f = *state;
	uint8_t payload[128], reply[256];
	size_t n = 0;
	int fd = fixture_socket(f);
	ssize_t got;

	payload[n++] = 0x0a;
	payload[n++] = sizeof(service) - 1;
	memcpy(payload + n, service, sizeof(service) - 1);
	n += sizeof(service) - 1;
	payload[n++] = 0x12;
	payload[n++] = sizeof(method) - 1;
	memcpy(payload + n, method, sizeof(method) - 1);
	n += sizeof(method) - 1;
	payload[n++] = 0x1a;
	payload[n++] = sizeof(id);
	memcpy(payload + n, id, sizeof(id));
	n += sizeof(id);
	send_frame(fd, (uint32_t)n, 1, TTRPC_REQUEST, payload, n);
	got = recv(fd, reply, sizeof(reply), 0);
	/* Status UNKNOWN: the inner message could not be decoded. */
	assert_true(got > TTRPC_HEADER_SIZE + 4);
	assert_int_equal(reply[TTRPC_HEADER_SIZE], 0x0a);
	assert_int_equal(reply[TTRPC_HEADER_SIZE + 2], 0x08);
	assert_int_equal(reply[TTRPC_HEADER_SIZE + 3], WIRE_UNKNOWN);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		agent_test(random_bytes_hurt_nobody),
		agent_test(a_hundred_clients_of_noise_hurt_nobody),
		agent_test(random_payloads_hurt_nobody),
		agent_test(frames_that_never_end_hold_up_nobody),
		agent_test(impossible_headers_are_survived),
		agent_test(more_connections_than_allowed_wait_or_fail),
		agent_test(parked_calls_are_bounded_and_dropped_with_their_client),
		agent_test(a_client_that_does_not_read_blocks_only_itself),
		agent_test(texts_with_a_nul_are_refused),
	};

	fixture_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
