/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "agent/reaper.h"
#include "base/clock.h"

struct fixture {
	struct loop *loop;
	struct reaper *reaper;
	pid_t pid;
	int status, n_calls;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	return loop_new(&f->loop) || reaper_new(f->loop, &f->reaper);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	reaper_free(f->reaper);
	loop_free(f->loop);
	free(f);
	return 0;
}

static pid_t start(int code)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(code);
	assert_true(pid > 0);
	return pid;
}

/* Waits until the child is a zombie, without collecting it. */
static void wait_zombie(pid_t pid)
{
	siginfo_t info;

	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

static bool is_gone(pid_t pid)
{
	siginfo_t info;

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | WNOHANG) < 0 && errno == ECHILD;
}

static void on_exit_of(void *data, pid_t pid, int status)
{
	struct fixture *f = data;

	f->pid = pid;
	f->status = status;
	f->n_calls++;
}

static void watch(
	struct fixture *f, pid_t pid, reaper_fn *fn, void *data, struct reaper_child **ret)
{
	assert_int_equal(reaper_prepare(f->reaper, fn, data, ret), 0);
	reaper_watch(*ret, pid);
}

static void turn(struct fixture *f)
{
	assert_int_equal(loop_run_once(f->loop, 5 * NS_PER_S), 0);
}

static void a_registered_child_is_reported_once(void **state)
{
	struct fixture *f = *state;
	struct reaper_child *child;
	pid_t pid;

	reaper_hold(f->reaper);
	pid = start(42);
	watch(f, pid, on_exit_of, f, &child);
	reaper_drop(f->reaper);
	wait_zombie(pid);
	while (f->n_calls == 0)
		turn(f);
	assert_int_equal(f->pid, pid);
	assert_true(WIFEXITED(f->status) && WEXITSTATUS(f->status) == 42);
	assert_true(is_gone(pid));
	assert_int_equal(loop_run_once(f->loop, 0), 0);
	assert_int_equal(f->n_calls, 1);
}

static void an_unknown_child_is_collected(void **state)
{
	struct fixture *f = *state;
	pid_t pid = start(0);

	wait_zombie(pid);
	turn(f);
	assert_true(is_gone(pid));
	assert_int_equal(f->n_calls, 0);
}

static void a_child_that_ends_before_it_is_registered_keeps_its_status(void **state)
{
	struct fixture *f = *state;
	struct reaper_child *child;
	pid_t pid;

	reaper_hold(f->reaper);
	pid = start(7);
	wait_zombie(pid);
	turn(f);
	assert_false(is_gone(pid));
	watch(f, pid, on_exit_of, f, &child);
	assert_int_equal(f->n_calls, 0);
	reaper_drop(f->reaper);
	while (f->n_calls == 0)
		turn(f);
	assert_true(WIFEXITED(f->status) && WEXITSTATUS(f->status) == 7);
}

static void an_unknown_zombie_under_hold_does_not_hide_registered_children(void **state)
{
	struct fixture *f = *state;
	struct reaper_child *child;
	pid_t unknown, known;

	reaper_hold(f->reaper);
	unknown = start(0);
	wait_zombie(unknown);
	known = start(3);
	watch(f, known, on_exit_of, f, &child);
	wait_zombie(known);
	while (f->n_calls == 0)
		turn(f);
	assert_int_equal(f->pid, known);
	assert_false(is_gone(unknown));
	reaper_drop(f->reaper);
	while (!is_gone(unknown))
		turn(f);
}

static void a_removed_registration_is_not_called(void **state)
{
	struct fixture *f = *state;
	struct reaper_child *child;
	pid_t pid;

	reaper_hold(f->reaper);
	pid = start(1);
	watch(f, pid, on_exit_of, f, &child);
	reaper_remove(child);
	reaper_remove(NULL);
	reaper_drop(f->reaper);
	wait_zombie(pid);
	while (!is_gone(pid))
		turn(f);
	assert_int_equal(f->n_calls, 0);
}

struct chain {
	struct fixture *f;
	struct reaper_child *other;
	pid_t other_pid;
};

static void remove_other(void *data, pid_t pid, int status)
{
	struct chain *c = data;

	on_exit_of(c->f, pid, status);
	reaper_remove(c->other);
}

static void a_callback_may_remove_another_registration(void **state)
{
	struct fixture *f = *state;
	struct chain chain = {.f = f};
	struct reaper_child *first;
	pid_t pid, blocker;

	reaper_hold(f->reaper);
	blocker = start(0);
	wait_zombie(blocker);
	pid = start(0);
	chain.other_pid = start(0);
	watch(f, pid, remove_other, &chain, &first);
	watch(f, chain.other_pid, on_exit_of, f, &chain.other);
	wait_zombie(pid);
	wait_zombie(chain.other_pid);
	assert_int_equal(loop_run_once(f->loop, 0), 0);
	assert_int_equal(f->n_calls, 1);
	reaper_drop(f->reaper);
	while (!is_gone(chain.other_pid))
		turn(f);
	assert_int_equal(f->n_calls, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_registered_child_is_reported_once, setup, teardown),
		cmocka_unit_test_setup_teardown(an_unknown_child_is_collected, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_child_that_ends_before_it_is_registered_keeps_its_status, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			an_unknown_zombie_under_hold_does_not_hide_registered_children, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			a_removed_registration_is_not_called, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_callback_may_remove_another_registration, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
