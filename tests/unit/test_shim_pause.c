/* SPDX-License-Identifier: Apache-2.0 */
/* Pause and Resume, and what the other verbs do to a container that stands still. */
#include "shim_fixture.h"

#include <signal.h>
#include <string.h>

#include "wire/message.h"
#include "wire/status.h"

#define STATUS(name) CONTAINERD__TASK__V2__STATUS__##name

static void run(struct fixture *f)
{
	assert_int_equal(create(f).status, 0);
	assert_int_equal(start(f, NULL).status, 0);
}

static void assert_refused(struct answer a, const char *part)
{
	assert_int_equal(a.status, WIRE_FAILED_PRECONDITION);
	assert_non_null(strstr(a.msg, part));
}

static void a_container_stands_still_and_goes_on(void **data)
{
	struct fixture *f = *data;

	run(f);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pause_task(f).status, 0);
		assert_int_equal(state(f).task_status, STATUS(PAUSED));
		assert_int_equal(resume_task(f).status, 0);
		assert_int_equal(state(f).task_status, STATUS(RUNNING));
	}
	run_until_event(f, "/tasks/resumed c1");
	assert_string_equal(buf_str(&f->events),
		"/tasks/create c1\n/tasks/start c1\n/tasks/paused c1\n/tasks/resumed c1\n"
		"/tasks/paused c1\n/tasks/resumed c1\n");
	assert_int_equal(delete_task(f, NULL).status, 0);
}

static void only_what_runs_is_paused_and_only_what_is_paused_resumed(void **data)
{
	struct fixture *f = *data;

	assert_int_equal(pause_task(f).status, WIRE_NOT_FOUND);
	assert_int_equal(resume_task(f).status, WIRE_NOT_FOUND);
	assert_int_equal(create(f).status, 0);
	assert_refused(pause_task(f), "container c1 is not running");
	assert_int_equal(start(f, NULL).status, 0);
	assert_refused(resume_task(f), "container c1 is not paused");
	assert_int_equal(pause_task(f).status, 0);
	assert_refused(pause_task(f), "container c1 is paused");
	assert_int_equal(resume_task(f).status, 0);
	assert_int_equal(kill_task(f, NULL, SIGKILL).status, 0);
	run_until_event(f, "/tasks/exit c1");
	assert_refused(pause_task(f), "container c1 is not running");
	assert_refused(resume_task(f), "container c1 is not running");
	assert_int_equal(delete_task(f, NULL).status, 0);
}

static void what_the_guest_refuses_changes_nothing(void **data)
{
	struct fixture *f = *data;
	struct answer a;

	script(f, "pause_fails");
	run(f);
	a = pause_task(f);
	assert_non_null(strstr(a.msg, "as told: pause_fails"));
	assert_int_equal(state(f).task_status, STATUS(RUNNING));
	assert_refused(resume_task(f), "not paused");
	assert_int_equal(delete_task(f, NULL).status, 0);

	script(f, "resume_fails");
	run(f);
	assert_int_equal(pause_task(f).status, 0);
	a = resume_task(f);
	assert_non_null(strstr(a.msg, "as told: resume_fails"));
	assert_int_equal(state(f).task_status, STATUS(PAUSED));
	assert_int_equal(delete_task(f, NULL).exit_status, 137);
	assert_null(strstr(buf_str(&f->events), "/tasks/resumed"));
}

static void nothing_is_started_in_it(void **data)
{
	struct fixture *f = *data;
	char e1[] = "e1", e2[] = "e2";

	run(f);
	assert_int_equal(exec(f, e1).status, 0);
	assert_int_equal(pause_task(f).status, 0);
	assert_refused(exec(f, e2), "container c1 is paused");
	assert_refused(start(f, e1), "container c1 is paused");
	assert_int_equal(resume_task(f).status, 0);
	assert_int_equal(start(f, e1).status, 0);
	assert_int_equal(delete_task(f, NULL).status, 0);
}

/* With cgroup v1 a paused process dies when it is resumed, and nobody else will do that. */
static void it_can_be_killed_and_deleted(void **data)
{
	static const char *const guests[] = {"", "cgroup_v1"};
	struct fixture *f = *data;
	struct answer wait;

	for (size_t i = 0; i < ARRAY_SIZE(guests); i++) {
		script(f, guests[i]);
		run(f);
		begin_wait(f, &wait, NULL);
		assert_int_equal(pause_task(f).status, 0);
		assert_int_equal(kill_task(f, NULL, SIGKILL).status, 0);
		run_until(f, &wait.has_come);
		assert_int_equal(wait.exit_status, 137);
		assert_int_equal(state(f).task_status, STATUS(STOPPED));
		assert_int_equal(delete_task(f, NULL).exit_status, 137);

		run(f);
		assert_int_equal(pause_task(f).status, 0);
		assert_int_equal(delete_task(f, NULL).exit_status, 137);
	}
	/* Nobody has asked for it. */
	assert_null(strstr(buf_str(&f->events), "/tasks/resumed"));
}

static void other_signals_leave_it_paused(void **data)
{
	struct fixture *f = *data;

	script(f, "cgroup_v1");
	run(f);
	assert_int_equal(pause_task(f).status, 0);
	assert_int_equal(kill_task(f, NULL, SIGTERM).status, 0);
	assert_int_equal(state(f).task_status, STATUS(PAUSED));
	assert_int_equal(resume_task(f).status, 0);
	run_until_event(f, "/tasks/exit c1");
	assert_int_equal(delete_task(f, NULL).status, 0);
}

static void a_pause_that_hangs_is_answered_when_the_container_goes(void **data)
{
	struct fixture *f = *data;
	struct answer a;

	script(f, "pause_hangs");
	run(f);
	begin_pause(f, &a);
	assert_int_equal(state(f).task_status, STATUS(PAUSING));
	assert_refused(pause_task(f), "container c1 is being paused");
	assert_refused(resume_task(f), "container c1 is being paused");
	assert_false(a.has_come);
	assert_int_equal(delete_task(f, NULL).status, 0);
	run_until(f, &a.has_come);
	assert_int_not_equal(a.status, 0);
}

static void a_vm_that_dies_answers_it_too(void **data)
{
	struct fixture *f = *data;
	struct answer a;

	script(f, "pause_hangs");
	a = create(f);
	assert_int_equal(start(f, NULL).status, 0);
	assert_int_equal(kill((pid_t)a.pid, SIGKILL), 0);
	begin_pause(f, &a);
	run_until(f, &a.has_come);
	assert_int_not_equal(a.status, 0);
	run_until_event(f, "/tasks/exit c1");
	assert_int_equal(state(f).task_status, STATUS(STOPPED));
	assert_int_equal(delete_task(f, NULL).exit_status, 255);
}

static void a_shutdown_answers_it_too(void **data)
{
	struct fixture *f = *data;
	Containerd__Task__V2__ShutdownRequest request = INIT(SHUTDOWN_REQUEST);
	struct answer a;

	script(f, "pause_hangs");
	run(f);
	begin_pause(f, &a);
	request.id = c1;
	MESSAGE_SET(&request, now, true);
	assert_int_equal(call(f, "Shutdown", &request.base, NULL).status, 0);
	run_until(f, &a.has_come);
	assert_non_null(strstr(a.msg, "container c1 is gone"));
	assert_int_equal(loop_run(f->shim.loop), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		shim_test(a_container_stands_still_and_goes_on),
		shim_test(only_what_runs_is_paused_and_only_what_is_paused_resumed),
		shim_test(what_the_guest_refuses_changes_nothing),
		shim_test(nothing_is_started_in_it),
		shim_test(it_can_be_killed_and_deleted),
		shim_test(other_signals_leave_it_paused),
		shim_test(a_pause_that_hangs_is_answered_when_the_container_goes),
		shim_test(a_vm_that_dies_answers_it_too),
		shim_test(a_shutdown_answers_it_too),
	};
	int status = fixture_main(argc, argv);

	return status >= 0 ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
