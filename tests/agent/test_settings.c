/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of the configuration that change how processes are started. */
#include <signal.h>
#include <stdio.h>

#include "agent/container/launch.h"
#include "fixture.h"

static int set_up_large_pipes(void **state)
{
	return fixture_set_up_with(state, "container_pipe_size = 1048576\n");
}

static int set_up_impossible_pipes(void **state)
{
	return fixture_set_up_with(state, "container_pipe_size = 2147483647\n");
}

static int set_up_short_launches(void **state)
{
	return fixture_set_up_with(state, "launch_process_timeout = 1\n");
}

/* More than an ordinary pipe holds, to either output, with nobody reading it. */
#define FILL "head -c 900000 /dev/zero; head -c 900000 /dev/zero >&2; exit 3"

static void output_pipes_have_the_size_that_is_set(void **state)
{
	struct fixture *f = *state;

	run_container(f, "c1", FILL);
	assert_int_equal(wait_process(f, "c1", ""), 3);
	run_container(f, "c2", "exec sleep 1000");
	assert_int_equal(exec_process(f, "c2", "e1", FILL, false, NULL), 0);
	assert_int_equal(wait_process(f, "c2", "e1"), 3);
}

static void output_pipes_are_ordinary_by_default(void **state)
{
	struct fixture *f = *state;
	struct buf out = BUF_INIT;
	struct reply wait;

	run_container(f, "c1", "head -c 900000 /dev/zero; exit 3");
	wait_start(f, "c1", "", &wait);
	for (int i = 0; i < 100; i++)
		assert_int_equal(signal_process(f, "c1", "", 0, NULL), 0);
	assert_false(wait.done);
	read_all(f, "c1", "", &out);
	assert_int_equal(buf_len(&out), 900000);
	call_wait(f, &wait);
	reply_fini(&wait);
	buf_fini(&out);
}

static void a_size_that_is_not_to_be_had_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct container_options o = {.id = "c1", .script = "exit 0"};
	struct err err = ERR_INIT;
	size_t before;

	/* The first call settles what the agent has open. */
	assert_int_equal(signal_process(f, "nosuch", "", 9, NULL), WIRE_INVALID_ARGUMENT);
	before = fixture_count_fds(f);
	assert_int_equal(create_container(f, &o, &err), WIRE_INTERNAL);
	assert_non_null(strstr(err.msg, "streams of process c1"));
	assert_int_equal(fixture_count_fds(f), before);
	/* A terminal has no pipes. */
	o.terminal = true;
	assert_int_equal(create_container(f, &o, &err), 0);
}

static void a_launch_that_takes_too_long_is_given_up(void **state)
{
	struct fixture *f = *state;
	struct container_options o = {.id = "c2", .script = "exit 4"};
	char cgroup[2 * PATH_SIZE];
	struct err err = ERR_INIT;
	int64_t from_ns;

	run_container(f, "c1", "exec sleep 1000");
	snprintf(cgroup, sizeof(cgroup), "%s/c1", f->cgroup);
	/* A process that is to enter it stops there. */
	assert_int_equal(launch_freeze_cgroup(cgroup, true, &err), 0);
	from_ns = clock_now_ns();
	assert_int_equal(
		exec_process(f, "c1", "e1", "exit 0", false, &err), WIRE_DEADLINE_EXCEEDED);
	assert_non_null(strstr(err.msg, "not set up in time"));
	assert_true(clock_now_ns() - from_ns >= NS_PER_S);
	assert_true(clock_now_ns() - from_ns < 10 * NS_PER_S);
	assert_int_equal(launch_freeze_cgroup(cgroup, false, &err), 0);
	/* The name is free again, and others were not touched. */
	assert_int_equal(exec_process(f, "c1", "e1", "exit 5", false, NULL), 0);
	assert_int_equal(wait_process(f, "c1", "e1"), 5);
	assert_int_equal(create_container(f, &o, NULL), 0);
	/* What waits for its start has been set up. */
	from_ns = clock_now_ns();
	while (clock_now_ns() - from_ns < 1500 * NS_PER_MS)
		assert_int_equal(loop_run_once(f->loop, 100 * NS_PER_MS), 0);
	assert_int_equal(start_container(f, "c2"), 0);
	assert_int_equal(wait_process(f, "c2", ""), 4);
}

#define with(set_up, name) cmocka_unit_test_setup_teardown(name, set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with(set_up_large_pipes, output_pipes_have_the_size_that_is_set),
		agent_test(output_pipes_are_ordinary_by_default),
		with(set_up_impossible_pipes, a_size_that_is_not_to_be_had_is_an_error),
		with(set_up_short_launches, a_launch_that_takes_too_long_is_given_up),
	};

	fixture_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
