/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "vsock_guest.h"

static void bytes_go_both_ways(void **state)
{
	struct guest *g = *state;
	struct vsock_header h;
	char payload[GUEST_RX_SIZE];
	uint32_t port;
	int fd = guest_open_from_host(g, 1024, &port);

	assert_int_equal(write(fd, "ping", 4), 4);
	guest_run(g);
	assert_true(guest_receive(g, &h, payload));
	assert_int_equal(h.op, VSOCK_OP_RW);
	assert_int_equal(h.src_port, port);
	assert_int_equal(h.dst_port, 1024);
	assert_int_equal(h.len, 4);
	assert_memory_equal(payload, "ping", 4);
	assert_int_equal(h.buf_alloc, VSOCK_BUF_LARGE);
	assert_int_equal(h.fwd_cnt, 0);
	guest_send_bytes(g, 1024, port, "pong!", 5);
	host_expect(fd, "pong!");
	assert_int_equal(write(fd, "x", 1), 1);
	guest_expect(g, VSOCK_OP_RW, &h);
	assert_int_equal(h.fwd_cnt, 5);
	assert_true(g->n_interrupts > 0);
	close(fd);
}

static void the_guest_connects_to_the_host(void **state)
{
	struct guest *g = *state;
	int fd = guest_open_from_guest(g, 700, 10240);

	guest_send_bytes(g, 700, 10240, "hello", 5);
	host_expect(fd, "hello");
	assert_int_equal(write(fd, "you", 3), 3);
	guest_expect(g, VSOCK_OP_RW, NULL);
	/* Again from the same port while it is open: not a second connection, and not the first. */
	guest_send_op(g, VSOCK_OP_REQUEST, 700, 10240);
	guest_expect(g, VSOCK_OP_RST, NULL);
	host_expect_end(g, fd);
	assert_int_equal(vsock_n_conns(g->dev), 0);
	close(fd);
}

static void refusals_reach_the_other_side(void **state)
{
	struct guest *g = *state;
	struct vsock_header h;
	int fd = guest_client(g, "CONNECT 9\n");

	guest_expect(g, VSOCK_OP_REQUEST, &h);
	guest_send_op(g, VSOCK_OP_RST, 9, h.src_port);
	host_expect_end(g, fd);
	close(fd);
	/* And of the guest's: no such socket, found at once or later. */
	g->dial_refused = true;
	guest_send_op(g, VSOCK_OP_REQUEST, 5, 6);
	guest_expect(g, VSOCK_OP_RST, &h);
	assert_int_equal(h.src_port, 6);
	assert_int_equal(h.dst_port, 5);
	g->dial_refused = false;
	guest_send_op(g, VSOCK_OP_REQUEST, 5, 6);
	guest_expect_nothing(g);
	vsock_dialled(g->dev, g->dial_id[0], -1);
	guest_expect(g, VSOCK_OP_RST, &h);
	assert_int_equal(vsock_n_conns(g->dev), 0);
	/* An answer that nobody waits for any more closes its socket. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	vsock_dialled(g->dev, g->dial_id[0], fd);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void a_client_waits_only_so_long(void **state)
{
	struct guest *g = *state;
	int silent = guest_client(g, ""), half = guest_client(g, "CONN"),
	    unanswered = guest_client(g, "CONNECT 9\n");
	char byte;

	guest_expect(g, VSOCK_OP_REQUEST, NULL);
	clock_shift_ns += VSOCK_CONNECT_NS - NS_PER_S;
	guest_run(g);
	assert_int_equal(host_read(silent, &byte, 1), -EAGAIN);
	clock_shift_ns += 2 * NS_PER_S;
	host_expect_end(g, silent);
	host_expect_end(g, half);
	host_expect_end(g, unanswered);
	guest_expect(g, VSOCK_OP_RST, NULL);
	assert_int_equal(vsock_n_conns(g->dev), 0);
	close(silent);
	close(half);
	close(unanswered);
}

static void a_guest_without_buffers_makes_clients_wait(void **state)
{
	struct guest *g = *state;
	int fd = guest_client(g, "CONNECT 9\n"), gone = guest_client(g, "CONNECT 9\n");
	struct vsock_header h;

	/* No receive buffer yet: the driver has not come up. */
	guest_expect_nothing(g);
	assert_int_equal(vsock_n_conns(g->dev), 2);
	close(gone);
	guest_run(g);
	assert_int_equal(vsock_n_conns(g->dev), 1);
	guest_post(g, 1);
	assert_true(guest_receive(g, &h, NULL));
	assert_int_equal(h.op, VSOCK_OP_REQUEST);
	/* Never answered: the guest hears of it, the client too. */
	clock_shift_ns += VSOCK_CONNECT_NS + NS_PER_S;
	guest_expect(g, VSOCK_OP_RST, NULL);
	host_expect_end(g, fd);
	close(fd);
}

static void bad_lines_are_hung_up_on(void **state)
{
	struct guest *g = *state;
	static const char *const lines[] = {"CONNECT x\n", "CONNECT 1024\r\n", "\n", "HELLO\n",
		"CONNECT 99999999999\n", "CONNECT 111111111111111111111111",
		"CONNECT 4294967294x\n"};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		int fd = guest_client(g, lines[i]);
		char byte;
		ssize_t n;

		guest_run(g);
		n = host_read(fd, &byte, 1);
		/* Reset if a part of the line was never read. */
		if (n != 0 && n != -ECONNRESET)
			fail_msg("%s: %zd", lines[i], n);
		assert_int_equal(vsock_n_conns(g->dev), 0);
		close(fd);
	}
	guest_expect_nothing(g);
}

static void a_line_may_come_in_pieces_with_data_behind(void **state)
{
	struct guest *g = *state;
	int fd = guest_client(g, "CON");
	struct vsock_header h;
	char payload[GUEST_RX_SIZE];

	guest_expect_nothing(g);
	assert_int_equal(write(fd, "NECT 77", 7), 7);
	guest_expect_nothing(g);
	assert_int_equal(write(fd, "\nCONNECT 78\n", 12), 12);
	guest_expect(g, VSOCK_OP_REQUEST, &h);
	assert_int_equal(h.dst_port, 77);
	guest_send_op(g, VSOCK_OP_RESPONSE, 77, h.src_port);
	guest_run(g);
	assert_true(guest_receive(g, &h, payload));
	assert_int_equal(h.op, VSOCK_OP_RW);
	assert_int_equal(h.len, 11);
	assert_memory_equal(payload, "CONNECT 78\n", 11);
	close(fd);
}

static void the_host_closes_one_side_then_the_other(void **state)
{
	struct guest *g = *state;
	struct vsock_header h;
	uint32_t port;
	int fd = guest_open_from_host(g, 1024, &port);

	assert_int_equal(write(fd, "last", 4), 4);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	guest_expect(g, VSOCK_OP_RW, NULL);
	guest_expect(g, VSOCK_OP_SHUTDOWN, &h);
	assert_int_equal(h.flags, VSOCK_SHUTDOWN_SEND);
	guest_send_bytes(g, 1024, port, "answer", 6);
	host_expect(fd, "answer");
	guest_expect_nothing(g);
	close(fd);
	guest_expect(g, VSOCK_OP_SHUTDOWN, &h);
	assert_int_equal(h.flags, VSOCK_SHUTDOWN_BOTH);
	assert_int_equal(vsock_n_conns(g->dev), 1);
	guest_send_op(g, VSOCK_OP_RST, 1024, port);
	assert_int_equal(vsock_n_conns(g->dev), 0);
	guest_expect_nothing(g);
}

static void a_client_that_closes_has_its_bytes_delivered(void **state)
{
	struct guest *g = *state;
	struct vsock_header h;
	uint32_t port;
	int fd = guest_open_from_host(g, 1024, &port);

	/* Bytes for the client, unread when it closes, make the socket fail with ECONNRESET. */
	guest_send_bytes(g, 1024, port, "unread", 6);
	assert_int_equal(write(fd, "bye", 3), 3);
	close(fd);
	guest_expect(g, VSOCK_OP_RW, &h);
	assert_int_equal(h.len, 3);
	guest_expect(g, VSOCK_OP_SHUTDOWN, &h);
	assert_int_equal(h.flags, VSOCK_SHUTDOWN_BOTH);
	/* Bytes of the guest on their way are dropped in peace; it never answers, so RST in the
	 * end. */
	guest_send_bytes(g, 1024, port, "late", 4);
	guest_expect_nothing(g);
	clock_shift_ns += VSOCK_CLOSE_NS + NS_PER_S;
	guest_expect(g, VSOCK_OP_RST, NULL);
	assert_int_equal(vsock_n_conns(g->dev), 0);
}

static void the_guest_closes_one_side_then_the_other(void **state)
{
	struct guest *g = *state;
	struct vsock_header h;
	uint32_t port;
	int fd = guest_open_from_host(g, 1024, &port);

	guest_send_bytes(g, 1024, port, "end", 3);
	guest_send_shutdown(g, 1024, port, VSOCK_SHUTDOWN_SEND);
	host_expect(fd, "end");
	host_expect_end(g, fd);
	assert_int_equal(write(fd, "more", 4), 4);
	guest_expect(g, VSOCK_OP_RW, &h);
	guest_send_shutdown(g, 1024, port, VSOCK_SHUTDOWN_RECEIVE);
	guest_expect(g, VSOCK_OP_RST, NULL);
	assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(vsock_n_conns(g->dev), 0);
	close(fd);
}

static void a_guest_that_stops_receiving_stops_the_client(void **state)
{
	struct guest *g = *state;
	struct vsock_header h;
	uint32_t port;
	int fd = guest_open_from_host(g, 1024, &port);

	guest_send_shutdown(g, 1024, port, VSOCK_SHUTDOWN_RECEIVE);
	guest_expect(g, VSOCK_OP_SHUTDOWN, &h);
	assert_int_equal(h.flags, VSOCK_SHUTDOWN_SEND);
	assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), -1);
	guest_send_bytes(g, 1024, port, "still", 5);
	host_expect(fd, "still");
	close(fd);
	guest_expect(g, VSOCK_OP_SHUTDOWN, &h);
	assert_int_equal(h.flags, VSOCK_SHUTDOWN_BOTH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_test(bytes_go_both_ways),
		guest_test(the_guest_connects_to_the_host),
		guest_test(refusals_reach_the_other_side),
		guest_test(a_client_waits_only_so_long),
		bare_guest_test(a_guest_without_buffers_makes_clients_wait),
		guest_test(bad_lines_are_hung_up_on),
		guest_test(a_line_may_come_in_pieces_with_data_behind),
		guest_test(the_host_closes_one_side_then_the_other),
		guest_test(a_client_that_closes_has_its_bytes_delivered),
		guest_test(the_guest_closes_one_side_then_the_other),
		guest_test(a_guest_that_stops_receiving_stops_the_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
