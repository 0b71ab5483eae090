/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "hypervisor/lines.h"
#include "loop_until.h"

static void feed(struct lines *lines, const char *text)
{
	lines_feed(lines, slice_of_str(text));
}

static void bytes_become_printable_lines(void **state)
{
	static const struct {
		const char *bytes, *tail;
	} rows[] = {
		{"one\n", "one"},
		{"one\r\ntwo\r\n", "two"},
		{"one\n\n  \n\t\r\n", "one"},
		{"one\ntwo", "one"}, /* not whole yet */
		{"", ""},
		{"\n", ""},
		{"a\tb\n", "a b"},
		{"a\x01\x02\x7f"
		 "b\n",
			"ab"},
		{"a\xc3\xa4"
		 "b\xff\n",
			"a??b?"},
		{"\x1b[1;31mred\x1b[0m\n", "red"},
		{"\x1b[2J\x1b[H\x1b"
		 "cclean\n",
			"clean"},
		{"\x1b[31\nnext\n", "next"},
		{"a\x1b\nb\n", "b"},
		{"\x1b[\x1b[1mx\n", "x"},
		{"%s%n\n", "%s%n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct lines lines = LINES_INIT("test");

		feed(&lines, rows[i].bytes);
		if (strcmp(lines_tail(&lines), rows[i].tail) != 0)
			fail_msg("row %zu: \"%s\"", i, lines_tail(&lines));
	}
}

static void a_nul_byte_is_dropped(void **state)
{
	struct lines lines = LINES_INIT("test");

	(void)state;
	lines_feed(&lines, slice_of("a\0b\n", 4));
	assert_string_equal(lines_tail(&lines), "ab");
}

static void long_lines_are_cut(void **state)
{
	struct lines lines = LINES_INIT("test");

	(void)state;
	for (int i = 0; i < 100000; i++)
		feed(&lines, "x");
	feed(&lines, "end\n");
	assert_int_equal(strlen(lines_tail(&lines)), LINES_WIDTH - 1);
	feed(&lines, "short\n");
	assert_string_equal(lines_tail(&lines), "short");
}

static void a_panic_is_remembered(void **state)
{
	struct lines lines = LINES_INIT("test");

	(void)state;
	feed(&lines, "[ 1.0] Kernel panic - not syncing: sysrq triggered crash\n"
		     "[ 1.1] Rebooting in 1 seconds..\n"
		     "[ 1.2] ---[ end Kernel panic - not syncing: sysrq triggered crash ]---\n");
	assert_string_equal(
		lines_tail(&lines), "[ 1.0] Kernel panic - not syncing: sysrq triggered crash");
	assert_string_equal(lines.last,
		"[ 1.2] ---[ end Kernel panic - not syncing: sysrq triggered crash ]---");
}

/* Returns the end of the pipe that the lines are written into. */
static int attach(struct lines *lines, struct loop **ret_loop)
{
	int fds[2];

	assert_int_equal(loop_new(ret_loop), 0);
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(lines_attach(lines, *ret_loop, fds[0]), 0);
	return fds[1];
}

static void a_pipe_is_read_until_its_writer_ends(void **state)
{
	struct lines lines = LINES_INIT("test");
	struct loop *loop;
	int fd;

	(void)state;
	fd = attach(&lines, &loop);
	assert_int_equal(write(fd, "one\ntw", 6), 6);
	assert_int_equal(loop_run_once(loop, NS_PER_S), 0);
	assert_string_equal(lines_tail(&lines), "one");
	assert_int_equal(write(fd, "o", 1), 1);
	close(fd);
	loop_until(loop, lines.fd < 0);
	assert_string_equal(lines_tail(&lines), "two");
	lines_detach(&lines);
	loop_free(loop);
}

static void draining_takes_what_is_there(void **state)
{
	struct lines lines = LINES_INIT("test");
	struct loop *loop;
	int fd;

	(void)state;
	fd = attach(&lines, &loop);
	for (int i = 0; i < 6000; i++)
		assert_int_equal(write(fd, "0123456789", 10), 10);
	assert_int_equal(write(fd, "\nlast\n", 6), 6);
	lines_drain(&lines);
	assert_string_equal(lines_tail(&lines), "last");
	assert_true(lines.fd >= 0);
	lines_detach(&lines);
	close(fd);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_become_printable_lines),
		cmocka_unit_test(a_nul_byte_is_dropped),
		cmocka_unit_test(long_lines_are_cut),
		cmocka_unit_test(a_panic_is_remembered),
		cmocka_unit_test(a_pipe_is_read_until_its_writer_ends),
		cmocka_unit_test(draining_takes_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
