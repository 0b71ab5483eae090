/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "agent/network/statistics.h"
#include "base/buf.h"

#include "oom.h"

#define HEADINGS                                                                                 \
	"Inter-|   Receive                            |  Transmit\n"                             \
	" face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop" \
	" fifo colls carrier compressed\n"
#define COUNTS " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"

static struct network_statistics parse(const char *text)
{
	struct network_statistics s;

	assert_int_equal(network_statistics_parse(slice_of_str(text), &s), 0);
	return s;
}

static void counts_come_from_their_columns(void **state)
{
	struct network_statistics s =
		parse(HEADINGS "    lo:" COUNTS "  eth0:" COUNTS
			       "a:b:18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");

	(void)state;
	assert_int_equal(s.n, 2);
	assert_string_equal(s.list[0]->name, "eth0");
	assert_int_equal(s.list[0]->rx_bytes, 1);
	assert_int_equal(s.list[0]->rx_packets, 2);
	assert_int_equal(s.list[0]->rx_errors, 3);
	assert_int_equal(s.list[0]->rx_dropped, 4);
	assert_int_equal(s.list[0]->tx_bytes, 9);
	assert_int_equal(s.list[0]->tx_packets, 10);
	assert_int_equal(s.list[0]->tx_errors, 11);
	assert_int_equal(s.list[0]->tx_dropped, 12);
	assert_string_equal(s.list[1]->name, "a:b");
	assert_true(s.list[1]->rx_bytes == UINT64_MAX);
	network_statistics_fini(&s);
}

static void what_is_no_line_of_counts_is_left_out(void **state)
{
	static const char *const rows[] = {"", "\n", HEADINGS, "eth0", "eth0:", ":" COUNTS,
		"eth0: 1 2 3\n", "eth0: -1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
		"eth0: 18446744073709551616 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
		"name-of-16-bytes:" COUNTS, "lo:" COUNTS};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct network_statistics s = parse(rows[i]);

		assert_int_equal(s.n, 0);
		network_statistics_fini(&s);
	}
}

static void there_is_an_end_to_the_list(void **state)
{
	struct network_statistics s;
	struct buf text = BUF_INIT;

	(void)state;
	for (int i = 0; i < 1100; i++)
		assert_int_equal(buf_printf(&text, "v%d:" COUNTS, i), 0);
	s = parse(buf_str(&text));
	assert_int_equal(s.n, 1024);
	assert_string_equal(s.list[1023]->name, "v1023");
	network_statistics_fini(&s);
	buf_fini(&text);
}

static void no_memory_is_said(void **state)
{
	(void)state;
	OOM_SWEEP(n)
	{
		struct network_statistics s = {.n = 0};
		int r;

		oom_arm(n);
		r = network_statistics_parse(slice_of_str("eth0:" COUNTS), &s);
		oom_disarm();
		assert_int_equal(r, oom_has_struck() ? -ENOMEM : 0);
		network_statistics_fini(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_come_from_their_columns),
		cmocka_unit_test(what_is_no_line_of_counts_is_left_out),
		cmocka_unit_test(there_is_an_end_to_the_list),
		cmocka_unit_test(no_memory_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
