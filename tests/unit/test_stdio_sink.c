/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/path.h"
#include "runtime/stdio_sink.h"

struct fixture {
	struct loop *loop;
	char dir[40], fifo[48], regular[48];
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/test_sink.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->fifo, sizeof(f->fifo), "%s/fifo", f->dir);
	snprintf(f->regular, sizeof(f->regular), "%s/regular", f->dir);
	assert_int_equal(mkfifo(f->fifo, 0600), 0);
	assert_int_equal(io_replace_file(AT_FDCWD, f->regular, 0600, "old\n", 4), 0);
	assert_int_equal(loop_new(&f->loop), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	loop_free(f->loop);
	assert_int_equal(path_remove_tree(AT_FDCWD, f->dir), 0);
	free(f);
	return 0;
}

static int open_both(struct fixture *f, const char *out, const char *err_text,
	struct stdio_sink sinks[2], struct logger **logger, struct err *err)
{
	const char *texts[] = {out, err_text};
	struct logger_config config = {.loop = f->loop, .cid = "c1", .name_space = "default"};

	return stdio_open_outputs(texts, &config, sinks, logger, err);
}

static void close_both(struct stdio_sink sinks[2])
{
	stdio_sink_close(&sinks[0]);
	stdio_sink_close(&sinks[1]);
}

static void a_fifo_is_held_at_both_ends(void **state)
{
	struct fixture *f = *state;
	struct stdio_sink sinks[2];
	struct logger *logger;
	char text[64], c;

	snprintf(text, sizeof(text), "fifo://%s", f->fifo);
	assert_int_equal(open_both(f, text, "", sinks, &logger, NULL), 0);
	assert_null(logger);
	assert_int_equal(write(sinks[0].write_fd, "x", 1), 1);
	assert_int_equal(read(sinks[0].read_fd, &c, 1), 1);
	assert_true(sinks[0].patience_ns == INT64_MAX);
	assert_int_equal(sinks[1].write_fd, -1);
	close_both(sinks);
}

static void a_file_is_appended_to_by_both(void **state)
{
	struct fixture *f = *state;
	auto_buf struct buf b = BUF_INIT;
	struct stdio_sink sinks[2];
	struct logger *logger;
	char text[64];

	snprintf(text, sizeof(text), "file://%s", f->regular);
	assert_int_equal(open_both(f, text, text, sinks, &logger, NULL), 0);
	assert_null(logger);
	assert_int_equal(write(sinks[0].write_fd, "out\n", 4), 4);
	assert_int_equal(write(sinks[1].write_fd, "err\n", 4), 4);
	assert_int_equal(write(sinks[0].write_fd, "more\n", 5), 5);
	close_both(sinks);
	assert_int_equal(io_read_file(AT_FDCWD, f->regular, 100, &b), 0);
	assert_string_equal(buf_str(&b), "old\nout\nerr\nmore\n");
}

static void a_missing_file_is_made_with_its_directories(void **state)
{
	struct fixture *f = *state;
	struct stdio_sink sinks[2];
	struct logger *logger;
	char text[64], path[64];
	struct stat st;
	mode_t mask = umask(0);

	snprintf(text, sizeof(text), "file://%s/a/b/c%%20d", f->dir);
	assert_int_equal(open_both(f, text, "", sinks, &logger, NULL), 0);
	umask(mask);
	close_both(sinks);
	snprintf(path, sizeof(path), "%s/a/b/c d", f->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0640);
	snprintf(path, sizeof(path), "%s/a/b", f->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0755);
}

static void one_logger_takes_both(void **state)
{
	struct fixture *f = *state;
	struct stdio_sink sinks[2];
	struct logger *logger = NULL;

	assert_int_equal(
		open_both(f, "binary:///bin/sh?a=b", "binary:///bin/sh?a=b", sinks, &logger, NULL),
		0);
	assert_non_null(logger);
	assert_true(sinks[0].write_fd >= 0 && sinks[1].write_fd >= 0);
	assert_true(sinks[0].patience_ns < INT64_MAX);
	close_both(sinks);
	logger_free(logger);
	/* Also beside something else. */
	assert_int_equal(open_both(f, f->fifo, "binary:///bin/sh", sinks, &logger, NULL), 0);
	assert_non_null(logger);
	assert_true(sinks[1].write_fd >= 0);
	close_both(sinks);
	logger_free(logger);
}

static void the_rest_is_refused_and_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	char file_fifo[64], below_file[64], directory[64];
	const struct {
		const char *out, *err;
		int code;
	} rows[] = {
		{"http:///x", "", ENOTSUP},
		{"relative", "", EINVAL},
		{"/nonexistent/fifo", "", ENOENT},
		{f->regular, "", EINVAL},
		{f->fifo, f->regular, EINVAL},
		/* Without a reader it would be ENXIO; never a wait. */
		{file_fifo, "", ENXIO},
		{below_file, "", ENOTDIR},
		{directory, "", EISDIR},
		{"binary:///nonexistent/logger", "", ENOENT},
		{"binary:///bin/sh", "/nonexistent/fifo", ENOENT},
		{"binary:///bin/sh?a=b", "binary:///bin/sh?a=c", ENOTSUP},
	};

	int before = dup(STDIN_FILENO), after;

	close(before);
	snprintf(file_fifo, sizeof(file_fifo), "file://%s", f->fifo);
	snprintf(below_file, sizeof(below_file), "file://%s/x", f->regular);
	snprintf(directory, sizeof(directory), "file://%s", f->dir);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct stdio_sink sinks[2];
		struct logger *logger;
		struct err err = ERR_INIT;

		assert_int_equal(open_both(f, rows[i].out, rows[i].err, sinks, &logger, &err),
			-rows[i].code);
		assert_true(err_is_set(&err));
	}
	after = dup(STDIN_FILENO);
	close(after);
	assert_int_equal(after, before);
}

static void stdin_is_a_fifo(void **state)
{
	struct fixture *f = *state;
	int fd = -2;

	assert_int_equal(stdio_find_input("", &fd, NULL), 0);
	assert_int_equal(fd, -1);
	assert_int_equal(stdio_find_input(f->fifo, &fd, NULL), 0);
	assert_true(fd >= 0);
	close_fd(fd);
	assert_int_equal(stdio_find_input(f->regular, &fd, NULL), -EINVAL);
	assert_int_equal(stdio_find_input("file:///dev/null", &fd, NULL), -ENOTSUP);
	assert_int_equal(stdio_find_input("binary:///bin/sh", &fd, NULL), -ENOTSUP);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_fifo_is_held_at_both_ends),
		TEST(a_file_is_appended_to_by_both),
		TEST(a_missing_file_is_made_with_its_directories),
		TEST(one_logger_takes_both),
		TEST(the_rest_is_refused_and_leaves_nothing),
		TEST(stdin_is_a_fifo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
