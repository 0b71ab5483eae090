/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/path.h"

struct fixture {
	char dir[64];
	int dir_fd;
};

static int set_up(void **state)
{
	static struct fixture f;

	snprintf(f.dir, sizeof(f.dir), "/tmp/test_io.XXXXXX");
	assert_non_null(mkdtemp(f.dir));
	f.dir_fd = open(f.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f.dir_fd >= 0);
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	close(f->dir_fd);
	return path_remove_tree(AT_FDCWD, f->dir);
}

static void replace(struct fixture *f, const char *name, const char *text)
{
	assert_int_equal(io_replace_file(f->dir_fd, name, 0600, text, strlen(text)), 0);
}

static void check_file(struct fixture *f, const char *name, const char *text)
{
	auto_buf struct buf b = BUF_INIT;

	assert_int_equal(io_read_file(f->dir_fd, name, 1000, &b), 0);
	assert_string_equal(buf_str(&b), text);
}

static void a_file_is_replaced_as_a_whole(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	replace(f, "a", "old");
	replace(f, "a", "new text");
	check_file(f, "a", "new text");
	assert_int_equal(fstatat(f->dir_fd, "a", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(faccessat(f->dir_fd, "a.new", F_OK, 0), -1);
}

static void a_reader_of_the_old_file_keeps_it(void **state)
{
	struct fixture *f = *state;
	auto_fd int fd = -1;
	char text[4] = "";

	replace(f, "a", "old");
	fd = openat(f->dir_fd, "a", O_RDONLY | O_CLOEXEC);
	replace(f, "a", "new");
	assert_int_equal(io_read_full(fd, text, 3), 0);
	assert_string_equal(text, "old");
}

static void a_failed_replacement_leaves_the_old_file_and_nothing_else(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(io_replace_file(f->dir_fd, "no/a", 0600, "x", 1), -ENOENT);
	assert_int_equal(mkdirat(f->dir_fd, "dir", 0700), 0);
	assert_int_equal(io_replace_file(f->dir_fd, "dir", 0600, "x", 1), -EISDIR);
	assert_int_equal(faccessat(f->dir_fd, "dir.new", F_OK, 0), -1);
	/* A link planted under the temporary name is not followed. */
	replace(f, "victim", "kept");
	assert_int_equal(symlinkat("victim", f->dir_fd, "b.new"), 0);
	assert_int_equal(io_replace_file(f->dir_fd, "b", 0600, "x", 1), -ELOOP);
	check_file(f, "victim", "kept");
}

static void reading_stops_at_the_limit(void **state)
{
	static char big[10000];
	struct fixture *f = *state;
	auto_buf struct buf b = BUF_INIT;

	memset(big, 'x', sizeof(big));
	assert_int_equal(io_replace_file(f->dir_fd, "big", 0600, big, sizeof(big)), 0);
	assert_int_equal(io_read_file(f->dir_fd, "big", sizeof(big) - 1, &b), -EFBIG);
	buf_clear(&b);
	assert_int_equal(buf_append_str(&b, "before "), 0);
	assert_int_equal(io_read_file(f->dir_fd, "big", sizeof(big), &b), 0);
	assert_int_equal(buf_len(&b), 7 + sizeof(big));
	assert_int_equal(io_read_file(f->dir_fd, "none", 1, &b), -ENOENT);
	assert_int_equal(io_read_file(f->dir_fd, ".", 1, &b), -EISDIR);
	/* An endless one ends. */
	assert_int_equal(io_read_file(AT_FDCWD, "/dev/zero", 100000, &b), -EFBIG);
}

static void writing_needs_an_existing_file(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(io_write_file(f->dir_fd, "none", "x"), -ENOENT);
	assert_int_equal(faccessat(f->dir_fd, "none", F_OK, 0), -1);
	replace(f, "a", "");
	assert_int_equal(io_write_file(f->dir_fd, "a", "text"), 0);
	check_file(f, "a", "text");
	assert_int_equal(io_write_file(AT_FDCWD, "/dev/full", "x"), -ENOSPC);
}

static void whole_things_go_through_a_pipe_in_parts(void **state)
{
	enum { SIZE = 300000 }; /* more than a pipe holds */
	static char sent[SIZE], received[SIZE];
	int fds[2], status;
	pid_t pid;

	(void)state;
	for (int i = 0; i < SIZE; i++)
		sent[i] = (char)(i % 251);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0)
		_exit(io_write_full(fds[1], sent, SIZE) < 0);
	close(fds[1]);
	assert_int_equal(io_read_full(fds[0], received, SIZE), 0);
	assert_memory_equal(sent, received, SIZE);
	assert_int_equal(io_read_full(fds[0], received, 1), -EPIPE);
	assert_int_equal(io_read_full(fds[0], received, 0), 0);
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(io_write_full(-1, "x", 1), -EBADF);
	assert_int_equal(io_read_full(-1, received, 1), -EBADF);
}

static void flags_are_set_and_cleared(void **state)
{
	int fds[2], copy;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(io_set_nonblock(fds[0], true), 0);
	assert_true(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
	assert_int_equal(io_set_nonblock(fds[0], false), 0);
	assert_false(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
	assert_int_equal(io_set_cloexec(fds[0], false), 0);
	assert_false(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(io_set_cloexec(fds[0], true), 0);
	assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	copy = io_dup(fds[0]);
	assert_true(copy >= 3);
	assert_true(fcntl(copy, F_GETFD) & FD_CLOEXEC);
	close(copy);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(io_set_nonblock(fds[0], true), -EBADF);
	assert_int_equal(io_dup(-1), -EBADF);
}

static void owned_locals_are_released_once(void **state)
{
	int fds[2], kept = -1;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	{
		auto_fd int a = fds[0], b = fds[1];

		kept = take_fd(&b);
		assert_int_equal(b, -1);
		errno = ENOTTY;
		(void)a;
	}
	assert_int_equal(errno, ENOTTY);
	assert_int_equal(fcntl(fds[0], F_GETFD), -1);
	assert_true(fcntl(kept, F_GETFD) >= 0);
	close_fd(kept);
	close_fd(-1);
	{
		auto_free char *s = strdup("x");
		char *taken = take_ptr(&s);

		assert_null(s);
		free(taken);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_replaced_as_a_whole),
		cmocka_unit_test(a_reader_of_the_old_file_keeps_it),
		cmocka_unit_test(a_failed_replacement_leaves_the_old_file_and_nothing_else),
		cmocka_unit_test(reading_stops_at_the_limit),
		cmocka_unit_test(writing_needs_an_existing_file),
		cmocka_unit_test(whole_things_go_through_a_pipe_in_parts),
		cmocka_unit_test(flags_are_set_and_cleared),
		cmocka_unit_test(owned_locals_are_released_once),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
