/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>

#include "agent/job.h"
#include "loop_until.h"

struct fixture {
	struct loop *loop;
	struct reaper *reaper;
	struct err err;
	uint32_t n_steps;
	size_t n_done;
	int pipe[2];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	return loop_new(&f->loop) || reaper_new(f->loop, &f->reaper) ||
	       pipe2(f->pipe, O_CLOEXEC) < 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	reaper_free(f->reaper);
	loop_free(f->loop);
	close_fd(f->pipe[0]);
	close_fd(f->pipe[1]);
	free(f);
	return 0;
}

static void on_done(void *data, const struct err *err, uint32_t n_steps)
{
	struct fixture *f = data;

	f->err = err ? *err : (struct err)ERR_INIT;
	f->n_steps = n_steps;
	f->n_done++;
}

static struct job *start(struct fixture *f, job_fn *run)
{
	struct job_config config = {.name = "test job", .run = run, .done = on_done, .data = f};
	struct err err = ERR_INIT;
	struct job *job;

	f->n_done = 0;
	assert_int_equal(job_start(f->reaper, &config, &job, &err), 0);
	return job;
}

static void finish(struct fixture *f)
{
	loop_until_count(f->loop, &f->n_done, 1);
}

static int succeed(void *data, struct job_report *report, struct err *err)
{
	(void)data, (void)err;
	job_report_step(report);
	job_report_step(report);
	return 0;
}

static void success_and_steps_are_reported(void **state)
{
	struct fixture *f = *state;

	start(f, succeed);
	finish(f);
	assert_int_equal(f->err.code, 0);
	assert_int_equal(f->n_steps, 2);
}

static int fail_with_text(void *data, struct job_report *report, struct err *err)
{
	(void)data;
	job_report_step(report);
	return err_status(err, ENODEV, 5, "mount x: no such thing");
}

static int fail_without_text(void *data, struct job_report *report, struct err *err)
{
	(void)data, (void)report, (void)err;
	return -EXDEV;
}

static void failure_arrives_with_code_status_and_text(void **state)
{
	struct fixture *f = *state;

	start(f, fail_with_text);
	finish(f);
	assert_int_equal(f->err.code, ENODEV);
	assert_int_equal(f->err.status, 5);
	assert_string_equal(f->err.msg, "mount x: no such thing");
	assert_int_equal(f->n_steps, 1);

	start(f, fail_without_text);
	finish(f);
	assert_int_equal(f->err.code, EXDEV);
	assert_non_null(strstr(f->err.msg, "test job"));
}

static int die(void *data, struct job_report *report, struct err *err)
{
	(void)data, (void)err;
	job_report_step(report);
	raise(SIGKILL);
	return 0;
}

static int leave(void *data, struct job_report *report, struct err *err)
{
	(void)data, (void)report, (void)err;
	_exit(0);
}

static void a_job_that_dies_is_a_failure(void **state)
{
	struct fixture *f = *state;

	start(f, die);
	finish(f);
	assert_int_equal(f->err.code, EIO);
	assert_non_null(strstr(f->err.msg, "signal 9"));
	assert_int_equal(f->n_steps, 1);

	start(f, leave);
	finish(f);
	assert_int_equal(f->err.code, EIO);
	assert_non_null(strstr(f->err.msg, "without a result"));
}

static int hang(void *data, struct job_report *report, struct err *err)
{
	(void)data, (void)report, (void)err;
	for (;;)
		pause();
	return 0;
}

static void a_killed_job_reports_that_it_was_cancelled(void **state)
{
	struct fixture *f = *state;

	job_kill(start(f, hang));
	finish(f);
	assert_int_equal(f->err.code, ECANCELED);
}

static void a_job_holds_no_fd_of_the_agent_open(void **state)
{
	struct fixture *f = *state;
	struct job *job = start(f, hang);
	char byte;

	close_fd(take_fd(&f->pipe[1]));
	/* Would block for ever if the child had kept its copy of the writing end. */
	assert_int_equal(read(f->pipe[0], &byte, 1), 0);
	job_kill(job);
	finish(f);
}

static int check_signals(void *data, struct job_report *report, struct err *err)
{
	sigset_t mask;

	(void)data, (void)report;
	sigprocmask(SIG_SETMASK, NULL, &mask);
	return sigismember(&mask, SIGCHLD) ? err_set(err, EBUSY, "SIGCHLD is blocked") : 0;
}

static void a_job_starts_with_an_empty_signal_mask(void **state)
{
	struct fixture *f = *state;

	start(f, check_signals);
	finish(f);
	assert_string_equal(f->err.msg, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(success_and_steps_are_reported, setup, teardown),
		cmocka_unit_test_setup_teardown(
			failure_arrives_with_code_status_and_text, setup, teardown),
		cmocka_unit_test_setup_teardown(a_job_that_dies_is_a_failure, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_killed_job_reports_that_it_was_cancelled, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_job_holds_no_fd_of_the_agent_open, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_job_starts_with_an_empty_signal_mask, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
