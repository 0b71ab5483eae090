/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "vsock_guest.h"

static void a_slow_reader_gets_every_byte(void **state)
{
	struct guest *g = *state;
	struct vsock_header h;
	uint32_t port, len = VSOCK_BUF_LARGE;
	int fd = guest_open_from_host(g, 1024, &port);

	guest_fill(g, 1024, port, len);
	guest_run(g);
	while (guest_receive(g, &h, NULL))
		assert_int_equal(h.op, VSOCK_OP_CREDIT_UPDATE);
	assert_true(h.fwd_cnt < len);
	host_expect_filled(g, fd, len);
	guest_send_op(g, VSOCK_OP_CREDIT_REQUEST, 1024, port);
	guest_expect(g, VSOCK_OP_CREDIT_UPDATE, &h);
	assert_int_equal(h.fwd_cnt, len);
	close(fd);
}

static void bytes_beyond_credit_reset(void **state)
{
	struct guest *g = *state;
	uint32_t port;
	int fd = guest_open_from_host(g, 1024, &port);
	struct vsock_header h = {0};

	for (unsigned i = 0; i < 64 && h.op != VSOCK_OP_RST; i++) {
		guest_fill(g, 1024, port, 64 << 10);
		while (h.op != VSOCK_OP_RST && guest_receive(g, &h, NULL))
			assert_true(h.op == VSOCK_OP_CREDIT_UPDATE || h.op == VSOCK_OP_RST);
	}
	assert_int_equal(h.op, VSOCK_OP_RST);
	assert_int_equal(vsock_n_conns(g->dev), 0);
	close(fd);
	/* In one packet, larger than any credit. */
	fd = guest_open_from_guest(g, 7, 8);
	{
		static uint8_t big[VSOCK_BUF_LARGE + 1];

		guest_send_bytes(g, 7, 8, big, sizeof(big));
	}
	guest_expect(g, VSOCK_OP_RST, NULL);
	host_expect_end(g, fd);
	close(fd);
}

/* The guest's program writes and exits; the reader has not begun. */
static void write_and_exit(struct guest *g, uint32_t port, uint32_t len)
{
	struct vsock_header h;

	guest_fill(g, 1024, port, len);
	while (guest_receive(g, &h, NULL))
		;
	guest_send_shutdown(g, 1024, port, VSOCK_SHUTDOWN_BOTH);
	guest_expect(g, VSOCK_OP_SHUTDOWN, &h);
	assert_int_equal(h.flags, VSOCK_SHUTDOWN_SEND);
}

static void closing_does_not_lose_what_waits(void **state)
{
	struct guest *g = *state;
	uint32_t port, len = VSOCK_BUF_LARGE;
	int fd = guest_open_from_host(g, 1024, &port), again;

	write_and_exit(g, port, len);
	guest_expect_nothing(g);
	assert_int_equal(vsock_n_conns(g->dev), 1);
	/* Linux gives up waiting for our RST after eight seconds and sends its own. */
	guest_send_op(g, VSOCK_OP_RST, 1024, port);
	assert_int_equal(vsock_n_conns(g->dev), 1);
	/* To the guest the ports are free. */
	again = guest_open_from_guest(g, 1024, port);
	guest_send_bytes(g, 1024, port, "new", 3);
	host_expect(again, "new");
	host_expect_filled(g, fd, len);
	host_expect_end(g, fd);
	assert_int_equal(vsock_n_conns(g->dev), 1);
	guest_expect_nothing(g);
	close(again);
	close(fd);
}

static void closing_waits_for_the_reader_then_resets(void **state)
{
	struct guest *g = *state;
	struct vsock_header h;
	uint32_t port, len = VSOCK_BUF_LARGE;
	int fd = guest_open_from_host(g, 1024, &port);

	write_and_exit(g, port, len);
	host_expect_filled(g, fd, len);
	guest_run(g);
	do
		assert_true(guest_receive(g, &h, NULL));
	while (h.op == VSOCK_OP_CREDIT_UPDATE);
	assert_int_equal(h.op, VSOCK_OP_RST);
	host_expect_end(g, fd);
	assert_int_equal(vsock_n_conns(g->dev), 0);
	close(fd);
}

static void the_host_sends_no_more_than_the_guest_takes(void **state)
{
	struct guest *g = *state;
	static uint8_t bytes[8192];
	struct vsock_header h, request;
	int fd = guest_client(g, "CONNECT 5\n");
	struct vsock_header update;

	guest_expect(g, VSOCK_OP_REQUEST, &request);
	guest_send(g,
		(struct vsock_header){.op = VSOCK_OP_RESPONSE,
			.src_port = 5,
			.dst_port = request.src_port,
			.buf_alloc = 5000},
		NULL);
	assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
	guest_expect(g, VSOCK_OP_RW, &h);
	assert_int_equal(h.len, GUEST_RX_SIZE - VSOCK_HEADER_SIZE);
	guest_expect(g, VSOCK_OP_RW, &h);
	assert_int_equal(h.len, 5000 - (GUEST_RX_SIZE - VSOCK_HEADER_SIZE));
	guest_expect(g, VSOCK_OP_CREDIT_REQUEST, NULL);
	/* Asked once, not each time. */
	assert_int_equal(write(fd, bytes, 1), 1);
	guest_expect_nothing(g);
	update = (struct vsock_header){.op = VSOCK_OP_CREDIT_UPDATE,
		.src_port = 5,
		.dst_port = request.src_port,
		.buf_alloc = 5000};
	guest_send(g, update, NULL);
	guest_expect_nothing(g);
	update.fwd_cnt = 10;
	guest_send(g, update, NULL);
	guest_expect(g, VSOCK_OP_RW, &h);
	assert_int_equal(h.len, 10);
	guest_expect(g, VSOCK_OP_CREDIT_REQUEST, NULL);
	update.fwd_cnt = 5011; /* one more than was sent */
	guest_send(g, update, NULL);
	guest_expect(g, VSOCK_OP_RST, NULL);
	close(fd);
}

static void credit_is_told_when_asked(void **state)
{
	struct guest *g = *state;
	struct vsock_header h;
	uint32_t port;
	int fd = guest_open_from_host(g, 1024, &port);

	guest_send_bytes(g, 1024, port, "12345", 5);
	guest_send_op(g, VSOCK_OP_CREDIT_REQUEST, 1024, port);
	guest_expect(g, VSOCK_OP_CREDIT_UPDATE, &h);
	assert_int_equal(h.fwd_cnt, 5);
	assert_int_equal(h.buf_alloc, VSOCK_BUF_LARGE);
	close(fd);
}

static void without_buffers_nothing_is_read_from_the_host(void **state)
{
	struct guest *g = *state;
	static uint8_t bytes[4096];
	struct vsock_header h;
	uint32_t port;
	int fd, filled = 0;

	g->keep_buffers = true;
	guest_post(g, 1);
	fd = guest_client(g, "CONNECT 5\n");
	guest_expect(g, VSOCK_OP_REQUEST, &h);
	port = h.src_port;
	guest_send_op(g, VSOCK_OP_RESPONSE, 5, port);
	/* The client can write until its own socket is full: the device holds none of it. */
	for (unsigned i = 0; i < 1000 && write(fd, bytes, sizeof(bytes)) > 0; i++) {
		filled++;
		guest_run(g);
	}
	assert_true(filled < 1000);
	guest_expect_nothing(g);
	assert_int_equal(write(fd, bytes, 1), -1);
	guest_post(g, 2);
	guest_expect(g, VSOCK_OP_RW, &h);
	guest_expect(g, VSOCK_OP_RW, &h);
	guest_expect_nothing(g);
	close(fd);
}

static void waiting_streams_take_turns(void **state)
{
	struct guest *g = *state;
	enum { N = 10 };
	static uint8_t bytes[64 << 10];
	int fds[N];
	unsigned n_packets[N] = {0};

	for (uint32_t i = 0; i < N; i++)
		fds[i] = guest_open_from_guest(g, 100 + i, 50);
	g->keep_buffers = true;
	for (uint32_t i = 0; i < N; i++)
		assert_true(write(fds[i], bytes, sizeof(bytes)) > 0);
	for (unsigned round = 0; round < 100; round++) {
		struct vsock_header h;

		guest_run(g);
		while (guest_receive(g, &h, NULL))
			if (h.op == VSOCK_OP_RW)
				n_packets[h.dst_port - 100]++;
		guest_post(g, 1);
	}
	for (unsigned i = 0; i < N; i++)
		if (n_packets[i] < 8)
			fail_msg("stream %u: %u packets", i, n_packets[i]);
	for (uint32_t i = 0; i < N; i++)
		close(fds[i]);
}

/* A model of many streams: random writes, reads and closes on both sides, every byte checked. */
struct stream {
	int fd;
	uint32_t port;
	uint32_t from_host, to_guest;	   /* bytes written by the client, seen by the guest */
	uint32_t from_guest, to_host;	   /* and the other way */
	uint32_t device_fwd, device_alloc; /* the device's credit as last told */
};

static uint8_t byte_at(uint32_t port, uint32_t at)
{
	return (uint8_t)(at * 7 + port + (at >> 8));
}

static uint32_t next_random(void)
{
	static uint32_t x = 99;

	x = x * 1664525 + 1013904223;
	return x >> 8;
}

static void guest_sends_some(struct guest *g, struct stream *s)
{
	static uint8_t bytes[10000];
	uint32_t credit = s->device_alloc - (s->from_guest - s->device_fwd);
	uint32_t n = next_random() % sizeof(bytes);

	n = n < credit ? n : credit;
	for (uint32_t i = 0; i < n; i++)
		bytes[i] = byte_at(s->port, s->from_guest + i);
	guest_send(g,
		(struct vsock_header){.op = VSOCK_OP_RW,
			.src_port = s->port,
			.dst_port = 6,
			.len = n,
			.buf_alloc = 32 << 10,
			.fwd_cnt = s->to_guest},
		bytes);
	s->from_guest += n;
}

static void guest_reads_all(struct guest *g, struct stream *streams)
{
	uint8_t bytes[GUEST_RX_SIZE];
	struct vsock_header h;

	while (guest_receive(g, &h, bytes)) {
		struct stream *s = &streams[h.dst_port];

		if (h.op < VSOCK_OP_RW)
			fail_msg("stream %u: %s", s->port, vsock_op_name(h.op));
		s->device_fwd = h.fwd_cnt;
		s->device_alloc = h.buf_alloc;
		for (uint32_t i = 0; i < h.len; i++)
			assert_int_equal(bytes[i], byte_at(s->port, s->to_guest + i));
		s->to_guest += h.len;
		assert_true(s->to_guest <= s->from_host);
	}
}

static void client_writes_some(struct stream *s)
{
	uint8_t bytes[10000];
	size_t len = 1 + next_random() % sizeof(bytes);
	ssize_t n;

	for (uint32_t i = 0; i < len; i++)
		bytes[i] = byte_at(s->port, s->from_host + i);
	n = write(s->fd, bytes, len);
	if (n > 0)
		s->from_host += (uint32_t)n;
}

static void client_reads_some(struct stream *s)
{
	uint8_t bytes[10000];
	ssize_t n = read(s->fd, bytes, 1 + next_random() % sizeof(bytes));

	for (ssize_t i = 0; i < n; i++, s->to_host++)
		assert_int_equal(bytes[i], byte_at(s->port, s->to_host));
}

static void many_streams_keep_their_bytes(void **state)
{
	struct guest *g = *state;
	enum { N = 100, ROUNDS = 4000 };
	static struct stream streams[N];

	for (uint32_t i = 0; i < N; i++)
		streams[i] = (struct stream){.fd = guest_open_from_guest(g, i, 6),
			.port = i,
			.device_alloc = i < VSOCK_LARGE_MAX ? VSOCK_BUF_LARGE : VSOCK_BUF_SMALL};
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct stream *s = &streams[next_random() % N];

		switch (next_random() % 4) {
		case 0:
			guest_sends_some(g, s);
			break;
		case 1:
			client_writes_some(s);
			break;
		case 2:
			client_reads_some(s);
			break;
		default:
			guest_run(g);
			break;
		}
		guest_reads_all(g, streams);
	}
	for (uint32_t i = 0; i < N; i++) {
		struct stream *s = &streams[i];

		for (unsigned turn = 0;
			turn < 1000 && (s->to_host < s->from_guest || s->to_guest < s->from_host);
			turn++) {
			client_reads_some(s);
			guest_send(g,
				(struct vsock_header){.op = VSOCK_OP_CREDIT_UPDATE,
					.src_port = i,
					.dst_port = 6,
					.buf_alloc = 32 << 10,
					.fwd_cnt = s->to_guest},
				NULL);
			guest_run(g);
			guest_reads_all(g, streams);
		}
		assert_int_equal(s->to_host, s->from_guest);
		assert_int_equal(s->to_guest, s->from_host);
		assert_true(s->to_host > 0 && s->to_guest > 0);
	}
	for (uint32_t i = 0; i < N; i++)
		close(streams[i].fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_test(a_slow_reader_gets_every_byte),
		guest_test(bytes_beyond_credit_reset),
		guest_test(closing_does_not_lose_what_waits),
		guest_test(closing_waits_for_the_reader_then_resets),
		guest_test(the_host_sends_no_more_than_the_guest_takes),
		guest_test(credit_is_told_when_asked),
		bare_guest_test(without_buffers_nothing_is_read_from_the_host),
		guest_test(waiting_streams_take_turns),
		guest_test(many_streams_keep_their_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
