/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the kernel, as they are and as they might be. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "linux/cgroup_text.h"

static void single_numbers(void **state)
{
	static const struct {
		const char *text;
		bool good;
		uint64_t value;
	} rows[] = {
		{"0\n", true, 0},
		{"123\n", true, 123},
		{"123", true, 123},
		{"max\n", true, UINT64_MAX},
		{"18446744073709551615\n", true, UINT64_MAX},
		{"18446744073709551616\n", true, UINT64_MAX},
		{"99999999999999999999999\n", true, UINT64_MAX},
		{"9223372036854771712\n", true, UINT64_C(9223372036854771712)},
		{"", false, 7},
		{"\n", false, 7},
		{"-1\n", false, 7},
		{" 1\n", false, 7},
		{"1 2\n", false, 7},
		{"maximum\n", false, 7},
		{"0x10\n", false, 7},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t n = 7;

		if (cgroup_text_number(rows[i].text, &n) != rows[i].good || n != rows[i].value)
			fail_msg("\"%s\": %llu", rows[i].text, (unsigned long long)n);
	}
}

static void lists_of_numbers(void **state)
{
	const char *at = "1 22  x 3x 333 \n\n4444";
	const uint64_t expected[] = {1, 22, 333, 4444};
	uint64_t n = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		assert_true(cgroup_text_next_number(&at, &n));
		assert_int_equal(n, expected[i]);
	}
	assert_false(cgroup_text_next_number(&at, &n));
}

static void keys(void **state)
{
	static const char text[] = "cache 0\n"
				   "rss 4096\n"
				   "no_value\n"
				   "two 1 2\n"
				   " leading 3\n"
				   "\n"
				   "negative -1\n"
				   "hierarchical_memory_limit 9223372036854771712\n"
				   "a_key_that_is_longer_than_any_key_of_the_kernel_is_today 5\n"
				   "tab\t6\n"
				   "huge 99999999999999999999\n"
				   "last 7";
	static const char *const expected[] = {
		"cache", "rss", "hierarchical_memory_limit", "tab", "huge", "last"};
	const char *at = text;
	struct cgroup_key key;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		assert_true(cgroup_text_next_key(&at, &key));
		assert_string_equal(key.name, expected[i]);
	}
	assert_int_equal(key.value, 7);
	assert_false(cgroup_text_next_key(&at, &key));
	assert_int_equal(cgroup_text_find_key(text, "rss"), 4096);
	assert_int_equal(cgroup_text_find_key(text, "huge"), UINT64_MAX);
	assert_int_equal(cgroup_text_find_key(text, "rs"), 0);
	assert_int_equal(cgroup_text_find_key("", "rss"), 0);
}

static void assert_io(
	const struct cgroup_io *io, uint64_t major, uint64_t minor, const char *op, uint64_t value)
{
	assert_int_equal(io->major, major);
	assert_int_equal(io->minor, minor);
	assert_string_equal(io->op, op);
	assert_int_equal(io->value, value);
}

static void io_of_v1(void **state)
{
	const char *at = "8:0 Read 4096\n"
			 "8:0 Discard 1\n"
			 "8 Read 1\n"
			 "8:x Read 1\n"
			 "8:0\n"
			 "8:0 Read\n"
			 "8:0 Read x\n"
			 "8:0 AnOperationWithALongName 5\n"
			 "253:17 99\n"
			 "Total 4097\n"
			 "8:16 Total 3";
	struct cgroup_io io;

	(void)state;
	assert_true(cgroup_text_next_io(&at, &io));
	assert_io(&io, 8, 0, "read", 4096);
	assert_true(cgroup_text_next_io(&at, &io));
	assert_io(&io, 8, 0, "discard", 1);
	assert_true(cgroup_text_next_io(&at, &io));
	assert_io(&io, 253, 17, "", 99);
	assert_true(cgroup_text_next_io(&at, &io));
	assert_io(&io, 8, 16, "total", 3);
	assert_false(cgroup_text_next_io(&at, &io));
}

static void io_of_v2(void **state)
{
	const char *at = "8:0 rbytes=1 wbytes=22 cost.vrate=100.00 rios\n"
			 "7:7 \n"
			 "7:8\n"
			 "(unknown) rbytes=5\n"
			 "nonsense\n"
			 "259:3 rbytes= =4 dios=6 a_key_that_is_too_long=1\n"
			 "8:16 dbytes=7";
	struct cgroup_io_line line = {.inside = false};
	struct cgroup_io io;

	(void)state;
	assert_true(cgroup_text_next_io_pair(&at, &line, &io));
	assert_io(&io, 8, 0, "rbytes", 1);
	assert_true(cgroup_text_next_io_pair(&at, &line, &io));
	assert_io(&io, 8, 0, "wbytes", 22);
	assert_true(cgroup_text_next_io_pair(&at, &line, &io));
	assert_io(&io, 259, 3, "dios", 6);
	assert_true(cgroup_text_next_io_pair(&at, &line, &io));
	assert_io(&io, 8, 16, "dbytes", 7);
	assert_false(cgroup_text_next_io_pair(&at, &line, &io));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(single_numbers),
		cmocka_unit_test(lists_of_numbers),
		cmocka_unit_test(keys),
		cmocka_unit_test(io_of_v1),
		cmocka_unit_test(io_of_v2),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
