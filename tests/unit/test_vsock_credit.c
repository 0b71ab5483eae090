/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "virtio/vsock_credit.h"
#include "virtio/vsock_packet.h"

static void a_guest_may_fill_the_buffer_and_no_more(void **state)
{
	struct vsock_credit c;

	(void)state;
	vsock_credit_init(&c, 100);
	assert_int_equal(vsock_credit_received(&c, 0), 0);
	assert_int_equal(vsock_credit_received(&c, 101), -EPROTO);
	assert_int_equal(vsock_credit_received(&c, UINT32_MAX), -EPROTO);
	assert_int_equal(vsock_credit_received(&c, 60), 0);
	assert_int_equal(vsock_credit_received(&c, 41), -EPROTO);
	assert_int_equal(vsock_credit_received(&c, 40), 0);
	assert_int_equal(vsock_credit_received(&c, 1), -EPROTO);
	vsock_credit_forwarded(&c, 1);
	assert_int_equal(vsock_credit_received(&c, 1), 0);
	assert_int_equal(vsock_credit_received(&c, 1), -EPROTO);
}

static void the_guest_is_told_before_it_stalls(void **state)
{
	struct vsock_credit c;

	(void)state;
	vsock_credit_init(&c, 100);
	assert_int_equal(vsock_credit_received(&c, 50), 0);
	vsock_credit_forwarded(&c, 50);
	assert_false(vsock_credit_is_stale(&c));
	assert_int_equal(vsock_credit_received(&c, 1), 0);
	assert_true(vsock_credit_is_stale(&c));
	vsock_credit_told(&c);
	assert_false(vsock_credit_is_stale(&c));
	/* Nothing left the buffer since: telling would say nothing new. */
	assert_int_equal(vsock_credit_received(&c, 99), 0);
	assert_false(vsock_credit_is_stale(&c));
	vsock_credit_forwarded(&c, 1);
	assert_true(vsock_credit_is_stale(&c));
}

static void counters_wrap(void **state)
{
	struct vsock_credit c;
	uint32_t forwarded = 0;

	(void)state;
	vsock_credit_init(&c, 1 << 18);
	assert_int_equal(vsock_credit_peer(&c, 1 << 28, 0), 0);
	for (uint64_t total = 0; total < (UINT64_C(3) << 32); total += 1 << 28) {
		assert_int_equal(vsock_credit_space(&c), 1 << 28);
		vsock_credit_sent(&c, 1 << 28);
		assert_int_equal(vsock_credit_space(&c), 0);
		/* A byte ahead of what was sent is a lie at any place in the circle. */
		forwarded += 1 << 28;
		assert_int_equal(vsock_credit_peer(&c, 1 << 28, forwarded + 1), -EPROTO);
		assert_int_equal(vsock_credit_peer(&c, 1 << 28, forwarded), 0);
	}
	for (uint64_t total = 0; total < (UINT64_C(3) << 32); total += 1 << 18) {
		assert_int_equal(vsock_credit_received(&c, 1 << 18), 0);
		assert_int_equal(vsock_credit_received(&c, 1), -EPROTO);
		vsock_credit_forwarded(&c, 1 << 18);
	}
}

static void what_a_guest_says_is_checked(void **state)
{
	static const struct {
		uint32_t buf_alloc, fwd_cnt;
		int result;
		uint32_t space; /* of 1000 sent and 400 acknowledged before, window 2000 */
	} rows[] = {
		{2000, 400, 0, 1400}, {2000, 1000, 0, 2000}, {2000, 500, 0, 1500},
		{2000, 300, 0, 1400}, /* older: ignored */
		{3000, 0, 0, 2400},
		{100, 400, 0, 0}, /* the window shrinks below what is on its way */
		{600, 400, 0, 0}, {601, 400, 0, 1}, {0, 400, 0, 0},
		{UINT32_MAX, 1000, 0, VSOCK_WINDOW_MAX}, {2000, 1001, -EPROTO, 1400},
		{2000, UINT32_C(0x80000000), -EPROTO, 1400},
		{2000, UINT32_MAX, 0, 1400}, /* 1001 behind: as old as can be */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vsock_credit c;

		vsock_credit_init(&c, 100);
		assert_int_equal(vsock_credit_space(&c), 0);
		assert_int_equal(vsock_credit_peer(&c, 2000, 0), 0);
		vsock_credit_sent(&c, 1000);
		assert_int_equal(vsock_credit_peer(&c, 2000, 400), 0);
		if (vsock_credit_peer(&c, rows[i].buf_alloc, rows[i].fwd_cnt) != rows[i].result ||
			vsock_credit_space(&c) != rows[i].space)
			fail_msg("row %zu: space %u", i, vsock_credit_space(&c));
	}
}

static void headers_have_their_place_on_the_wire(void **state)
{
	static const uint8_t raw[VSOCK_HEADER_SIZE] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
		14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34,
		35, 36, 37, 38, 39, 40, 41, 42, 43, 44};
	struct vsock_header h;
	uint8_t again[VSOCK_HEADER_SIZE];

	(void)state;
	vsock_header_decode(raw, &h);
	assert_true(h.src_cid == UINT64_C(0x0807060504030201));
	assert_true(h.dst_cid == UINT64_C(0x100f0e0d0c0b0a09));
	assert_int_equal(h.src_port, 0x14131211);
	assert_int_equal(h.dst_port, 0x18171615);
	assert_int_equal(h.len, 0x1c1b1a19);
	assert_int_equal(h.type, 0x1e1d);
	assert_int_equal(h.op, 0x201f);
	assert_int_equal(h.flags, 0x24232221);
	assert_int_equal(h.buf_alloc, 0x28272625);
	assert_int_equal(h.fwd_cnt, 0x2c2b2a29);
	vsock_header_encode(&h, again);
	assert_memory_equal(again, raw, sizeof(raw));
	assert_string_equal(vsock_op_name(VSOCK_OP_CREDIT_REQUEST), "CREDIT_REQUEST");
	assert_string_equal(vsock_op_name(VSOCK_OP_COUNT), "?");
	assert_string_equal(vsock_op_name(UINT16_MAX), "?");
}

static void connect_lines_are_read_strictly(void **state)
{
	static const struct {
		const char *line;
		size_t len;
		int result;
		uint32_t port;
	} rows[] = {
#define ROW(line, result, port) {line, sizeof(line) - 1, result, port}
		ROW("CONNECT 1024", 0, 1024),
		ROW("connect 1024", 0, 1024),
		ROW("CONNECT 0", 0, 0),
		ROW("CONNECT 4294967294", 0, 4294967294),
		ROW("CONNECT 0000000007", 0, 7),
		ROW("CONNECT 4294967295", -EINVAL, 0),
		ROW("CONNECT 4294967296", -EINVAL, 0),
		ROW("CONNECT 18446744073709551617", -EINVAL, 0),
		ROW("CONNECT ", -EINVAL, 0),
		ROW("CONNECT", -EINVAL, 0),
		ROW("CONNECT  7", -EINVAL, 0),
		ROW("CONNECT 7 ", -EINVAL, 0),
		ROW("CONNECT -7", -EINVAL, 0),
		ROW("CONNECT +7", -EINVAL, 0),
		ROW("CONNECT 0x7", -EINVAL, 0),
		ROW("CONNECT 7\r", -EINVAL, 0),
		ROW("CONNECT 7\0", -EINVAL, 0),
		ROW("CONNECT\t7", -EINVAL, 0),
		ROW("GET / HTTP/1.1", -EINVAL, 0),
		ROW("", -EINVAL, 0),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint32_t port = 0;

		if (vsock_connect_line_parse(rows[i].line, rows[i].len, &port) != rows[i].result ||
			port != rows[i].port)
			fail_msg("\"%s\": %u", rows[i].line, port);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_may_fill_the_buffer_and_no_more),
		cmocka_unit_test(the_guest_is_told_before_it_stalls),
		cmocka_unit_test(counters_wrap),
		cmocka_unit_test(what_a_guest_says_is_checked),
		cmocka_unit_test(headers_have_their_place_on_the_wire),
		cmocka_unit_test(connect_lines_are_read_strictly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
