/* SPDX-License-Identifier: Apache-2.0 */
/* Further processes of a container. */
#include <signal.h>
#include <stdio.h>

#include "fixture.h"

static void exec_output(
	struct fixture *f, const char *id, const char *exec_id, const char *script, struct buf *out)
{
	struct err err = ERR_INIT;

	if (exec_process(f, id, exec_id, script, false, &err) != 0)
		fail_msg("exec %s: %s", exec_id, err.msg);
	read_all(f, id, exec_id, out);
	assert_int_equal(wait_process(f, id, exec_id), 0);
}

static void exit_codes_are_reported(void **state)
{
	struct fixture *f = *state;

	run_container(f, "c1", "exec sleep 1000");
	for (int code = 0; code < 256; code += 85) {
		char script[32];

		snprintf(script, sizeof(script), "exit %d", code);
		assert_int_equal(exec_process(f, "c1", "e1", script, false, NULL), 0);
		assert_int_equal(wait_process(f, "c1", "e1"), code);
		/* Waited for, its name is free again. */
		assert_int_equal(wait_process(f, "c1", "e1"), -WIRE_NOT_FOUND);
	}
	assert_int_equal(exec_process(f, "c1", "e1", "kill -TERM $$", false, NULL), 0);
	assert_int_equal(wait_process(f, "c1", "e1"), 143);
}

static void an_exec_lives_where_init_lives(void **state)
{
	static const char script[] = "for ns in mnt pid ipc uts cgroup; do"
				     " readlink /proc/self/ns/$ns; done";
	struct buf ours = BUF_INIT, inits = BUF_INIT;
	struct fixture *f = *state;
	char init_script[256];

	snprintf(init_script, sizeof(init_script), "%s; exec sleep 1000", script);
	run_container(f, "c1", init_script);
	exec_output(f, "c1", "e1", script, &ours);
	while (buf_len(&inits) < buf_len(&ours))
		assert_true(read_once(f, "ReadStdout", "c1", "", &inits) > 0);
	assert_string_equal(buf_str(&ours), buf_str(&inits));
	buf_fini(&ours);
	buf_fini(&inits);
}

static void twenty_at_once_are_killed_one_by_one(void **state)
{
	struct fixture *f = *state;
	static struct reply waits[20];
	char id[16];

	run_container(f, "c1", "exec sleep 1000");
	for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
		snprintf(id, sizeof(id), "e-%zu", i);
		assert_int_equal(exec_process(f, "c1", id, "exec sleep 1000", i % 2, NULL), 0);
		wait_start(f, "c1", id, &waits[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
		snprintf(id, sizeof(id), "e-%zu", i);
		for (size_t later = i; later < ARRAY_SIZE(waits); later++)
			assert_false(waits[later].done);
		assert_int_equal(signal_process(f, "c1", id, SIGKILL, NULL), 0);
		call_wait(f, &waits[i]);
		assert_int_equal(wait_code(&waits[i]), 137);
		reply_fini(&waits[i]);
	}
}

static void requests_that_overlap_are_all_served(void **state)
{
	struct fixture *f = *state;
	static struct reply execs[20], waits[20];
	char ids[20][16];

	run_container(f, "c1", "exec sleep 1000");
	for (size_t i = 0; i < ARRAY_SIZE(execs); i++) {
		snprintf(ids[i], sizeof(ids[i]), "e-%zu", i);
		exec_start(f, "c1", ids[i], "exit 11", 0, &execs[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(execs); i++) {
		call_wait(f, &execs[i]);
		assert_false(err_is_set(&execs[i].err));
		wait_start(f, "c1", ids[i], &waits[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
		call_wait(f, &waits[i]);
		assert_int_equal(wait_code(&waits[i]), 11);
		reply_fini(&waits[i]);
	}
}

static void what_cannot_be_run_is_named(void **state)
{
	static char program[] = "nosuch", directory[] = "/etc";
	static char *rows[][2] = {{program, NULL}, {directory, NULL}};
	static const char *const texts[] = {
		"exec: \"nosuch\": executable file not found in $PATH",
		"exec: \"/etc\": ",
	};
	struct fixture *f = *state;

	run_container(f, "c1", "exec sleep 1000");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(exec_args(f, "c1", "e1", rows[i], &err), WIRE_INTERNAL);
		if (!strstr(err.msg, texts[i]))
			fail_msg("%s", err.msg);
		assert_int_equal(wait_process(f, "c1", "e1"), -WIRE_NOT_FOUND);
	}
}

static void an_exec_needs_a_running_container(void **state)
{
	struct container_options o = {.id = "c1", .script = "exit 0"};
	struct buf out = BUF_INIT;
	struct fixture *f = *state;

	assert_int_equal(create_container(f, &o, NULL), 0);
	assert_int_equal(
		exec_process(f, "c1", "e1", "exit", false, NULL), WIRE_FAILED_PRECONDITION);
	assert_int_equal(start_container(f, "c1"), 0);
	assert_int_equal(wait_process(f, "c1", ""), 0);
	assert_int_equal(
		exec_process(f, "c1", "e1", "exit", false, NULL), WIRE_FAILED_PRECONDITION);
	buf_fini(&out);
}

static void exec_ids_are_checked(void **state)
{
	char longest[257] = "", too_long[258] = "";
	const struct {
		const char *id;
		int status;
	} rows[] = {
		{"", WIRE_INVALID_ARGUMENT},
		{too_long, WIRE_INVALID_ARGUMENT},
		{longest, 0},
		{longest, WIRE_ALREADY_EXISTS},
		{"c1", WIRE_ALREADY_EXISTS},
		/* It is never part of a path. */
		{"../../\xff", 0},
	};
	Grpc__ExecProcessRequest request = GRPC__EXEC_PROCESS_REQUEST__INIT;
	struct fixture *f = *state;

	memset(longest, 'x', 256);
	memset(too_long, 'x', 257);
	run_container(f, "c1", "exec sleep 1000");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (exec_process(f, "c1", rows[i].id, "exec sleep 1000", false, NULL) !=
			rows[i].status)
			fail_msg("row %zu", i);
	assert_int_equal(signal_process(f, "c1", "../../\xff", SIGKILL, NULL), 0);
	assert_int_equal(wait_process(f, "c1", "../../\xff"), 128 + SIGKILL);
	request.container_id = text("c1");
	request.exec_id = text("e1");
	assert_int_equal(call(f, "ExecProcess", &request.base, NULL), WIRE_INVALID_ARGUMENT);
}

static void an_exec_that_times_out_is_killed(void **state)
{
	struct buf out = BUF_INIT;
	struct fixture *f = *state;

	run_container(f, "c1", "exec sleep 1000");
	for (int64_t timeout_ns = 1; timeout_ns < 50 * NS_PER_MS; timeout_ns += NS_PER_MS) {
		struct reply reply;

		exec_start(f, "c1", "e1", "exec sleep 1000", timeout_ns, &reply);
		call_wait(f, &reply);
		if (!err_is_set(&reply.err))
			break;
		/* Our clock may run out before the agent's: it then still knows the name. */
		assert_true(wire_status_of(&reply.err) == WIRE_DEADLINE_EXCEEDED ||
			    wire_status_of(&reply.err) == WIRE_ALREADY_EXISTS);
	}
	/* Either the last one got through, or the name is free; never more than one runs. */
	(void)signal_process(f, "c1", "e1", SIGKILL, NULL);
	(void)wait_process(f, "c1", "e1");
	exec_output(f, "c1", "e2", "ls -d /proc/[0-9]* | wc -l", &out);
	/* init, the shell, and its pipeline of two: glibc's ls and wc count themselves. */
	assert_true(strtol(buf_str(&out), NULL, 10) <= 5);
	buf_fini(&out);
}

static void run_processes(struct fixture *f, int n)
{
	struct buf out = BUF_INIT;

	for (int i = 0; i < n; i++) {
		struct container_options o = {.id = "c2", .script = "echo x; exit 1"};

		exec_output(f, "c1", "e1", "echo x", &out);
		assert_int_equal(exec_process(f, "c1", "e2", "exit 1", i % 2, NULL), 0);
		assert_int_equal(wait_process(f, "c1", "e2"), 1);
		if (i % 5 > 0)
			continue;
		assert_int_equal(create_container(f, &o, NULL), 0);
		assert_int_equal(start_container(f, "c2"), 0);
		assert_int_equal(wait_process(f, "c2", ""), 1);
		assert_int_equal(remove_container(f, "c2"), 0);
	}
	buf_fini(&out);
	/* What the last answer was followed by is done when the next is given. */
	assert_int_equal(signal_process(f, "c1", "", 0, NULL), 0);
}

static void nothing_is_kept_of_what_has_ended(void **state)
{
	struct fixture *f = *state;
	size_t memory_kb, n_fds;

	run_container(f, "c1", "exec sleep 1000");
	run_processes(f, 10);
	memory_kb = fixture_agent_memory_kb(f);
	n_fds = fixture_count_fds(f);
	run_processes(f, 50);
	assert_int_equal(fixture_count_fds(f), n_fds);
#ifndef __SANITIZE_ADDRESS__
	assert_true(fixture_agent_memory_kb(f) <= memory_kb + 40);
#else
	(void)memory_kb;
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		agent_test(exit_codes_are_reported),
		agent_test(an_exec_lives_where_init_lives),
		agent_test(twenty_at_once_are_killed_one_by_one),
		agent_test(requests_that_overlap_are_all_served),
		agent_test(what_cannot_be_run_is_named),
		agent_test(an_exec_needs_a_running_container),
		agent_test(exec_ids_are_checked),
		agent_test(an_exec_that_times_out_is_killed),
		agent_test(nothing_is_kept_of_what_has_ended),
	};

	fixture_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
