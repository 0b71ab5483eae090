/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/path.h"
#include "runtime/timeline.h"

static char dir[] = "/tmp/test-timeline.XXXXXX";
static char file[64], shared[64];

static int set_up(void **state)
{
	(void)state;
	unsetenv("KIHON_TIMELINE");
	snprintf(dir, sizeof(dir), "/tmp/test-timeline.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/timeline.json", dir);
	snprintf(shared, sizeof(shared), "%s/shared", dir);
	/* Drops what another test has left waiting. */
	timeline_open(dir);
	timeline_close();
	unlink(file);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	timeline_close();
	unsetenv("KIHON_TIMELINE");
	return path_remove_tree(AT_FDCWD, dir);
}

static void assert_file(const char *path, const char *wanted)
{
	auto_buf struct buf b = BUF_INIT;

	assert_int_equal(io_read_file(AT_FDCWD, path, 1 << 20, &b), 0);
	assert_string_equal(buf_str(&b), wanted);
}

#define LINE(who, what, rest) "{\"pod\":\"p\",\"who\":\"" who "\",\"what\":\"" what "\"," rest "}\n"

static void a_file_holds_what_was_told_before_it_too(void **state)
{
	struct stat st;

	(void)state;
	timeline_init("p");
	timeline_span("check", NULL, 1, 2);
	timeline_open(dir);
	timeline_span("exec", "e1", 3, 4);
	timeline_add(&(struct timeline_span){.who = "vm", .what = "qmp", .from_ns = 5, .to_ns = 6});
	timeline_close();
	timeline_span("delete", NULL, 7, 8);
	assert_file(file, LINE("shim", "check", "\"from_ns\":1,\"to_ns\":2")
				  LINE("shim", "exec", "\"id\":\"e1\",\"from_ns\":3,\"to_ns\":4")
					  LINE("vm", "qmp", "\"from_ns\":5,\"to_ns\":6"));
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void a_step_that_ends_now_ends_after_its_begin(void **state)
{
	auto_buf struct buf b = BUF_INIT;
	long long from, to;

	(void)state;
	timeline_open(dir);
	timeline_end("check", NULL, 1);
	assert_int_equal(io_read_file(AT_FDCWD, file, 1 << 20, &b), 0);
	assert_int_equal(sscanf(strstr(buf_str(&b), "\"from_ns\""),
				 "\"from_ns\":%lld,\"to_ns\":%lld", &from, &to),
		2);
	assert_true(from == 1 && to > 1);
}

static void all_pods_append_to_the_shared_file(void **state)
{
	(void)state;
	setenv("KIHON_TIMELINE", shared, 1);
	timeline_init("p");
	timeline_span("a", NULL, 1, 2);
	timeline_open(dir);
	timeline_span("b", NULL, 3, 4);
	timeline_close();
	timeline_span("c", NULL, 5, 6);
	assert_file(shared, LINE("shim", "a", "\"from_ns\":1,\"to_ns\":2")
				    LINE("shim", "b", "\"from_ns\":3,\"to_ns\":4")
					    LINE("shim", "c", "\"from_ns\":5,\"to_ns\":6"));
}

static void a_name_that_is_no_path_from_the_root_is_not_opened(void **state)
{
	(void)state;
	assert_int_equal(chdir(dir), 0);
	setenv("KIHON_TIMELINE", "shared", 1);
	timeline_span("a", NULL, 1, 2);
	assert_int_equal(access(shared, F_OK), -1);
	assert_int_equal(chdir("/"), 0);
}

/* It would hang here if it waited for a reader. */
static void a_fifo_without_a_reader_does_not_hold_up(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(shared, 0600), 0);
	setenv("KIHON_TIMELINE", shared, 1);
	timeline_span("a", NULL, 1, 2);
}

static void nothing_follows_a_link_in_the_place_of_the_file(void **state)
{
	(void)state;
	assert_int_equal(symlink(shared, file), 0);
	timeline_open(dir);
	timeline_span("a", NULL, 1, 2);
	assert_int_equal(access(shared, F_OK), -1);
}

static void the_file_of_a_pod_is_bounded(void **state)
{
	struct stat st;

	(void)state;
	timeline_open(dir);
	for (int i = 0; i < 2000; i++)
		timeline_span("exec", "a", 1, 2);
	assert_int_equal(stat(file, &st), 0);
	assert_true(st.st_size <= TIMELINE_FILE_MAX && st.st_size > TIMELINE_FILE_MAX - 200);
}

static void what_waits_for_a_file_is_bounded(void **state)
{
	struct stat st;

	(void)state;
	for (int i = 0; i < 2000; i++)
		timeline_span("exec", "a", 1, 2);
	timeline_open(dir);
	timeline_span("exec", "a", 1, 2);
	assert_int_equal(stat(file, &st), 0);
	assert_true(st.st_size <= TIMELINE_FILE_MAX && st.st_size > TIMELINE_FILE_MAX - 200);
}

static void text_that_is_no_utf8_has_no_span(void **state)
{
	(void)state;
	timeline_init("p");
	timeline_open(dir);
	timeline_span("exec", "\xff", 1, 2);
	timeline_span("exec", "\"\n", 1, 2);
	assert_file(file, LINE("shim", "exec", "\"id\":\"\\\"\\u000a\",\"from_ns\":1,\"to_ns\":2"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_holds_what_was_told_before_it_too),
		TEST(a_step_that_ends_now_ends_after_its_begin),
		TEST(all_pods_append_to_the_shared_file),
		TEST(a_name_that_is_no_path_from_the_root_is_not_opened),
		TEST(a_fifo_without_a_reader_does_not_hold_up),
		TEST(nothing_follows_a_link_in_the_place_of_the_file),
		TEST(the_file_of_a_pod_is_bounded),
		TEST(what_waits_for_a_file_is_bounded),
		TEST(text_that_is_no_utf8_has_no_span),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
