/* SPDX-License-Identifier: Apache-2.0 */
/* Completion, and the requests of run and exec. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "agent.pb-c.h"
#include "base/buf.h"
#include "oom.h"
#include "tools/agent_ctl/command.h"
#include "tools/agent_ctl/complete.h"
#include "tools/agent_ctl/features.h"
#include "wire/message_json.h"

/* The candidates, joined by '|', and what they replace. */
static void expect(const char *line, const char *words, size_t len)
{
	struct completion c;
	auto_buf struct buf text = BUF_INIT;

	assert_int_equal(complete_line(line, &c), 0);
	for (size_t i = 0; i < c.n; i++)
		assert_int_equal(buf_printf(&text, "%s%s", i ? "|" : "", c.words[i]), 0);
	if (strcmp(buf_str(&text), words) != 0)
		fail_msg("\"%s\": %s", line, buf_str(&text));
	if (c.n)
		assert_int_equal(c.len, len);
	completion_fini(&c);
}

static void commands_are_completed(void **state)
{
	(void)state;
	expect("ReadS", "ReadStderr |ReadStdout ", 5);
	expect("  reads", "ReadStderr |ReadStdout ", 5);
	expect("re",
		"ReadStderr |ReadStdout |RemoveContainer |RemoveStaleVirtiofsShareMounts |"
		"ReseedRandomDev |ResizeVolume |ResumeContainer |repeat ",
		2);
	expect("Check", "Check ", 5);
	expect("Checks", "", 0);
	expect("help set", "SetGuestDateTime |SetIPTables |SetPolicy ", 3);
	expect("nothing x", "", 0);
	expect("repeat 1", "", 0);
}

static void every_command_is_offered(void **state)
{
	struct completion c;

	(void)state;
	assert_int_equal(complete_line("", &c), 0);
	assert_int_equal(c.n, n_methods + n_builtins);
	assert_int_equal(completion_common(&c), 0);
	completion_fini(&c);
}

static void arguments_are_completed_once(void **state)
{
	(void)state;
	expect("ReadStdout ", "container_id=|exec_id=|len=", 0);
	expect("ReadStdout container_id=c l", "len=", 1);
	expect("ReadStdout container_id=c len=5 ", "exec_id=", 0);
	expect("read-stdout con", "container_id=", 3);
	expect("CreateContainer b", "bundle=", 1);
	expect("StartContainer b", "", 0);
	expect("run s",
		"sandbox_pidns=|shared_mounts=|spec=|stderr_port=|stdin_port=|stdout_port=|"
		"storages=|string_user=",
		1);
	expect("exec te", "terminal=", 2);
	expect("ExecProcess te", "", 0);
}

static void values_are_completed(void **state)
{
	(void)state;
	expect("GetIPTables is_ipv6=", "false |true ", 0);
	expect("GetIPTables is_ipv6=T", "true ", 1);
	expect("run terminal=f", "false ", 1);
	expect("StartContainer container_id=", "", 0);
	expect("UpdateInterface interface=", "", 0);
	expect("StartContainer =", "", 0);
}

static void quotes_and_json_are_left_alone(void **state)
{
	(void)state;
	expect("CreateSandbox {\"hostname\": \"a\", ", "", 0);
	expect("CreateSandbox hostname='a ", "", 0);
	expect("CreateSandbox hostname=a\\ ", "", 0);
}

static void what_is_common_is_found(void **state)
{
	struct completion c;

	(void)state;
	assert_int_equal(complete_line("ReadS", &c), 0);
	assert_int_equal(completion_common(&c), strlen("ReadStd"));
	completion_fini(&c);
	assert_int_equal(complete_line("Vers", &c), 0);
	assert_int_equal(completion_common(&c), strlen("Version "));
	completion_fini(&c);
	assert_int_equal(complete_line("Nothing", &c), 0);
	assert_int_equal(completion_common(&c), 0);
	completion_fini(&c);
}

static void parse(const char *line, struct command *ret)
{
	struct request_defaults defaults = {0};
	struct err err = ERR_INIT;

	if (command_parse(line, &defaults, ret, &err) < 0)
		fail_msg("%s: %s", line, err.msg);
	request_defaults_fini(&defaults);
}

static void a_program_becomes_a_process(void **state)
{
	const Grpc__ExecProcessRequest *exec;
	const Grpc__CreateContainerRequest *create;
	struct command command;

	(void)state;
	parse("exec cid=c terminal=true -- sh -c 'exit 3' terminal=no", &command);
	assert_int_equal(command.kind, COMMAND_EXEC);
	exec = (Grpc__ExecProcessRequest *)command.request;
	assert_int_equal(strlen(exec->exec_id), 16);
	assert_int_equal(exec->process->n_args, 4);
	assert_string_equal(exec->process->args[2], "exit 3");
	assert_string_equal(exec->process->args[3], "terminal=no");
	assert_string_equal(exec->process->cwd, "/");
	assert_non_null(exec->process->user);
	assert_true(process_has_terminal(PROCESS_EXEC, command.request));
	command_fini(&command);

	parse("run cid=c 'OCI={\"process\":{\"args\":[\"a\",\"b\"]}}'", &command);
	assert_int_equal(command.kind, COMMAND_RUN);
	create = (Grpc__CreateContainerRequest *)command.request;
	assert_int_equal(create->oci->process->n_args, 2);
	command_fini(&command);
}

static void what_was_said_of_the_process_is_kept(void **state)
{
	const Grpc__ExecProcessRequest *exec;
	const Grpc__CreateContainerRequest *create;
	struct command command;

	(void)state;
	parse("exec cid=c eid=e process='{\"args\":[\"a\"],\"cwd\":\"/tmp\",\"terminal\":true}'",
		&command);
	exec = (Grpc__ExecProcessRequest *)command.request;
	assert_string_equal(exec->exec_id, "e");
	assert_string_equal(exec->process->args[0], "a");
	assert_string_equal(exec->process->cwd, "/tmp");
	assert_int_equal(exec->process->n_env, 0);
	assert_true(process_has_terminal(PROCESS_EXEC, command.request));
	command_fini(&command);

	parse("run cid=c 'OCI={\"process\":{\"args\":[\"a\"],\"terminal\":true}}' terminal=false "
	      "-- "
	      "b c",
		&command);
	create = (Grpc__CreateContainerRequest *)command.request;
	assert_int_equal(create->oci->process->n_args, 2);
	assert_string_equal(create->oci->process->args[1], "c");
	assert_false(process_has_terminal(PROCESS_RUN, command.request));
	command_fini(&command);
}

static void a_process_that_is_none_is_refused(void **state)
{
	static const struct {
		const char *line, *msg;
	} rows[] = {
		{"run", "run: no process: bundle=DIR names a directory with a config.json that has "
			"one"},
		{"run cid=c 'OCI={}'", "run: no process: bundle=DIR names a directory with a "
				       "config.json that has one"},
		{"run 'OCI={\"process\":{}}'", "run: no program: -- PROGRAM [ARGUMENT...]"},
		{"exec cid=c", "exec: no program: -- PROGRAM [ARGUMENT...]"},
		{"exec cid=c --", "exec: no program: -- PROGRAM [ARGUMENT...]"},
		{"exec terminal=1 -- a", "exec: terminal=1: neither true nor false"},
		{"exec nofield=1 -- a", "ExecProcess: ExecProcessRequest has no field nofield"},
		{"help Chekc", "unknown command \"Chekc\": \"list\" names all"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct request_defaults defaults = {0};
		struct err err = ERR_INIT;
		struct command command;

		assert_int_equal(command_parse(rows[i].line, &defaults, &command, &err), -EINVAL);
		assert_string_equal(err.msg, rows[i].msg);
		request_defaults_fini(&defaults);
	}
}

static bool are_missing(const struct features *features, const struct command *command)
{
	bool ret;

	assert_int_equal(features_are_missing(features, command->request, &ret, NULL), 0);
	return ret;
}

static void features_that_an_agent_lacks_are_dropped(void **state)
{
	static const char line[] = "CreateContainer cid=c "
				   "'OCI={\"linux\":{\"timeOffsets\":{\"boottime\":{\"secs\":5}}},"
				   "\"mounts\":[{\"destination\":\"/a\"},{\"destination\":\"/b\","
				   "\"uidMappings\":[{\"size\":1}]}]}'";
	char *known[] = {(char[]){"seccomp"}, (char[]){"oci.Linux.timeOffsets"}};
	Grpc__AgentDetails agent = GRPC__AGENT_DETAILS__INIT;
	Grpc__GuestDetailsResponse reply = GRPC__GUEST_DETAILS_RESPONSE__INIT;
	struct features features = {0};
	const Grpc__Spec *spec;
	struct command command;

	(void)state;
	parse("CreateContainer cid=c OCI={}", &command);
	assert_false(are_missing(&features, &command));
	command_fini(&command);
	parse(line, &command);
	assert_true(are_missing(&features, &command));
	spec = ((Grpc__CreateContainerRequest *)command.request)->oci;
	agent.extra_features = known;
	agent.n_extra_features = 2;
	reply.agent_details = &agent;
	features_learn(&features, &reply.base);
	assert_true(features.are_known);
	assert_int_equal(features_drop(&features, command.request, NULL), 0);
	assert_non_null(spec->linux->timeoffsets);
	assert_int_equal(spec->mounts[1]->n_uidmappings, 0);
	/* Upstream's says nothing of such features. */
	reply.agent_details = NULL;
	features_learn(&features, &reply.base);
	assert_int_equal(features_drop(&features, command.request, NULL), 0);
	assert_null(spec->linux->timeoffsets);
	assert_false(are_missing(&features, &command));
	command_fini(&command);
}

static int parse_all(const char *line)
{
	struct request_defaults defaults = {0};
	struct completion completion;
	struct err err = ERR_INIT;
	struct command command;
	int r = command_parse(line, &defaults, &command, &err);

	if (r == 0)
		command_fini(&command);
	request_defaults_fini(&defaults);
	if (r == 0)
		r = complete_line(line, &completion);
	if (r == 0)
		completion_fini(&completion);
	return r;
}

static void every_allocation_may_fail(void **state)
{
	static const char *const lines[] = {"exec cid=c -- sh -c x",
		"run cid=c 'OCI={\"process\":{\"args\":[\"a\"]}}' terminal=true -- b c",
		"help Check", "ReadStdout cid=c"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		OOM_SWEEP(n)
		{
			int r;

			oom_arm(n);
			r = parse_all(lines[i]);
			oom_disarm();
			assert_int_equal(r, oom_has_struck() ? -ENOMEM : 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_are_completed),
		cmocka_unit_test(every_command_is_offered),
		cmocka_unit_test(arguments_are_completed_once),
		cmocka_unit_test(values_are_completed),
		cmocka_unit_test(quotes_and_json_are_left_alone),
		cmocka_unit_test(what_is_common_is_found),
		cmocka_unit_test(a_program_becomes_a_process),
		cmocka_unit_test(what_was_said_of_the_process_is_kept),
		cmocka_unit_test(a_process_that_is_none_is_refused),
		cmocka_unit_test(features_that_an_agent_lacks_are_dropped),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
