/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a task: create, start, exec, wait, kill, delete, shut down. */
#include "shim_fixture.h"

#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "loop_until.h"
#include "shim/shim_end.h"
#include "wire/message.h"
#include "wire/status.h"

static void an_unknown_task_is_not_found(void **data)
{
	struct fixture *f = *data;
	Containerd__Task__V2__PidsRequest pids = INIT(PIDS_REQUEST);
	struct answer wait;

	pids.id = c1;
	assert_int_equal(state(f).status, WIRE_NOT_FOUND);
	assert_non_null(strstr(state(f).msg, "not found"));
	assert_int_equal(start(f, NULL).status, WIRE_NOT_FOUND);
	assert_int_equal(exec(f, c1).status, WIRE_NOT_FOUND);
	assert_int_equal(delete_task(f, NULL).status, WIRE_NOT_FOUND);
	assert_int_equal(call(f, "Pids", &pids.base, NULL).status, WIRE_NOT_FOUND);
	begin_wait(f, &wait, NULL);
	run_until(f, &wait.has_come);
	assert_int_equal(wait.status, WIRE_NOT_FOUND);
	/* Who wanted it dead has what he wanted. */
	assert_int_equal(kill_task(f, NULL, SIGKILL).status, 0);
	assert_int_equal(kill_task(f, NULL, SIGTERM).status, 0);
	assert_int_equal(kill_task(f, NULL, SIGHUP).status, WIRE_NOT_FOUND);
}

static void what_is_not_supported_says_so_by_name(void **data)
{
	struct fixture *f = *data;
	Containerd__Task__V2__CheckpointTaskRequest request = INIT(CHECKPOINT_TASK_REQUEST);
	struct answer a = call(f, "Checkpoint", &request.base, NULL);

	assert_int_equal(a.status, WIRE_UNIMPLEMENTED);
	assert_non_null(strstr(a.msg, "Checkpoint"));
	assert_non_null(strstr(a.msg, "not supported"));
	assert_int_equal(call(f, "Nonsense", &request.base, NULL).status, WIRE_UNIMPLEMENTED);
}

static void a_container_lives(void **data)
{
	struct fixture *f = *data;
	Containerd__Task__V2__PidsRequest pids = INIT(PIDS_REQUEST);
	struct answer a, wait;
	uint32_t pid;

	pids.id = c1;
	a = create(f);
	assert_string_equal(a.msg, "");
	pid = a.pid;
	assert_int_equal(kill((pid_t)pid, 0), 0);
	assert_int_equal(state(f).task_status, CONTAINERD__TASK__V2__STATUS__CREATED);
	begin_wait(f, &wait, NULL);
	a = start(f, NULL);
	assert_int_equal(a.status, 0);
	assert_int_equal(a.pid, pid);
	assert_int_equal(state(f).task_status, CONTAINERD__TASK__V2__STATUS__RUNNING);
	a = call(f, "Pids", &pids.base, &containerd__task__v2__pids_response__descriptor);
	assert_int_equal(a.n_processes, 1);
	assert_int_equal(start(f, NULL).status, WIRE_FAILED_PRECONDITION);
	assert_int_equal(create(f).status, WIRE_ALREADY_EXISTS);
	assert_false(wait.has_come);
	assert_int_equal(kill_task(f, NULL, SIGTERM).status, 0);
	run_until(f, &wait.has_come);
	assert_int_equal(wait.exit_status, 143);
	assert_int_equal(state(f).task_status, CONTAINERD__TASK__V2__STATUS__STOPPED);
	assert_int_equal(kill_task(f, NULL, SIGKILL).status, 0);
	assert_int_equal(kill_task(f, NULL, SIGHUP).status, WIRE_NOT_FOUND);
	/* A Wait that comes late is answered too. */
	begin_wait(f, &wait, NULL);
	run_until(f, &wait.has_come);
	assert_int_equal(wait.exit_status, 143);
	a = delete_task(f, NULL);
	assert_int_equal(a.status, 0);
	assert_int_equal(a.exit_status, 143);
	assert_nothing_left(f);
	/* The id is free again. */
	assert_int_equal(create(f).status, 0);
	assert_int_equal(delete_task(f, NULL).status, 0);
}

static void execs_come_and_go(void **data)
{
	struct fixture *f = *data;
	Containerd__Task__V2__PidsRequest pids = INIT(PIDS_REQUEST);
	char e1[] = "e1", e[] = "e", bad[] = "../e";
	struct answer a, wait;

	pids.id = c1;
	assert_int_equal(create(f).status, 0);
	assert_int_equal(exec(f, e1).status, 0);
	assert_int_equal(exec(f, e1).status, WIRE_ALREADY_EXISTS);
	assert_int_equal(exec(f, c1).status, WIRE_ALREADY_EXISTS);
	assert_int_equal(exec(f, bad).status, WIRE_INVALID_ARGUMENT);
	/* Not before the container. */
	assert_int_equal(start(f, e1).status, WIRE_FAILED_PRECONDITION);
	assert_int_equal(start(f, NULL).status, 0);
	assert_int_equal(kill_task(f, e1, SIGKILL).status, WIRE_FAILED_PRECONDITION);
	begin_wait(f, &wait, e1);
	assert_int_equal(start(f, e1).status, 0);
	assert_int_equal(exec(f, e).status, 0);
	a = call(f, "Pids", &pids.base, &containerd__task__v2__pids_response__descriptor);
	assert_int_equal(a.n_processes, 2);
	assert_int_equal(delete_task(f, e1).status, WIRE_FAILED_PRECONDITION);
	assert_int_equal(kill_task(f, e1, SIGINT).status, 0);
	run_until(f, &wait.has_come);
	assert_int_equal(wait.exit_status, 130);
	a = delete_task(f, e1);
	assert_int_equal(a.exit_status, 130);
	assert_int_equal(delete_task(f, e1).status, WIRE_NOT_FOUND);
	/* One that was never started; whoever waits for it hears of its end. */
	begin_wait(f, &wait, e);
	assert_int_equal(delete_task(f, e).status, 0);
	run_until(f, &wait.has_come);
	assert_int_equal(wait.status, 0);
	/* A running container is killed first. */
	begin_wait(f, &wait, NULL);
	a = delete_task(f, NULL);
	assert_int_equal(a.exit_status, 137);
	assert_true(wait.has_come);
	assert_int_equal(wait.exit_status, 137);
}

static void a_start_that_fails_is_rolled_back(void **data)
{
	static const struct {
		const char *qemu, *guest, *part;
	} rows[] = {
		{"refuse", "", "could not load kernel"},
		{"panic", "create_container_hangs", "Kernel panic"},
		{"garbage-later", "create_container_hangs", "QMP"},
		{"quiet", "create_sandbox_fails", "as told: create_sandbox_fails"},
		{"quiet", "create_container_fails", "as told: create_container_fails"},
	};
	struct fixture *f = *data;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct answer a;

		configure(f, rows[i].qemu);
		script(f, rows[i].guest);
		a = create(f);
		assert_true(a.status != 0);
		if (!strstr(a.msg, rows[i].part))
			fail_msg("row %zu: %s", i, a.msg);
		assert_nothing_left(f);
		assert_int_equal(state(f).status, WIRE_NOT_FOUND);
	}
}

static void bad_bundles_make_nothing(void **data)
{
	static const struct {
		const char *json, *part;
	} rows[] = {
		{"{", "config.json"},
		{"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"r\"},\"linux\":{}}", "process"},
		{"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"rootfs\"},\"process\":{\"cwd\":"
		 "\"/\",\"args\":[\"x\"]},\"linux\":{\"namespaces\":[{\"type\":\"mount\"}]}}",
			"not supported yet"},
		{"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"missing\"},\"process\":{\"cwd\":"
		 "\"/\",\"args\":[\"x\"]},\"linux\":{\"namespaces\":[{\"type\":\"mount\"},"
		 "{\"type\":\"network\"}]}}",
			"missing"},
		{"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"rootfs\"},\"process\":{\"cwd\":"
		 "\"/\",\"args\":[\"x\"]},\"linux\":{\"namespaces\":[{\"type\":\"mount\"},"
		 "{\"type\":\"network\"}]},\"annotations\":{"
		 "\"io.kubernetes.cri.container-type\":\"container\"}}",
			"without a sandbox id"},
	};
	struct fixture *f = *data;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct answer a;

		write_file(f->bundle, "config.json", rows[i].json);
		a = create(f);
		assert_true(a.status != 0);
		if (!strstr(a.msg, rows[i].part))
			fail_msg("row %zu: %s", i, a.msg);
		assert_nothing_left(f);
	}
}

static void a_client_that_leaves_takes_its_container_along(void **data)
{
	struct fixture *f = *data;
	struct answer a;

	script(f, "create_container_hangs");
	begin_create(f, &a);
	for (int i = 0; i < 50; i++)
		assert_int_equal(loop_run_once(f->shim.loop, 10 * NS_PER_MS), 0);
	assert_true(f->shim.creates.n_entries > 0);
	ttrpc_client_free(f->client);
	f->client = NULL;
	loop_until(f->shim.loop, f->shim.creates.n_entries == 0);
	assert_false(a.has_come);
}

static void a_vm_that_dies_ends_its_processes_with_255(void **data)
{
	struct fixture *f = *data;
	char e1[] = "e1";
	struct answer a, wait, wait_exec;

	a = create(f);
	assert_int_equal(start(f, NULL).status, 0);
	assert_int_equal(exec(f, e1).status, 0);
	assert_int_equal(start(f, e1).status, 0);
	begin_wait(f, &wait, NULL);
	begin_wait(f, &wait_exec, e1);
	assert_int_equal(kill((pid_t)a.pid, SIGKILL), 0);
	run_until(f, &wait.has_come);
	run_until(f, &wait_exec.has_come);
	assert_int_equal(wait.exit_status, 255);
	assert_int_equal(wait_exec.exit_status, 255);
	assert_int_equal(state(f).task_status, CONTAINERD__TASK__V2__STATUS__STOPPED);
	assert_int_equal(kill_task(f, NULL, SIGKILL).status, 0);
	a = delete_task(f, NULL);
	assert_int_equal(a.status, 0);
	assert_int_equal(a.exit_status, 255);
}

static void a_container_whose_start_fails_can_be_deleted(void **data)
{
	struct fixture *f = *data;
	struct answer a;

	script(f, "start_fails");
	assert_int_equal(create(f).status, 0);
	a = start(f, NULL);
	assert_non_null(strstr(a.msg, "as told: start_fails"));
	assert_int_equal(delete_task(f, NULL).status, 0);
}

static void a_program_that_ends_by_itself_has_its_own_status(void **data)
{
	struct fixture *f = *data;
	struct answer wait;

	script(f, "ends");
	assert_int_equal(create(f).status, 0);
	begin_wait(f, &wait, NULL);
	assert_int_equal(start(f, NULL).status, 0);
	run_until(f, &wait.has_come);
	assert_int_equal(wait.exit_status, 7);
	assert_int_equal(delete_task(f, NULL).exit_status, 7);
}

static void a_guest_that_will_not_end_does_not_hold_up_the_delete(void **data)
{
	static const char *const words[] = {"destroy_sandbox_fails", "destroy_sandbox_hangs"};
	struct fixture *f = *data;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		script(f, words[i]);
		assert_int_equal(create(f).status, 0);
		assert_int_equal(delete_task(f, NULL).status, 0);
		assert_nothing_left(f);
	}
}

static void memory_that_runs_out_is_told_of_containers_that_are_ours(void **data)
{
	struct fixture *f = *data;

	script(f, "oom");
	assert_int_equal(create(f).status, 0);
	run_until_event(f, "/tasks/oom c1\n/tasks/oom c1");
	assert_null(strstr(buf_str(&f->events), "other"));
	assert_int_equal(delete_task(f, NULL).status, 0);
}

static struct answer shutdown_task(struct fixture *f, bool now)
{
	Containerd__Task__V2__ShutdownRequest request = INIT(SHUTDOWN_REQUEST);

	request.id = c1;
	MESSAGE_SET(&request, now, now);
	return call(f, "Shutdown", &request.base, NULL);
}

static void shutdown_ends_the_daemon_without_containers(void **data)
{
	struct fixture *f = *data;

	assert_int_equal(create(f).status, 0);
	assert_int_equal(shutdown_task(f, false).status, 0);
	assert_false(f->shim.is_ending);
	assert_int_equal(delete_task(f, NULL).status, 0);
	assert_int_equal(shutdown_task(f, false).status, 0);
	assert_int_equal(loop_run(f->shim.loop), 0);
	assert_true(f->shim.has_ended);
}

static void shutdown_now_takes_everything_along(void **data)
{
	struct fixture *f = *data;
	struct answer wait;

	assert_int_equal(create(f).status, 0);
	assert_int_equal(start(f, NULL).status, 0);
	begin_wait(f, &wait, NULL);
	assert_int_equal(shutdown_task(f, true).status, 0);
	run_until(f, &wait.has_come);
	assert_int_equal(wait.exit_status, 137);
	assert_int_equal(loop_run(f->shim.loop), 0);
}

/* As if its time had come. */
static void fire_idle(struct fixture *f)
{
	source_set_deadline(f->shim.idle, 0);
	for (int i = 0; i < 3 && !f->shim.has_ended; i++)
		assert_int_equal(loop_run_once(f->shim.loop, 10 * NS_PER_MS), 0);
}

static void assert_ends(struct fixture *f)
{
	fire_idle(f);
	assert_int_equal(loop_run(f->shim.loop), 0);
	assert_true(f->shim.has_ended);
	source_free(f->shim.idle);
}

static void a_daemon_that_gets_no_create_ends(void **data)
{
	struct fixture *f = *data;

	assert_int_equal(shim_watch_idle(&f->shim), 0);
	assert_ends(f);
}

static void a_daemon_that_nobody_shuts_down_ends(void **data)
{
	struct fixture *f = *data;

	assert_int_equal(shim_watch_idle(&f->shim), 0);
	assert_int_equal(create(f).status, 0);
	fire_idle(f);
	assert_false(f->shim.is_ending);
	assert_int_equal(start(f, NULL).status, 0);
	assert_int_equal(delete_task(f, NULL).status, 0);
	assert_false(f->shim.is_ending);
	assert_ends(f);
}

/* containerd has died, and was to call Shutdown after the error. */
static void a_daemon_whose_client_has_left_ends(void **data)
{
	struct fixture *f = *data;
	struct answer a;

	script(f, "create_container_hangs");
	assert_int_equal(shim_watch_idle(&f->shim), 0);
	source_set_deadline(f->shim.idle, INT64_MAX);
	begin_create(f, &a);
	while (f->shim.creates.n_entries == 0)
		assert_int_equal(loop_run_once(f->shim.loop, 10 * NS_PER_MS), 0);
	fixture_reconnect(f);
	assert_int_equal(loop_run(f->shim.loop), 0);
	assert_true(f->shim.has_ended);
	source_free(f->shim.idle);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		shim_test(an_unknown_task_is_not_found),
		shim_test(what_is_not_supported_says_so_by_name),
		shim_test(a_container_lives),
		shim_test(execs_come_and_go),
		shim_test(a_start_that_fails_is_rolled_back),
		shim_test(bad_bundles_make_nothing),
		shim_test(a_client_that_leaves_takes_its_container_along),
		shim_test(a_vm_that_dies_ends_its_processes_with_255),
		shim_test(a_container_whose_start_fails_can_be_deleted),
		shim_test(a_program_that_ends_by_itself_has_its_own_status),
		shim_test(a_guest_that_will_not_end_does_not_hold_up_the_delete),
		shim_test(memory_that_runs_out_is_told_of_containers_that_are_ours),
		shim_test(shutdown_ends_the_daemon_without_containers),
		shim_test(shutdown_now_takes_everything_along),
		shim_test(a_daemon_that_gets_no_create_ends),
		shim_test(a_daemon_that_nobody_shuts_down_ends),
		shim_test(a_daemon_whose_client_has_left_ends),
	};
	int status = fixture_main(argc, argv);

	return status >= 0 ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
