/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "linux/command.h"

static int run_shell(const char *script, const char *input, struct buf *output, struct err *err)
{
	const char *const argv[] = {"/bin/sh", "-c", script, NULL};
	struct command command = {.argv = argv,
		.input = slice_of_str(input),
		.max_output = 4096,
		.timeout_ns = NS_PER_S};

	return command_run(&command, output, err);
}

static void input_comes_out_again(void **state)
{
	struct buf output = BUF_INIT;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(run_shell("cat; echo end", "a\nb\n", &output, &err), 0);
	assert_string_equal(buf_str(&output), "a\nb\nend\n");
	assert_int_equal(run_shell("exit 0", "", &output, &err), 0);
	assert_int_equal(run_shell("echo not wanted", "", NULL, &err), 0);
	assert_string_equal(buf_str(&output), "a\nb\nend\n");
	buf_fini(&output);
}

static void a_failure_says_what_the_program_said(void **state)
{
	static const struct {
		const char *script;
		int code;
		const char *says;
	} rows[] = {
		{"echo out; echo 'line 1: bad' >&2; echo more >&2; exit 3", -EIO,
			"/bin/sh: exited with status 3: line 1: bad;more"},
		{"printf '\\033[2J\\ta' >&2; exit 1", -EIO, " [2J a"},
		{"kill -TERM $$", -EIO, "killed by signal 15"},
		{"exec head -c 5000 /dev/zero", -EFBIG, "more than 4096 bytes"},
		{"exec /nonexistent/program", -EIO, "status 127"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct buf output = BUF_INIT;
		struct err err = ERR_INIT;
		int r = run_shell(rows[i].script, "", &output, &err);

		assert_int_equal(r, rows[i].code);
		if (!strstr(err.msg, rows[i].says))
			fail_msg("%s", err.msg);
		assert_true(buf_len(&output) <= 4096);
		buf_fini(&output);
	}
}

static void a_program_that_is_not_there_is_enoent(void **state)
{
	const char *const argv[] = {"/nonexistent/program", NULL};
	struct command command = {.argv = argv, .timeout_ns = NS_PER_S};
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(command_run(&command, NULL, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "/nonexistent/program"));
}

/* With what it has started: the fifo's other end says when the last one of them is gone. */
static void a_slow_program_is_killed_with_its_children(void **state)
{
	char script[128];
	struct err err = ERR_INIT;
	int ends[2];
	char byte;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	snprintf(script, sizeof(script), "sleep 1000 >/proc/%d/fd/%d & sleep 1000", (int)getpid(),
		ends[1]);
	assert_int_equal(run_shell(script, "", NULL, &err), -ETIMEDOUT);
	assert_non_null(strstr(err.msg, "has not ended after 1 s"));
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 0);
	close(ends[0]);
}

static void nothing_is_inherited(void **state)
{
	struct buf output = BUF_INIT;
	struct err err = ERR_INIT;
	int fd = open("/dev/null", O_RDONLY);

	(void)state;
	assert_int_equal(fcntl(fd, F_DUPFD, 50), 50);
	assert_int_equal(setenv("KIHON_SECRET", "1", 1), 0);
	assert_int_equal(
		run_shell("env; test -e /proc/self/fd/50 && echo leaked; :", "", &output, &err), 0);
	assert_null(strstr(buf_str(&output), "KIHON_SECRET"));
	assert_non_null(strstr(buf_str(&output), "PATH="));
	assert_null(strstr(buf_str(&output), "leaked"));
	close(50);
	close(fd);
	buf_fini(&output);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(input_comes_out_again),
		cmocka_unit_test(a_failure_says_what_the_program_said),
		cmocka_unit_test(a_program_that_is_not_there_is_enoent),
		cmocka_unit_test(a_slow_program_is_killed_with_its_children),
		cmocka_unit_test(nothing_is_inherited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
