/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "base/io.h"
#include "oom.h"
#include "vsock_guest.h"

static void sending_after_shutdown_is_an_offence(void **state)
{
	struct guest *g = *state;
	uint32_t port;
	int fd = guest_open_from_host(g, 1024, &port);

	guest_send_shutdown(g, 1024, port, VSOCK_SHUTDOWN_SEND);
	guest_send_bytes(g, 1024, port, "x", 1);
	guest_expect(g, VSOCK_OP_RST, NULL);
	host_expect_end(g, fd);
	close(fd);
}

enum answer { DROPPED, RESET, IGNORED };

static void hostile_packets_get_what_they_deserve(void **state)
{
	struct guest *g = *state;
	static const struct {
		const char *what;
		struct vsock_header h;
		size_t len;
		enum answer answer; /* to a packet with no connection, then to one with: RESET for
				       all */
	} rows[] = {
		{"RW to nothing", {3, 2, 5, 6, 0, 1, VSOCK_OP_RW, 0, 0, 0}, 0, RESET},
		{"RW with bytes to nothing", {3, 2, 5, 6, 8, 1, VSOCK_OP_RW, 0, 0, 0}, 8, RESET},
		{"RESPONSE to nothing", {3, 2, 5, 6, 0, 1, VSOCK_OP_RESPONSE, 0, 0, 0}, 0, RESET},
		{"SHUTDOWN of nothing", {3, 2, 5, 6, 0, 1, VSOCK_OP_SHUTDOWN, 3, 0, 0}, 0, RESET},
		{"credit to nothing", {3, 2, 5, 6, 0, 1, VSOCK_OP_CREDIT_UPDATE, 0, 9, 9}, 0,
			RESET},
		{"credit from nothing", {3, 2, 5, 6, 0, 1, VSOCK_OP_CREDIT_REQUEST, 0, 9, 9}, 0,
			RESET},
		{"RST to nothing", {3, 2, 5, 6, 0, 1, VSOCK_OP_RST, 0, 0, 0}, 0, IGNORED},
		{"RST, no such type", {3, 2, 5, 6, 0, 9, VSOCK_OP_RST, 0, 0, 0}, 0, IGNORED},
		{"no operation", {3, 2, 5, 6, 0, 1, VSOCK_OP_INVALID, 0, 0, 0}, 0, RESET},
		{"no such operation", {3, 2, 5, 6, 0, 1, VSOCK_OP_COUNT, 0, 0, 0}, 0, RESET},
		{"operation 65535", {3, 2, 5, 6, 0, 1, UINT16_MAX, 0, 0, 0}, 0, RESET},
		{"seqpacket", {3, 2, 5, 6, 0, 2, VSOCK_OP_REQUEST, 0, 0, 0}, 0, RESET},
		{"no type", {3, 2, 5, 6, 0, 0, VSOCK_OP_REQUEST, 0, 0, 0}, 0, RESET},
		{"to another guest", {3, 7, 5, 6, 0, 1, VSOCK_OP_REQUEST, 0, 0, 0}, 0, RESET},
		{"to itself", {3, 3, 5, 6, 0, 1, VSOCK_OP_REQUEST, 0, 0, 0}, 0, RESET},
		{"to any", {3, UINT64_MAX, 5, 6, 0, 1, VSOCK_OP_REQUEST, 0, 0, 0}, 0, RESET},
		{"from the host", {2, 2, 5, 6, 0, 1, VSOCK_OP_REQUEST, 0, 0, 0}, 0, DROPPED},
		{"from another guest", {4, 2, 5, 6, 0, 1, VSOCK_OP_REQUEST, 0, 0, 0}, 0, DROPPED},
		{"64-bit cid", {3 | UINT64_C(1) << 32, 2, 5, 6, 0, 1, VSOCK_OP_RW, 0, 0, 0}, 0,
			DROPPED},
		{"longer than it is", {3, 2, 5, 6, 9, 1, VSOCK_OP_REQUEST, 0, 0, 0}, 8, RESET},
		{"a length that wraps", {3, 2, 5, 6, UINT32_MAX, 1, VSOCK_OP_RW, 0, 0, 0}, 8,
			RESET},
		{"credit ahead", {3, 2, 5, 6, 0, 1, VSOCK_OP_REQUEST, 0, 0, 1}, 0, RESET},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vsock_header h = {0};
		bool answered;

		guest_send_raw(g, &rows[i].h, "eightbyt", rows[i].len);
		guest_run(g);
		answered = guest_receive(g, &h, NULL);
		if (answered != (rows[i].answer == RESET))
			fail_msg(
				"%s: %s", rows[i].what, answered ? vsock_op_name(h.op) : "nothing");
		if (!answered)
			continue;
		assert_int_equal(h.op, VSOCK_OP_RST);
		assert_true(h.src_cid == rows[i].h.dst_cid);
		assert_int_equal(h.type, rows[i].h.type);
		assert_int_equal(h.src_port, 6);
		assert_int_equal(h.dst_port, 5);
		assert_int_equal(h.len, 0);
	}
	assert_int_equal(vsock_n_conns(g->dev), 0);
	assert_int_equal(g->n_dials, 0);
	assert_int_equal(g->n_broken, 0);
}

static void nonsense_resets_an_open_connection(void **state)
{
	struct guest *g = *state;
	static const struct vsock_header rows[] = {
		{.op = VSOCK_OP_INVALID},
		{.op = VSOCK_OP_COUNT},
		{.op = VSOCK_OP_REQUEST},
		{.op = VSOCK_OP_RESPONSE},
		{.op = VSOCK_OP_RW, .len = 1}, /* has none */
		{.op = VSOCK_OP_CREDIT_UPDATE, .fwd_cnt = 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vsock_header h = rows[i];
		int fd = guest_open_from_guest(g, 5, 6);

		h.src_cid = GUEST_CID;
		h.dst_cid = VSOCK_CID_HOST;
		h.type = VSOCK_TYPE_STREAM;
		h.src_port = 5;
		h.dst_port = 6;
		guest_send_raw(g, &h, NULL, 0);
		guest_expect(g, VSOCK_OP_RST, NULL);
		host_expect_end(g, fd);
		assert_int_equal(vsock_n_conns(g->dev), 0);
		close(fd);
	}
}

static void answers_out_of_turn_reset(void **state)
{
	struct guest *g = *state;
	int fd = guest_client(g, "CONNECT 9\n");
	struct vsock_header h;

	guest_expect(g, VSOCK_OP_REQUEST, &h);
	guest_send_bytes(g, 9, h.src_port, "early", 5);
	guest_expect(g, VSOCK_OP_RST, NULL);
	host_expect_end(g, fd);
	close(fd);
	/* While the host's side is being dialled. */
	guest_send_op(g, VSOCK_OP_REQUEST, 5, 6);
	guest_send_bytes(g, 5, 6, "early", 5);
	guest_expect(g, VSOCK_OP_RST, NULL);
	assert_int_equal(vsock_n_conns(g->dev), 0);
}

static void short_packets_and_odd_buffers_break_the_queue(void **state)
{
	struct guest *g = *state;
	const struct driver_part short_tx = {g->tx_gpa, VSOCK_HEADER_SIZE - 1, false},
				 no_room = {g->rx_gpa[0], VSOCK_HEADER_SIZE, true},
				 readable = {g->rx_gpa[0], 4096, false};

	driver_add(&g->tx, &short_tx, 1);
	assert_false(vsock_process_tx(g->dev));
	assert_true(g->n_broken > 0);
	assert_non_null(vq_broken(&g->tx.vq));
	assert_int_equal(vq_start(&g->tx.vq, 1), 0);
	for (unsigned i = 0; i < 2; i++) {
		int fd = guest_client(g, "CONNECT 9\n");

		g->n_broken = 0;
		driver_add(&g->rx, i == 0 ? &no_room : &readable, 1);
		guest_expect_nothing(g);
		assert_true(g->n_broken > 0);
		assert_non_null(vq_broken(&g->rx.vq));
		close(fd);
		guest_run(g);
		assert_int_equal(vq_start(&g->rx.vq, (uint16_t)(i + 1)), 0);
	}
}

static void a_header_may_be_cut_anywhere(void **state)
{
	struct guest *g = *state;
	int fd = guest_open_from_guest(g, 5, 6);
	struct vsock_header h = {.src_cid = GUEST_CID,
		.dst_cid = VSOCK_CID_HOST,
		.src_port = 5,
		.dst_port = 6,
		.len = 4,
		.type = VSOCK_TYPE_STREAM,
		.op = VSOCK_OP_RW,
		.buf_alloc = 4096};
	uint8_t *p = driver_ptr(&g->driver, g->tx_gpa);

	vsock_header_encode(&h, p);
	for (uint32_t cut = 1; cut < VSOCK_HEADER_SIZE + 4; cut++) {
		const struct driver_part parts[] = {{g->tx_gpa, cut, false},
			{g->tx_gpa + cut, VSOCK_HEADER_SIZE + 4 - cut, false}};
		uint16_t head;
		uint32_t len;

		p[VSOCK_HEADER_SIZE] = (uint8_t)('a' + cut % 20);
		driver_add(&g->tx, parts, 2);
		assert_false(vsock_process_tx(g->dev));
		assert_true(driver_take(&g->tx, &head, &len));
		assert_int_equal(host_read(fd, p + 1000, 100), 4);
		assert_memory_equal(p + 1000, p + VSOCK_HEADER_SIZE, 4);
	}
	close(fd);
}

static void connections_are_counted(void **state)
{
	struct guest *g = *state;
	static int fds[VSOCK_CONNS_MAX];
	struct vsock_header h;
	int waiting;

	for (uint32_t i = 0; i < VSOCK_CONNS_MAX; i++) {
		fds[i] = guest_open_from_guest(g, i, 6);
		assert_int_equal(vsock_n_conns(g->dev), i + 1);
	}
	guest_send_op(g, VSOCK_OP_REQUEST, 5000, 6);
	guest_expect(g, VSOCK_OP_RST, &h);
	assert_int_equal(h.dst_port, 5000);
	waiting = guest_client(g, "CONNECT 9\n");
	guest_expect_nothing(g);
	/* The later ones were given the small buffer. */
	guest_send_op(g, VSOCK_OP_CREDIT_REQUEST, 0, 6);
	guest_expect(g, VSOCK_OP_CREDIT_UPDATE, &h);
	assert_int_equal(h.buf_alloc, VSOCK_BUF_LARGE);
	guest_send_op(g, VSOCK_OP_CREDIT_REQUEST, VSOCK_LARGE_MAX, 6);
	guest_expect(g, VSOCK_OP_CREDIT_UPDATE, &h);
	assert_int_equal(h.buf_alloc, VSOCK_BUF_SMALL);
	/* One place is free: the client in the listen queue gets it. */
	guest_send_op(g, VSOCK_OP_RST, 500, 6);
	guest_expect(g, VSOCK_OP_REQUEST, &h);
	assert_int_equal(h.dst_port, 9);
	vsock_reset(g->dev);
	assert_int_equal(vsock_n_conns(g->dev), 0);
	host_expect_end(g, waiting);
	for (uint32_t i = 0; i < VSOCK_CONNS_MAX; i++) {
		host_expect_end(g, fds[i]);
		close(fds[i]);
	}
	guest_expect_nothing(g);
	close(waiting);
}

static void stray_packets_wait_for_buffers(void **state)
{
	struct guest *g = *state;
	struct vsock_header h = {3, 2, 1, 2, 0, 1, VSOCK_OP_RW, 0, 0, 0};
	unsigned n_answers = 0, n_sent = 0;

	/* No receive buffers: the device stops taking packets instead of remembering answers. */
	while (g->tx.n_free > 0) {
		h.src_port = n_sent++;
		guest_send_raw(g, &h, NULL, 0);
	}
	assert_int_equal(n_sent, VSOCK_RSTS_MAX + GUEST_QUEUE_SIZE);
	for (guest_post(g, 4); guest_receive(g, &h, NULL); n_answers++) {
		assert_int_equal(h.op, VSOCK_OP_RST);
		/* Those that had to wait lie in the same memory, so they look like the last. */
		assert_int_equal(h.dst_port, n_answers < VSOCK_RSTS_MAX ? n_answers : n_sent - 1);
	}
	assert_int_equal(n_answers, n_sent);
}

static void a_bounded_number_of_packets_is_handled_at_once(void **state)
{
	struct guest *g = *state;
	const struct driver_part part = {g->tx_gpa, VSOCK_HEADER_SIZE, false};
	struct vsock_header h = {3, 2, 1, 2, 0, 1, VSOCK_OP_RST, 0, 0, 0};

	vsock_header_encode(&h, driver_ptr(&g->driver, g->tx_gpa));
	for (unsigned i = 0; i < GUEST_QUEUE_SIZE; i++)
		driver_add(&g->tx, &part, 1);
	assert_true(vsock_process_tx(g->dev));
	assert_false(vsock_process_tx(g->dev));
}

/* Whatever allocation fails: no leak, no crash, and whoever wanted it hears of it. */
static void no_memory_is_survived(void **state)
{
	struct guest *g = *state;
	struct vsock_config config = {.loop = g->loop,
		.rx = &g->rx.vq,
		.tx = &g->tx.vq,
		.guest_cid = GUEST_CID,
		.listen_fd = io_dup(g->listen_fd)};
	struct vsock *dev;
	struct vsock_header h;
	bool failed = true;
	int fd;

	for (unsigned n = 1; failed; n++) {
		int r;

		oom_arm(n);
		r = vsock_new(&config, &dev);
		oom_disarm();
		failed = oom_has_struck();
		assert_int_equal(r, failed ? -ENOMEM : 0);
		if (r == 0)
			vsock_free(dev);
	}
	close(config.listen_fd);
	fd = guest_client(g, "CONNECT 9\n");
	for (unsigned n = 1; n <= 2; n++) {
		char byte;

		oom_arm(n);
		guest_run(g);
		oom_disarm();
		assert_true(oom_has_struck());
		assert_int_equal(host_read(fd, &byte, 1), -ECONNRESET);
		close(fd);
		fd = guest_client(g, "CONNECT 9\n");
	}
	close(fd);
	guest_run(g);
	while (guest_receive(g, &h, NULL))
		;
	oom_arm(1);
	guest_send_op(g, VSOCK_OP_REQUEST, 5, 6);
	oom_disarm();
	guest_expect(g, VSOCK_OP_RST, NULL);
	fd = guest_open_from_guest(g, 5, 6);
	oom_arm(1);
	guest_fill(g, 5, 6, VSOCK_BUF_LARGE); /* more than a socket holds: needs the backlog */
	assert_true(oom_has_struck());
	oom_disarm();
	do
		guest_run(g);
	while (guest_receive(g, &h, NULL) && h.op != VSOCK_OP_RST);
	assert_int_equal(h.op, VSOCK_OP_RST);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_test(sending_after_shutdown_is_an_offence),
		guest_test(hostile_packets_get_what_they_deserve),
		guest_test(nonsense_resets_an_open_connection),
		guest_test(answers_out_of_turn_reset),
		bare_guest_test(short_packets_and_odd_buffers_break_the_queue),
		guest_test(a_header_may_be_cut_anywhere),
		guest_test(connections_are_counted),
		bare_guest_test(stray_packets_wait_for_buffers),
		guest_test(a_bounded_number_of_packets_is_handled_at_once),
		guest_test(no_memory_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
