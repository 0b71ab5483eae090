/* SPDX-License-Identifier: Apache-2.0 */
/* Loggers are shells here: argv is "sh -c SCRIPT sh DIRECTORY". */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/path.h"
#include "fake_clock.h"
#include "loop_until.h"
#include "oom.h"
#include "runtime/logger.h"

/* Takes everything, is ready by a byte, ends with its input. */
#define COPY                                                          \
	"cat <&3 >$1/out & cat <&4 >$1/err & echo x >&5; exec 5>&-; " \
	"echo $CONTAINER_ID $CONTAINER_NAMESPACE >$1/env; wait"
/* Ready by closing; then it stays, whatever comes. */
#define STAY "exec 5>&-; exec sleep 1000"

struct fixture {
	struct loop *loop;
	struct logger *l;
	char dir[40];
	int outs[STDIO_N_OUTPUTS];
	bool note_fails, is_noted, is_forgotten, is_ready, has_ended;
	pid_t pid;
	struct err ready_err;
};

static int note(void *data, pid_t pid, uint64_t start_time)
{
	struct fixture *f = data;

	assert_true(pid > 0 && start_time > 0);
	f->is_noted = true;
	f->pid = pid;
	return f->note_fails ? -ENOSPC : 0;
}

static void forget(void *data, pid_t pid, uint64_t start_time)
{
	struct fixture *f = data;

	assert_true(f->is_noted && pid == f->pid && start_time > 0);
	f->is_forgotten = true;
}

static void on_ready(void *data, const struct err *err)
{
	struct fixture *f = data;

	assert_false(f->is_ready);
	f->is_ready = true;
	if (err)
		f->ready_err = *err;
}

static void on_end(void *data)
{
	struct fixture *f = data;

	assert_false(f->has_ended);
	f->has_ended = true;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	clock_shift_ns = 0;
	f->outs[0] = f->outs[1] = -1;
	snprintf(f->dir, sizeof(f->dir), "/tmp/test_logger.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(loop_new(&f->loop), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	logger_free(f->l);
	close_fd(f->outs[0]);
	close_fd(f->outs[1]);
	/* A killed one is a zombie at most. */
	while (waitpid(-1, NULL, 0) > 0)
		;
	assert_int_equal(errno, ECHILD);
	loop_free(f->loop);
	assert_int_equal(path_remove_tree(AT_FDCWD, f->dir), 0);
	free(f);
	return 0;
}

static int make_program(struct fixture *f, const char *program, const char *script, struct err *err)
{
	char flag[] = "-c", name[] = "sh";
	char *args[] = {flag, (char *)(uintptr_t)script, name, f->dir, NULL};
	struct stdio_uri uri = {.kind = STDIO_BINARY,
		.path = (char *)(uintptr_t)program,
		.args = args,
		.n_args = 4};
	struct logger_config config = {.loop = f->loop,
		.cid = "c1",
		.name_space = "default",
		.note = note,
		.forget = forget,
		.data = f};

	return logger_new(&config, &uri, &f->l, err);
}

static void start(struct fixture *f, const char *script)
{
	assert_int_equal(make_program(f, "/bin/sh", script, NULL), 0);
	f->outs[0] = logger_take_output(f->l, 0);
	f->outs[1] = logger_take_output(f->l, 1);
	assert_false(logger_is_running(f->l));
	assert_int_equal(logger_start(f->l, on_ready, f, NULL), 0);
	assert_true(f->is_noted && logger_is_running(f->l));
	logger_on_end(f->l, on_end, f);
}

static void close_outputs(struct fixture *f)
{
	close_fd(take_fd(&f->outs[0]));
	close_fd(take_fd(&f->outs[1]));
}

static void assert_file(struct fixture *f, const char *name, const char *text)
{
	auto_buf struct buf b = BUF_INIT;
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	assert_int_equal(io_read_file(AT_FDCWD, path, 4096, &b), 0);
	assert_string_equal(buf_str(&b), text);
}

static void it_reads_both_outputs_to_their_end(void **state)
{
	struct fixture *f = *state;

	start(f, COPY);
	/* What is written before it is ready waits. */
	assert_int_equal(write(f->outs[0], "out\n", 4), 4);
	loop_until(f->loop, f->is_ready);
	assert_false(err_is_set(&f->ready_err));
	assert_int_equal(write(f->outs[1], "err\n", 4), 4);
	assert_int_equal(write(f->outs[0], "more\n", 5), 5);
	close_outputs(f);
	logger_finish(f->l);
	loop_until(f->loop, f->has_ended);
	assert_true(f->is_forgotten);
	assert_false(logger_is_running(f->l));
	assert_file(f, "out", "out\nmore\n");
	assert_file(f, "err", "err\n");
	assert_file(f, "env", "c1 default\n");
}

static void it_has_three_descriptors_and_two_variables(void **state)
{
	struct fixture *f = *state;

	/* ls opens the directory itself, and has its output in place of fd 1. */
	start(f, "ls /proc/self/fd | tr '\\n' ' ' >$1/fds; "
		 "tr '\\0' ' ' </proc/$$/environ >$1/environ; readlink /proc/$$/fd/0 >$1/in");
	loop_until(f->loop, f->is_ready);
	loop_until(f->loop, f->has_ended);
	assert_file(f, "fds", "0 1 2 3 4 5 6 ");
	assert_file(f, "environ", "CONTAINER_ID=c1 CONTAINER_NAMESPACE=default ");
	assert_file(f, "in", "/dev/null\n");
}

static void an_output_nobody_took_is_at_its_end(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(make_program(f, "/bin/sh", "cat <&4; exec 5>&-; cat <&3", NULL), 0);
	f->outs[0] = logger_take_output(f->l, 0);
	assert_int_equal(logger_start(f->l, on_ready, f, NULL), 0);
	loop_until(f->loop, f->is_ready);
	assert_false(err_is_set(&f->ready_err));
}

static void what_cannot_be_run_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	char path[64];

	assert_int_equal(make_program(f, "/nonexistent/logger", "", &err), -ENOENT);
	assert_non_null(strstr(err.msg, "/nonexistent/logger"));
	snprintf(path, sizeof(path), "%s/program", f->dir);
	assert_int_equal(io_replace_file(AT_FDCWD, path, 0600, "#!/nonexistent\n", 15), 0);
	assert_int_equal(make_program(f, path, "", NULL), -EACCES);
	/* exec alone finds this out. */
	assert_int_equal(chmod(path, 0700), 0);
	assert_int_equal(make_program(f, path, "", NULL), 0);
	assert_int_equal(logger_start(f->l, on_ready, f, NULL), 0);
	loop_until(f->loop, f->is_ready);
	assert_int_equal(f->ready_err.code, ENOENT);
	assert_non_null(strstr(f->ready_err.msg, path));
}

static void one_that_cannot_be_noted_does_not_run(void **state)
{
	struct fixture *f = *state;

	f->note_fails = true;
	assert_int_equal(make_program(f, "/bin/sh", "echo x >$1/ran", NULL), 0);
	assert_int_equal(logger_start(f->l, on_ready, f, NULL), -ENOSPC);
	logger_free(take_ptr(&f->l));
	/* It was quick enough to be reaped at once, or it is left to us. */
	if (waitpid(f->pid, NULL, 0) < 0)
		assert_int_equal(errno, ECHILD);
	assert_false(f->is_ready);
	assert_int_equal(path_remove_tree(AT_FDCWD, f->dir), 0);
	assert_int_equal(mkdir(f->dir, 0700), 0);
}

static void one_that_is_not_ready_in_time_is_killed(void **state)
{
	struct fixture *f = *state;

	start(f, "exec sleep 1000");
	loop_settle(f->loop);
	assert_false(f->is_ready);
	clock_shift_ns = 10 * NS_PER_S;
	loop_until(f->loop, f->is_ready);
	assert_int_equal(f->ready_err.code, ETIMEDOUT);
	loop_until(f->loop, f->has_ended);
}

static void one_that_does_not_end_is_terminated(void **state)
{
	struct fixture *f = *state;

	start(f, STAY);
	loop_until(f->loop, f->is_ready);
	close_outputs(f);
	logger_finish(f->l);
	clock_shift_ns = 11 * NS_PER_S;
	loop_settle(f->loop);
	assert_false(f->has_ended);
	clock_shift_ns = 12 * NS_PER_S;
	loop_until(f->loop, f->has_ended);
}

static void one_that_does_not_hear_is_killed(void **state)
{
	struct fixture *f = *state;

	start(f, "trap '' TERM; " STAY);
	loop_until(f->loop, f->is_ready);
	close_outputs(f);
	logger_finish(f->l);
	clock_shift_ns = 12 * NS_PER_S;
	loop_settle(f->loop);
	assert_false(f->has_ended);
	clock_shift_ns = 15 * NS_PER_S;
	loop_until(f->loop, f->has_ended);
}

static void one_that_is_finished_before_it_is_ready_tells_nobody(void **state)
{
	struct fixture *f = *state;

	start(f, "cat <&3; cat <&4; echo x >&5");
	close_outputs(f);
	logger_finish(f->l);
	loop_until(f->loop, f->has_ended);
	assert_false(f->is_ready);
}

static void one_that_dies_breaks_its_pipes(void **state)
{
	struct fixture *f = *state;

	start(f, "exec 5>&-; exit 3");
	loop_until(f->loop, f->is_ready);
	loop_until(f->loop, f->has_ended);
	assert_int_equal(write(f->outs[0], "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	/* Its pid may be somebody else's by now. */
	logger_finish(f->l);
	clock_shift_ns = 100 * NS_PER_S;
	loop_settle(f->loop);
}

static void no_memory_is_an_error(void **state)
{
	struct fixture *f = *state;

	OOM_SWEEP(n)
	{
		int r;

		oom_arm(n);
		r = make_program(f, "/bin/sh", "", NULL);
		oom_disarm();
		if (r == 0)
			logger_free(take_ptr(&f->l));
		else
			assert_int_equal(r, -ENOMEM);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(it_reads_both_outputs_to_their_end),
		TEST(it_has_three_descriptors_and_two_variables),
		TEST(an_output_nobody_took_is_at_its_end),
		TEST(what_cannot_be_run_is_an_error),
		TEST(one_that_cannot_be_noted_does_not_run),
		TEST(one_that_is_not_ready_in_time_is_killed),
		TEST(one_that_does_not_end_is_terminated),
		TEST(one_that_does_not_hear_is_killed),
		TEST(one_that_is_finished_before_it_is_ready_tells_nobody),
		TEST(one_that_dies_breaks_its_pipes),
		TEST(no_memory_is_an_error),
	};

	(void)sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
