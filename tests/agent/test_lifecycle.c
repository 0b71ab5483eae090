/* SPDX-License-Identifier: Apache-2.0 */
/* Containers, from creation to removal, and what may go wrong on the way. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "fixture.h"
#include "health.pb-c.h"

static void exit_codes_are_reported(void **state)
{
	static const struct {
		const char *script;
		int code;
	} rows[] = {
		{"exit 0", 0},
		{"exit 1", 1},
		{"exit 42", 42},
		{"exit 255", 255},
		{"sh -c 'kill -TERM $$'; exit $?", 143},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char id[16];

		snprintf(id, sizeof(id), "c-%zu", i);
		run_container(f, id, rows[i].script);
		assert_int_equal(wait_process(f, id, ""), rows[i].code);
		assert_int_equal(remove_container(f, id), 0);
	}
}

static void init_waits_for_start(void **state)
{
	struct container_options o = {.id = "c1", .script = "echo started"};
	struct fixture *f = *state;
	struct reply read;

	assert_int_equal(create_container(f, &o, NULL), 0);
	read_start(f, "ReadStdout", "c1", "", 100, &read);
	/* Another call's whole turn: time in which a program that ran would have written. */
	assert_int_equal(signal_process(f, "c1", "", 0, NULL), 0);
	assert_int_equal(remove_container(f, "no-such"), WIRE_INTERNAL);
	assert_false(read.done);
	assert_int_equal(start_container(f, "c1"), 0);
	call_wait(f, &read);
	assert_int_equal(((Grpc__ReadStreamResponse *)read.message)->data.len, 8);
	reply_fini(&read);
	assert_int_equal(start_container(f, "c1"), WIRE_FAILED_PRECONDITION);
	assert_int_equal(wait_process(f, "c1", ""), 0);
}

static void a_container_that_was_never_started_can_be_removed(void **state)
{
	struct container_options o = {.id = "c1", .script = "exit 0"};
	struct fixture *f = *state;
	struct reply wait;

	assert_int_equal(create_container(f, &o, NULL), 0);
	wait_start(f, "c1", "", &wait);
	assert_int_equal(remove_container(f, "c1"), 0);
	call_wait(f, &wait);
	assert_int_equal(wait_code(&wait), 137);
	reply_fini(&wait);
	assert_int_equal(create_container(f, &o, NULL), 0);
}

static void unknown_ids_have_the_status_that_hosts_expect(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct buf out = BUF_INIT;

	run_container(f, "c1", "exit 0");
	assert_int_equal(start_container(f, "nosuch"), WIRE_INTERNAL);
	assert_int_equal(remove_container(f, "nosuch"), WIRE_INTERNAL);
	assert_int_equal(exec_process(f, "nosuch", "e1", "exit", false, &err), WIRE_INTERNAL);
	assert_string_equal(err.msg, "Invalid container id");
	assert_int_equal(signal_process(f, "nosuch", "", SIGTERM, NULL), WIRE_INVALID_ARGUMENT);
	assert_int_equal(signal_process(f, "nosuch", "", SIGKILL, NULL), WIRE_INVALID_ARGUMENT);
	assert_int_equal(wait_process(f, "nosuch", ""), -WIRE_INVALID_ARGUMENT);
	assert_int_equal(read_once(f, "ReadStdout", "nosuch", "", &out), -WIRE_INVALID_ARGUMENT);
	assert_int_equal(close_stdin(f, "nosuch", ""), WIRE_INVALID_ARGUMENT);
	assert_int_equal(write_stdin(f, "nosuch", "", slice_of_str("x")), WIRE_INTERNAL);

	assert_int_equal(signal_process(f, "c1", "nosuch", SIGTERM, NULL), WIRE_NOT_FOUND);
	assert_int_equal(wait_process(f, "c1", "nosuch"), -WIRE_NOT_FOUND);
	assert_int_equal(read_once(f, "ReadStderr", "c1", "nosuch", &out), -WIRE_NOT_FOUND);
	assert_int_equal(write_stdin(f, "c1", "nosuch", slice_of_str("x")), WIRE_INTERNAL);

	/* The container's own id names its init. */
	assert_int_equal(wait_process(f, "c1", "c1"), 0);
	assert_int_equal(wait_process(f, "c1", ""), -WIRE_NOT_FOUND);
	assert_int_equal(signal_process(f, "c1", "", SIGTERM, NULL), WIRE_NOT_FOUND);
	assert_int_equal(signal_process(f, "c1", "", SIGKILL, NULL), 0);
}

static void ids_and_cgroups_are_used_once(void **state)
{
	struct fixture *f = *state;
	struct container_options same = {.id = "c1", .script = "exit 0"};
	struct container_options other = {.id = "c2", .script = "exit 0"};
	char path[2 * PATH_SIZE];
	struct err err = ERR_INIT;

	run_container(f, "c1", "exec sleep 1000");
	assert_int_equal(create_container(f, &same, &err), WIRE_ALREADY_EXISTS);
	snprintf(path, sizeof(path), "/%s//c1/", f->cgroup);
	other.cgroups_path = path;
	assert_int_equal(create_container(f, &other, &err), WIRE_ALREADY_EXISTS);
	assert_non_null(strstr(err.msg, "c1"));
	assert_int_equal(exec_process(f, "c1", "e1", "exec sleep 1000", false, NULL), 0);
	assert_int_equal(exec_process(f, "c1", "e1", "exit", false, NULL), WIRE_ALREADY_EXISTS);
	assert_int_equal(exec_process(f, "c1", "c1", "exit", false, NULL), WIRE_ALREADY_EXISTS);
	assert_int_equal(exec_process(f, "c1", "", "exit", false, NULL), WIRE_INVALID_ARGUMENT);
}

static void bad_requests_are_refused_and_leave_nothing(void **state)
{
	static char name[] = "nosuch-program";
	static char *no_program[] = {name, NULL};
	static char *no_args[] = {NULL};
	struct fixture *f = *state;
	const struct {
		struct container_options o;
		int status;
		const char *text;
	} rows[] = {
		{{.id = "a", .script = "x"}, WIRE_INVALID_ARGUMENT, "invalid container id"},
		{{.id = "../c", .script = "x"}, WIRE_INVALID_ARGUMENT, "invalid container id"},
		{{.id = "", .script = "x"}, WIRE_INVALID_ARGUMENT, "invalid container id"},
		{{.id = "c\xc3\xa9", .script = "x"}, WIRE_INVALID_ARGUMENT, "invalid container id"},
		{{.id = "c1", .script = "x", .cgroups_path = "/a/../b"}, WIRE_INVALID_ARGUMENT,
			"cgroupsPath"},
		{{.id = "c1", .args = no_args}, WIRE_INVALID_ARGUMENT, "args"},
		{{.id = "c1", .args = no_program}, WIRE_INTERNAL, "nosuch-program"},
		{{.id = "c1", .script = "x", .root = "/no/such/root"}, WIRE_INTERNAL,
			"/no/such/root"},
		{{.id = "c1", .script = "x", .root = "relative"}, WIRE_INTERNAL, "root"},
		{{.id = "c1", .script = "x", .root = "/proc/self/root"}, WIRE_INTERNAL, "root"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;
		int status = create_container(f, &rows[i].o, &err);

		if (status == 0 && strcmp(rows[i].text, "nosuch-program") == 0)
			status = start_container(f, "c1");
		if (!strstr(err.msg, rows[i].text) || status != rows[i].status)
			fail_msg("row %zu: status %d, %s", i, status, err.msg);
		assert_int_equal(remove_container(f, rows[i].o.id), WIRE_INTERNAL);
	}
	run_container(f, "c1", "exit 3");
	assert_int_equal(wait_process(f, "c1", ""), 3);
}

static void the_request_without_a_spec_is_refused(void **state)
{
	Grpc__CreateContainerRequest request = GRPC__CREATE_CONTAINER_REQUEST__INIT;
	Grpc__Spec spec = GRPC__SPEC__INIT;
	Grpc__Linux linux_part = GRPC__LINUX__INIT;
	char id[] = "c1";
	struct fixture *f = *state;

	assert_int_equal(call(f, "CreateContainer", &request.base, NULL), WIRE_INTERNAL);
	request.container_id = id;
	assert_int_equal(call(f, "CreateContainer", &request.base, NULL), WIRE_INTERNAL);
	request.oci = &spec;
	assert_int_equal(call(f, "CreateContainer", &request.base, NULL), WIRE_INVALID_ARGUMENT);
	spec.linux = &linux_part;
	assert_int_equal(call(f, "CreateContainer", &request.base, NULL), WIRE_INVALID_ARGUMENT);
}

static void sigterm_ends_an_init_without_a_handler(void **state)
{
	struct fixture *f = *state;

	run_container(f, "c1", "exec sleep 1000");
	assert_int_equal(signal_process(f, "c1", "", SIGTERM, NULL), 0);
	assert_int_equal(wait_process(f, "c1", ""), 137);
}

static void sigterm_reaches_an_init_that_handles_it(void **state)
{
	struct buf out = BUF_INIT;
	struct fixture *f = *state;

	run_container(f, "c1", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done");
	assert_true(read_once(f, "ReadStdout", "c1", "", &out) > 0);
	assert_int_equal(signal_process(f, "c1", "", SIGTERM, NULL), 0);
	assert_int_equal(wait_process(f, "c1", ""), 7);
	buf_fini(&out);
}

static void sigkill_to_the_container_ends_all_of_it(void **state)
{
	struct fixture *f = *state;
	struct reply init, exec;

	run_container(f, "c1", "sleep 1000 & sleep 1000 & wait");
	assert_int_equal(exec_process(f, "c1", "e1", "exec sleep 1000", false, NULL), 0);
	wait_start(f, "c1", "", &init);
	wait_start(f, "c1", "e1", &exec);
	assert_int_equal(signal_process(f, "c1", "", SIGKILL, NULL), 0);
	call_wait(f, &init);
	call_wait(f, &exec);
	assert_int_equal(wait_code(&init), 137);
	assert_int_equal(wait_code(&exec), 137);
	reply_fini(&init);
	reply_fini(&exec);
}

static void invalid_signals_name_container_and_number(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	run_container(f, "c1", "exec sleep 1000");
	assert_int_equal(signal_process(f, "c1", "", 65, &err), WIRE_INVALID_ARGUMENT);
	assert_non_null(strstr(err.msg, "c1"));
	assert_non_null(strstr(err.msg, "65"));
	assert_int_equal(signal_process(f, "c1", "", UINT32_MAX, NULL), WIRE_INVALID_ARGUMENT);
	assert_int_equal(signal_process(f, "c1", "", 0, NULL), 0);
	assert_int_equal(signal_process(f, "c1", "", 64, NULL), 0);
}

static void a_signal_to_an_ended_process_is_no_error(void **state)
{
	struct fixture *f = *state;
	struct buf out = BUF_INIT;

	run_container(f, "c1", "exit 0");
	read_all(f, "c1", "", &out);
	/* Nobody has waited for it yet. */
	assert_int_equal(signal_process(f, "c1", "", SIGTERM, NULL), 0);
	assert_int_equal(signal_process(f, "c1", "", SIGKILL, NULL), 0);
	assert_int_equal(wait_process(f, "c1", ""), 0);
	buf_fini(&out);
}

static void every_waiter_is_answered(void **state)
{
	struct reply waits[5];
	struct fixture *f = *state;

	run_container(f, "c1", "exec sleep 1000");
	for (size_t i = 0; i < ARRAY_SIZE(waits); i++)
		wait_start(f, "c1", "", &waits[i]);
	assert_int_equal(signal_process(f, "c1", "", SIGKILL, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
		call_wait(f, &waits[i]);
		assert_int_equal(wait_code(&waits[i]), 137);
		reply_fini(&waits[i]);
	}
	assert_int_equal(wait_process(f, "c1", ""), -WIRE_NOT_FOUND);
}

static void removal_kills_and_tells_those_who_wait(void **state)
{
	struct fixture *f = *state;
	struct reply wait, exec_wait, read;

	run_container(f, "c1", "exec sleep 1000");
	assert_int_equal(exec_process(f, "c1", "e1", "exec sleep 1000", false, NULL), 0);
	wait_start(f, "c1", "", &wait);
	wait_start(f, "c1", "e1", &exec_wait);
	read_start(f, "ReadStdout", "c1", "", 10, &read);
	assert_int_equal(remove_container(f, "c1"), 0);
	call_wait(f, &wait);
	call_wait(f, &exec_wait);
	call_wait(f, &read);
	assert_int_equal(wait_code(&wait), 137);
	assert_int_equal(wait_code(&exec_wait), 137);
	reply_fini(&wait);
	reply_fini(&exec_wait);
	reply_fini(&read);
	assert_int_equal(wait_process(f, "c1", ""), -WIRE_INVALID_ARGUMENT);
}

static void a_creation_that_times_out_is_rolled_back(void **state)
{
	struct container_options o = {.id = "c1", .script = "exit 9", .timeout_ns = 1};
	struct fixture *f = *state;

	for (int i = 0; i < 10; i++) {
		o.timeout_ns = 1 + i * NS_PER_MS;
		if (create_container(f, &o, NULL) == 0)
			break;
		/* Joins the removal that is under way, or finds nothing any more. */
		(void)remove_container(f, "c1");
	}
	(void)remove_container(f, "c1");
	run_container(f, "c1", "exit 9");
	assert_int_equal(wait_process(f, "c1", ""), 9);
}

static void a_creation_whose_client_leaves_is_rolled_back(void **state)
{
	struct fixture *f = *state;

	/* At different moments of the creation, by the calls of somebody else in between. */
	for (int n_calls = 0; n_calls < 5; n_calls++) {
		struct container_options o = {.id = "c1", .script = "exit 9"};
		struct ttrpc_client *other = fixture_connect(f);
		Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;
		struct reply reply;

		call_start_on(f, other, "Check", &check.base, 0, NULL, &reply);
		call_wait(f, &reply);
		o.client = other;
		o.reply = &reply;
		(void)create_container(f, &o, NULL);
		for (int i = 0; i < n_calls; i++)
			(void)signal_process(f, "nosuch", "", 0, NULL);
		ttrpc_client_free(other);
		(void)remove_container(f, "c1");
		/* That was either too late, or joined the removal under way. */
		assert_int_equal(remove_container(f, "c1"), WIRE_INTERNAL);
	}
	run_container(f, "c1", "exit 9");
	assert_int_equal(wait_process(f, "c1", ""), 9);
}

static void containers_live_side_by_side(void **state)
{
	struct fixture *f = *state;
	struct reply waits[8];
	char id[16];

	for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
		snprintf(id, sizeof(id), "c-%zu", i);
		run_container(f, id, "read code; exit $code");
		wait_start(f, id, "", &waits[i]);
	}
	for (size_t i = ARRAY_SIZE(waits); i-- > 0;) {
		char code[16];

		snprintf(id, sizeof(id), "c-%zu", i);
		snprintf(code, sizeof(code), "%zu\n", i + 10);
		assert_int_equal(write_stdin(f, id, "", slice_of_str(code)), 0);
		call_wait(f, &waits[i]);
		assert_int_equal(wait_code(&waits[i]), i + 10);
		reply_fini(&waits[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		agent_test(exit_codes_are_reported),
		agent_test(init_waits_for_start),
		agent_test(a_container_that_was_never_started_can_be_removed),
		agent_test(unknown_ids_have_the_status_that_hosts_expect),
		agent_test(ids_and_cgroups_are_used_once),
		agent_test(bad_requests_are_refused_and_leave_nothing),
		agent_test(the_request_without_a_spec_is_refused),
		agent_test(sigterm_ends_an_init_without_a_handler),
		agent_test(sigterm_reaches_an_init_that_handles_it),
		agent_test(sigkill_to_the_container_ends_all_of_it),
		agent_test(invalid_signals_name_container_and_number),
		agent_test(a_signal_to_an_ended_process_is_no_error),
		agent_test(every_waiter_is_answered),
		agent_test(removal_kills_and_tells_those_who_wait),
		agent_test(a_creation_that_times_out_is_rolled_back),
		agent_test(a_creation_whose_client_leaves_is_rolled_back),
		agent_test(containers_live_side_by_side),
	};

	fixture_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
