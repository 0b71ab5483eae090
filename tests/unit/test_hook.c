/* SPDX-License-Identifier: Apache-2.0 */
/* Running one hook, and what it is told. Needs no privileges. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "agent/container/hook.h"
#include "agent/container/hooks.h"
#include "base/clock.h"
#include "wire/message.h"
#include "wire/status.h"

static int run_shell(const char *script, const char *input, struct buf *output, struct err *err)
{
	char *args[] = {message_text("sh"), message_text("-c"), message_text(script)},
	     *env[] = {message_text("PATH=/bin:/usr/bin")};
	struct hook hook = {.path = "/bin/sh",
		.args = args,
		.n_args = ARRAY_SIZE(args),
		.env = env,
		.n_env = ARRAY_SIZE(env),
		.cwd = "/",
		.input = slice_of_str(input),
		.timeout_ns = 2 * NS_PER_S};

	buf_clear(output);
	return hook_run(&hook, output, err);
}

static void a_hook_reads_and_writes(void **state)
{
	auto_buf struct buf output = BUF_INIT;

	(void)state;
	assert_int_equal(run_shell("cat; echo two >&2", "one\n", &output, NULL), 0);
	assert_string_equal(buf_str(&output), "one\ntwo");
	assert_int_equal(run_shell("exit 0", "", &output, NULL), 0);
	assert_string_equal(buf_str(&output), "");
}

static void input_larger_than_a_pipe_holds_up_nobody(void **state)
{
	auto_buf struct buf output = BUF_INIT, input = BUF_INIT;

	(void)state;
	for (size_t i = 0; i < 20000; i++)
		assert_int_equal(buf_append_str(&input, "annotation"), 0);
	assert_int_equal(run_shell("exit 0", buf_str(&input), &output, NULL), 0);
	assert_int_equal(run_shell("wc -c", buf_str(&input), &output, NULL), 0);
	assert_string_equal(buf_str(&output), "200000");
}

static void only_the_end_of_much_output_is_kept_as_text(void **state)
{
	auto_buf struct buf output = BUF_INIT;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(
		run_shell("head -c 1000000 /dev/zero; printf '\\n\\377\\033end\\n'; exit 1", "",
			&output, &err),
		-EIO);
	assert_true(buf_len(&output) <= HOOK_OUTPUT_MAX);
	assert_non_null(strstr(buf_str(&output), "????\n??end"));
	assert_string_equal(err.msg, "/bin/sh: exit status 1: ??end");
}

static void failures_are_told_apart(void **state)
{
	auto_buf struct buf output = BUF_INIT;
	struct err err = ERR_INIT;
	struct hook hook = {.path = "/no/such", .cwd = "/", .timeout_ns = NS_PER_S};

	(void)state;
	assert_int_equal(hook_run(&hook, &output, &err), -ENOENT);
	assert_int_equal(err.status, WIRE_INVALID_ARGUMENT);
	err = (struct err)ERR_INIT;
	hook.path = "/etc/passwd";
	assert_int_equal(hook_run(&hook, &output, &err), -EACCES);
	assert_string_equal(err.msg, "run /etc/passwd: Permission denied");
	err = (struct err)ERR_INIT;
	hook.path = "/bin/true";
	hook.cwd = "/no/such";
	assert_int_equal(hook_run(&hook, &output, &err), -ENOENT);
	err = (struct err)ERR_INIT;
	assert_int_equal(run_shell("kill -TERM $$", "", &output, &err), -EIO);
	assert_string_equal(err.msg, "/bin/sh: killed by signal 15");
}

static void a_slow_hook_and_its_children_are_killed(void **state)
{
	auto_buf struct buf output = BUF_INIT;
	struct err err = ERR_INIT;
	int64_t before = clock_now_ns();
	int pid;

	(void)state;
	assert_int_equal(run_shell("sleep 1000 & echo $!; wait", "", &output, &err), -ETIMEDOUT);
	assert_int_equal(err.status, WIRE_DEADLINE_EXCEEDED);
	assert_string_equal(err.msg, "/bin/sh: timed out after 2 s");
	assert_true(clock_now_ns() - before < 10 * NS_PER_S);
	assert_int_equal(sscanf(buf_str(&output), "%d", &pid), 1);
	/* Dead, if perhaps not collected yet by whoever adopts it. */
	for (;;) {
		char path[32], line[64] = "";
		FILE *stat;

		if (kill(pid, 0) < 0)
			break;
		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		stat = fopen(path, "re");
		if (!stat)
			break;
		assert_non_null(fgets(line, sizeof(line), stat));
		fclose(stat);
		if (strstr(line, ") Z"))
			break;
		assert_true(clock_now_ns() - before < 10 * NS_PER_S);
	}
}

/* It may leave a daemon, which keeps the pipe open. */
static void what_a_hook_leaves_is_not_waited_for(void **state)
{
	auto_buf struct buf output = BUF_INIT;
	int64_t before = clock_now_ns();
	int pid;

	(void)state;
	assert_int_equal(run_shell("sleep 1000 & echo $!", "", &output, NULL), 0);
	assert_true(clock_now_ns() - before < NS_PER_S);
	assert_int_equal(sscanf(buf_str(&output), "%d", &pid), 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
}

static void without_arguments_a_hook_is_its_path(void **state)
{
	auto_buf struct buf output = BUF_INIT;
	struct hook hook = {.path = "/usr/bin/env", .cwd = "/", .timeout_ns = 2 * NS_PER_S};

	(void)state;
	assert_int_equal(hook_run(&hook, &output, NULL), 0);
	assert_string_equal(buf_str(&output), "");
}

static void the_state_is_that_of_the_moment(void **state)
{
	auto_buf struct buf text_of = BUF_INIT;
	Grpc__Spec__AnnotationsEntry entry = GRPC__SPEC__ANNOTATIONS_ENTRY__INIT;
	Grpc__Spec__AnnotationsEntry *entries[] = {&entry};
	Grpc__Spec spec = GRPC__SPEC__INIT;
	struct hooks hooks = {.spec = &spec, .container_id = "c1", .bundle = "/b"};

	(void)state;
	assert_int_equal(hooks_format_state(&hooks, HOOKS_POSTSTOP, 0, &text_of), 0);
	assert_string_equal(buf_str(&text_of),
		"{\"ociVersion\":\"1.0.2\",\"id\":\"c1\",\"status\":\"stopped\",\"bundle\":\"/b\","
		"\"annotations\":{}}");
	buf_clear(&text_of);
	entry.key = message_text("k");
	entry.value = message_text("\xff");
	spec.annotations = entries;
	spec.n_annotations = 1;
	assert_int_equal(hooks_format_state(&hooks, HOOKS_POSTSTART, 7, &text_of), -EILSEQ);
	buf_clear(&text_of);
	entry.value = message_text("\n");
	assert_int_equal(hooks_format_state(&hooks, HOOKS_POSTSTART, 7, &text_of), 0);
	assert_non_null(strstr(buf_str(&text_of), "\"status\":\"running\",\"pid\":7,"));
	assert_non_null(strstr(buf_str(&text_of), "{\"k\":\"\\u000a\"}"));
}

static void hooks_are_checked_before_anything_is_made(void **state)
{
	static const struct {
		const char *path;
		int64_t timeout;
		bool good;
	} rows[] = {
		{"/bin/true", 0, true},
		{"/bin/true", 1, true},
		{"/bin/true", INT64_C(366) * 24 * 3600, true},
		{"/bin/true", INT64_C(366) * 24 * 3600 + 1, false},
		{"/bin/true", INT64_MAX, false},
		{"/bin/true", -1, false},
		{"bin/true", 0, false},
		{"", 0, false},
		{NULL, 0, false},
	};

	(void)state;
	assert_int_equal(hooks_check(NULL, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		Grpc__Hook hook = GRPC__HOOK__INIT, *list[] = {&hook};
		Grpc__Hooks hooks = GRPC__HOOKS__INIT;
		struct err err = ERR_INIT;

		hook.path = rows[i].path ? message_text(rows[i].path) : NULL;
		hook.timeout = rows[i].timeout;
		hooks.poststop = list;
		hooks.n_poststop = 1;
		assert_int_equal(hooks_check(&hooks, &err), rows[i].good ? 0 : -EINVAL);
		assert_int_equal(err.status, rows[i].good ? 0 : WIRE_INVALID_ARGUMENT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hook_reads_and_writes),
		cmocka_unit_test(input_larger_than_a_pipe_holds_up_nobody),
		cmocka_unit_test(only_the_end_of_much_output_is_kept_as_text),
		cmocka_unit_test(failures_are_told_apart),
		cmocka_unit_test(a_slow_hook_and_its_children_are_killed),
		cmocka_unit_test(what_a_hook_leaves_is_not_waited_for),
		cmocka_unit_test(without_arguments_a_hook_is_its_path),
		cmocka_unit_test(the_state_is_that_of_the_moment),
		cmocka_unit_test(hooks_are_checked_before_anything_is_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
