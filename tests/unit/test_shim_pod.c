/* SPDX-License-Identifier: Apache-2.0 */
/* A pod by the task API: several containers, one sandbox. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "loop_until.h"
#include "runtime/state.h"
#include "shim_fixture.h"
#include "wire/message.h"
#include "wire/status.h"

static char c2[] = "c2", c3[] = "c3";

#define TYPE FIXTURE_TYPE
#define SANDBOX FIXTURE_SANDBOX
#define MEMBER TYPE("container") "," SANDBOX("c1")

static void create_sandbox(struct fixture *f)
{
	struct answer a;

	fixture_write_bundle(f, TYPE("sandbox") "," SANDBOX("c1"), "rootfs");
	task_id = c1;
	a = create(f);
	assert_string_equal(a.msg, "");
	assert_int_equal(start(f, NULL).status, 0);
}

static struct answer create_member(struct fixture *f, char *id)
{
	fixture_write_bundle(f, MEMBER, "rootfs");
	task_id = id;
	return create(f);
}

static void begin_wait_for(struct fixture *f, struct answer *a, char *id)
{
	task_id = id;
	begin_wait(f, a, NULL);
}

static struct answer delete_one(struct fixture *f, char *id)
{
	task_id = id;
	return delete_task(f, NULL);
}

static int state_of(struct fixture *f, char *id)
{
	task_id = id;
	return state(f).task_status;
}

/* How many mounts of a container are noted. */
static size_t n_noted(struct fixture *f, const char *id)
{
	char dir[160], part[64];
	struct state *state;
	size_t n = 0;

	snprintf(dir, sizeof(dir), "%s/kata/c1", f->run_root);
	snprintf(part, sizeof(part), "/passthrough/%s/", id);
	assert_int_equal(state_load(dir, &state, NULL), 0);
	for (size_t i = 0; i < state->mounts.n; i++)
		n += strstr(state->mounts.items[i], part) != NULL;
	state_free(state);
	return n;
}

static bool has_share(struct fixture *f, const char *id)
{
	char path[200];

	snprintf(path, sizeof(path),
		"%s/kata-containers/shared/sandboxes/c1/rw/passthrough/%s/rootfs", f->run_root, id);
	return access(path, F_OK) == 0;
}

static bool has_pid_file(struct fixture *f)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/shim.pid", f->bundle);
	return access(path, F_OK) == 0;
}

static void assert_is_undone(struct fixture *f, char *id)
{
	assert_false(has_share(f, id));
	assert_int_equal(n_noted(f, id), 0);
	task_id = id;
	assert_int_equal(state(f).status, WIRE_NOT_FOUND);
}

static void assert_sandbox_lives(struct fixture *f)
{
	assert_int_equal(state_of(f, c1), CONTAINERD__TASK__V2__STATUS__RUNNING);
}

static void containers_come_and_go_in_one_sandbox(void **data)
{
	struct fixture *f = *data;
	struct answer a, wait, sandbox_wait;
	pid_t pid;

	create_sandbox(f);
	pid = sandbox_pid(f->shim.sandbox);
	begin_wait_for(f, &sandbox_wait, c1);
	for (int i = 0; i < 3; i++) {
		a = create_member(f, c2);
		assert_string_equal(a.msg, "");
		assert_int_equal(a.pid, pid);
		assert_true(has_share(f, "c2"));
		assert_int_equal(n_noted(f, "c2"), 1);
		assert_int_equal(create_member(f, c2).status, WIRE_ALREADY_EXISTS);
		assert_int_equal(start(f, NULL).status, 0);
		begin_wait_for(f, &wait, c2);
		assert_int_equal(kill_task(f, NULL, SIGTERM).status, 0);
		run_until(f, &wait.has_come);
		assert_int_equal(wait.exit_status, 143);
		assert_int_equal(delete_one(f, c2).exit_status, 143);
		assert_is_undone(f, c2);
		assert_sandbox_lives(f);
	}
	assert_int_equal(n_noted(f, "c1"), 1);
	write_file(f->bundle, "shim.pid", "1");
	assert_false(sandbox_wait.has_come);
	assert_int_equal(delete_one(f, c1).exit_status, 137);
	assert_true(sandbox_wait.has_come);
	assert_true(has_pid_file(f));
}

static void a_running_container_is_killed_by_its_delete(void **data)
{
	struct fixture *f = *data;

	create_sandbox(f);
	assert_int_equal(create_member(f, c2).status, 0);
	assert_int_equal(start(f, NULL).status, 0);
	assert_int_equal(delete_one(f, c2).exit_status, 137);
	assert_is_undone(f, c2);
	assert_sandbox_lives(f);
	assert_int_equal(delete_one(f, c1).status, 0);
}

static void execs_belong_to_their_container(void **data)
{
	struct fixture *f = *data;
	char e1[] = "e1";

	create_sandbox(f);
	assert_int_equal(create_member(f, c2).status, 0);
	assert_int_equal(start(f, NULL).status, 0);
	assert_int_equal(exec(f, e1).status, 0);
	assert_int_equal(start(f, e1).status, 0);
	task_id = c1;
	assert_int_equal(kill_task(f, e1, SIGHUP).status, WIRE_NOT_FOUND);
	assert_int_equal(exec(f, e1).status, 0);
	assert_int_equal(start(f, e1).status, 0);
	assert_int_equal(delete_one(f, c2).status, 0);
	task_id = c1;
	assert_int_equal(delete_task(f, e1).status, WIRE_FAILED_PRECONDITION);
	assert_int_equal(delete_one(f, c1).status, 0);
}

static void the_sandbox_takes_its_containers_along(void **data)
{
	struct fixture *f = *data;
	struct answer wait;

	create_sandbox(f);
	assert_int_equal(create_member(f, c2).status, 0);
	assert_int_equal(start(f, NULL).status, 0);
	assert_int_equal(create_member(f, c3).status, 0);
	begin_wait_for(f, &wait, c2);
	write_file(f->bundle, "shim.pid", "1");
	assert_int_equal(delete_one(f, c1).status, 0);
	assert_false(has_pid_file(f));
	assert_true(wait.has_come);
	assert_int_equal(wait.exit_status, 137);
	run_until_event(f, "/tasks/exit c2");
	/* They wait for their Delete; nothing can be added or started. */
	assert_int_equal(state_of(f, c2), CONTAINERD__TASK__V2__STATUS__STOPPED);
	task_id = c3;
	assert_int_equal(start(f, NULL).status, WIRE_FAILED_PRECONDITION);
	assert_int_equal(create_member(f, c1).status, WIRE_FAILED_PRECONDITION);
	assert_int_equal(delete_one(f, c2).exit_status, 137);
	assert_int_equal(delete_one(f, c3).status, 0);
}

static void a_bad_container_leaves_the_others_alone(void **data)
{
	static const struct {
		const char *annotations, *rootfs, *part;
	} rows[] = {
		{MEMBER, "missing", "missing"},
		{MEMBER, "rootfs", "as told: c2_create_fails"},
		{TYPE("container"), "rootfs", "without a sandbox id"},
		{TYPE("container") "," SANDBOX("c9"), "rootfs", "sandbox c9: not found"},
		{TYPE("nonsense"), "rootfs", "nonsense"},
		{TYPE("sandbox"), "rootfs", "serves sandbox c1 already"},
		{"", "rootfs", "serves sandbox c1 already"},
	};
	struct fixture *f = *data;

	script(f, "c2_create_fails");
	create_sandbox(f);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct answer a;

		fixture_write_bundle(f, rows[i].annotations, rows[i].rootfs);
		task_id = c2;
		a = create(f);
		assert_true(a.status != 0);
		assert_non_null(strstr(a.msg, rows[i].part));
		assert_is_undone(f, c2);
		assert_sandbox_lives(f);
	}
	assert_int_equal(create_member(f, c3).status, 0);
	assert_int_equal(delete_one(f, c3).status, 0);
	assert_int_equal(delete_one(f, c1).status, 0);
}

static void a_container_needs_its_sandbox(void **data)
{
	struct fixture *f = *data;
	struct answer a = create_member(f, c2);

	assert_int_equal(a.status, WIRE_NOT_FOUND);
	assert_non_null(strstr(a.msg, "sandbox c1: not found"));
}

static void a_vm_that_dies_ends_them_all(void **data)
{
	struct fixture *f = *data;
	struct answer sandbox_wait, wait, wait_exec;
	char e1[] = "e1";

	create_sandbox(f);
	begin_wait_for(f, &sandbox_wait, c1);
	assert_int_equal(create_member(f, c2).status, 0);
	assert_int_equal(start(f, NULL).status, 0);
	assert_int_equal(exec(f, e1).status, 0);
	assert_int_equal(start(f, e1).status, 0);
	begin_wait(f, &wait, NULL);
	begin_wait(f, &wait_exec, e1);
	assert_int_equal(kill(sandbox_pid(f->shim.sandbox), SIGKILL), 0);
	run_until(f, &sandbox_wait.has_come);
	run_until(f, &wait.has_come);
	run_until(f, &wait_exec.has_come);
	assert_int_equal(sandbox_wait.exit_status, 255);
	assert_int_equal(wait.exit_status, 255);
	assert_int_equal(wait_exec.exit_status, 255);
	assert_int_equal(create_member(f, c3).status, WIRE_FAILED_PRECONDITION);
	assert_int_equal(delete_one(f, c2).exit_status, 255);
	assert_false(has_share(f, "c2"));
	assert_int_equal(delete_one(f, c1).exit_status, 255);
}

static void begin_delete(struct fixture *f, struct answer *a, char *id)
{
	Containerd__Task__V2__DeleteRequest request = INIT(DELETE_REQUEST);

	request.id = id;
	begin(f, a, "Delete", &request.base, &containerd__task__v2__delete_response__descriptor);
}

static void eight_at_once(void **data)
{
	static char ids[][8] = {"m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7"};
	struct fixture *f = *data;
	struct answer a[ARRAY_SIZE(ids)];

	create_sandbox(f);
	fixture_write_bundle(f, MEMBER, "rootfs");
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		task_id = ids[i];
		begin_create(f, &a[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		run_until(f, &a[i].has_come);
		assert_string_equal(a[i].msg, "");
		assert_true(has_share(f, ids[i]));
	}
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		begin_delete(f, &a[i], ids[i]);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		run_until(f, &a[i].has_come);
		assert_int_equal(a[i].status, 0);
		assert_is_undone(f, ids[i]);
	}
	assert_int_equal(delete_one(f, c1).status, 0);
}

static void a_delete_under_way_is_not_begun_again(void **data)
{
	struct fixture *f = *data;
	struct answer first, second;

	create_sandbox(f);
	assert_int_equal(create_member(f, c2).status, 0);
	begin_delete(f, &first, c2);
	begin_delete(f, &second, c2);
	run_until(f, &first.has_come);
	run_until(f, &second.has_come);
	assert_int_equal(first.status, 0);
	assert_int_equal(second.status, WIRE_FAILED_PRECONDITION);
	assert_int_equal(delete_one(f, c2).status, WIRE_NOT_FOUND);
	assert_int_equal(delete_one(f, c1).status, 0);
}

/* Its sandbox goes in the middle of a container's Create, at different steps of it. */
static void a_sandbox_may_go_while_a_container_is_made(void **data)
{
	struct fixture *f = *data;

	script(f, "c2_create_is_slow");
	for (int n_turns = 0; n_turns < 12; n_turns++) {
		struct answer a, gone;

		create_sandbox(f);
		fixture_write_bundle(f, MEMBER, "rootfs");
		task_id = c2;
		begin_create(f, &a);
		for (int i = 0; i < n_turns; i++)
			assert_int_equal(loop_run_once(f->shim.loop, 5 * NS_PER_MS), 0);
		begin_delete(f, &gone, c1);
		run_until(f, &gone.has_come);
		run_until(f, &a.has_come);
		assert_int_equal(gone.status, 0);
		assert_true(a.status != 0);
		task_id = c2;
		assert_int_equal(state(f).status, WIRE_NOT_FOUND);
		assert_nothing_left(f);
	}
}

static void a_client_that_leaves_takes_only_its_container_along(void **data)
{
	struct fixture *f = *data;
	struct answer a;

	script(f, "c2_create_is_slow");
	create_sandbox(f);
	fixture_write_bundle(f, MEMBER, "rootfs");
	task_id = c2;
	begin_create(f, &a);
	loop_until(f->shim.loop, has_share(f, "c2"));
	fixture_reconnect(f);
	loop_until(f->shim.loop, f->shim.creates.n_entries == 0);
	assert_is_undone(f, c2);
	assert_sandbox_lives(f);
	/* The guest does not know it any more either: it would end (fake_agent.c). */
	assert_int_equal(create_member(f, c2).status, 0);
	assert_int_equal(delete_one(f, c2).status, 0);
	assert_int_equal(delete_one(f, c1).status, 0);
}

static void shut_down(struct fixture *f, char *id, bool now)
{
	Containerd__Task__V2__ShutdownRequest request = INIT(SHUTDOWN_REQUEST);

	request.id = id;
	MESSAGE_SET(&request, now, now);
	assert_int_equal(call(f, "Shutdown", &request.base, NULL).status, 0);
}

static void shutdown_waits_for_the_last_container(void **data)
{
	struct fixture *f = *data;

	create_sandbox(f);
	assert_int_equal(create_member(f, c2).status, 0);
	assert_int_equal(delete_one(f, c2).status, 0);
	/* containerd asks after every Delete. */
	shut_down(f, c2, false);
	assert_false(f->shim.is_ending);
	assert_sandbox_lives(f);
	assert_int_equal(create_member(f, c2).status, 0);
	assert_int_equal(delete_one(f, c1).status, 0);
	shut_down(f, c1, false);
	assert_false(f->shim.is_ending);
	assert_int_equal(delete_one(f, c2).status, 0);
	shut_down(f, c2, false);
	assert_int_equal(loop_run(f->shim.loop), 0);
	assert_true(f->shim.has_ended);
}

static void shutdown_now_gives_up_everything(void **data)
{
	struct fixture *f = *data;
	struct answer wait, a;

	script(f, "c3_create_is_slow");
	create_sandbox(f);
	assert_int_equal(create_member(f, c2).status, 0);
	assert_int_equal(start(f, NULL).status, 0);
	begin_wait(f, &wait, NULL);
	fixture_write_bundle(f, MEMBER, "rootfs");
	task_id = c3;
	begin_create(f, &a);
	shut_down(f, c1, true);
	run_until(f, &wait.has_come);
	run_until(f, &a.has_come);
	assert_int_equal(wait.exit_status, 137);
	assert_int_equal(a.status, WIRE_CANCELLED);
	assert_int_equal(loop_run(f->shim.loop), 0);
	assert_true(f->shim.has_ended);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		shim_test(containers_come_and_go_in_one_sandbox),
		shim_test(a_running_container_is_killed_by_its_delete),
		shim_test(execs_belong_to_their_container),
		shim_test(the_sandbox_takes_its_containers_along),
		shim_test(a_bad_container_leaves_the_others_alone),
		shim_test(a_container_needs_its_sandbox),
		shim_test(a_vm_that_dies_ends_them_all),
		shim_test(eight_at_once),
		shim_test(a_delete_under_way_is_not_begun_again),
		shim_test(a_sandbox_may_go_while_a_container_is_made),
		shim_test(a_client_that_leaves_takes_only_its_container_along),
		shim_test(shutdown_waits_for_the_last_container),
		shim_test(shutdown_now_gives_up_everything),
	};
	int status = fixture_main(argc, argv);

	return status >= 0 ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
