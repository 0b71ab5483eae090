/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks: of all six kinds, of the spec and of the guest's image, and what a failing one stops. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/path.h"
#include "fixture.h"

/* Hooks of one kind, each a script of the shell. */
enum { MAX_HOOKS = 8 };
struct script {
	const char *kind, *text;
	int64_t timeout_s;
};
struct scripts {
	const struct fixture *f;
	struct script scripts[MAX_HOOKS];
};

static void add(Grpc__Hooks *hooks, const char *kind, Grpc__Hook **one)
{
	const struct {
		const char *kind;
		Grpc__Hook ***list;
		size_t *n;
	} kinds[] = {
		{"prestart", &hooks->prestart, &hooks->n_prestart},
		{"createRuntime", &hooks->createruntime, &hooks->n_createruntime},
		{"createContainer", &hooks->createcontainer, &hooks->n_createcontainer},
		{"startContainer", &hooks->startcontainer, &hooks->n_startcontainer},
		{"poststart", &hooks->poststart, &hooks->n_poststart},
		{"poststop", &hooks->poststop, &hooks->n_poststop},
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(kinds[i].kind, kind) != 0)
			continue;
		/* Neighbours in one array are one list. */
		if (*kinds[i].n == 0)
			*kinds[i].list = one;
		++*kinds[i].n;
	}
}

/* The request borrows what is static here until it has been sent. */
static void amend(Grpc__CreateContainerRequest *request, void *data)
{
	static Grpc__Spec__AnnotationsEntry entry, *entries[] = {&entry};
	static Grpc__Hook hooks[MAX_HOOKS], *list[MAX_HOOKS];
	static char *args[MAX_HOOKS][3], *env[2], out[2 * PATH_SIZE];
	static Grpc__Hooks all;
	const struct scripts *s = data;

	grpc__hooks__init(&all);
	snprintf(out, sizeof(out), "OUT=%s/out", s->f->dir);
	env[0] = out;
	env[1] = text("PATH=/bin:/usr/bin");
	for (size_t i = 0; i < MAX_HOOKS && s->scripts[i].kind; i++) {
		grpc__hook__init(&hooks[i]);
		list[i] = &hooks[i];
		args[i][0] = text("sh");
		args[i][1] = text("-c");
		args[i][2] = text(s->scripts[i].text);
		hooks[i].path = text("/bin/sh");
		hooks[i].args = args[i];
		hooks[i].n_args = 3;
		hooks[i].env = env;
		hooks[i].n_env = 2;
		hooks[i].has_timeout = 1;
		hooks[i].timeout = s->scripts[i].timeout_s;
		add(&all, s->scripts[i].kind, &list[i]);
	}
	grpc__spec__annotations_entry__init(&entry);
	entry.key = text("some.key");
	entry.value = text("a \"value\"");
	request->oci->annotations = entries;
	request->oci->n_annotations = 1;
	request->oci->ociversion = text("1.1.0");
	request->oci->hooks = &all;
}

static int create(struct fixture *f, struct scripts *s, const char *program, struct err *err)
{
	struct container_options o = {.id = "c1", .script = program, .amend = amend, .data = s};

	s->f = f;
	return create_container(f, &o, err);
}

static const char *read_file(const struct fixture *f, const char *name)
{
	static struct buf content;
	char path[2 * PATH_SIZE];

	buf_clear(&content);
	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	(void)!io_read_file(AT_FDCWD, path, 1 << 20, &content);
	return buf_str(&content);
}

static void assert_out(const struct fixture *f, const char *expected)
{
	assert_string_equal(read_file(f, "out"), expected);
}

static void assert_logged(const struct fixture *f, const char *part)
{
	if (!strstr(read_file(f, "log"), part))
		fail_msg("\"%s\" is not in the log: %s", part, read_file(f, "log"));
}

static void each_kind_runs_at_its_moment(void **state)
{
	struct scripts s = {.scripts = {{"prestart", "echo prestart >>$OUT"},
				    {"createRuntime", "echo createRuntime 1 >>$OUT"},
				    {"createRuntime", "echo createRuntime 2 >>$OUT"},
				    {"createContainer", "echo createContainer >>$OUT"},
				    {"startContainer", "echo startContainer >/tmp/s"},
				    {"poststart", "echo poststart >>$OUT"},
				    {"poststop", "echo poststop >>$OUT"}}};
	struct fixture *f = *state;
	struct buf out = BUF_INIT;

	assert_int_equal(create(f, &s, "cat /tmp/s; read x", NULL), 0);
	assert_out(f, "prestart\ncreateRuntime 1\ncreateRuntime 2\ncreateContainer\n");
	assert_int_equal(start_container(f, "c1"), 0);
	assert_out(f, "prestart\ncreateRuntime 1\ncreateRuntime 2\ncreateContainer\npoststart\n");
	assert_int_equal(close_stdin(f, "c1", ""), 0);
	read_all(f, "c1", "", &out);
	assert_string_equal(buf_str(&out), "startContainer\n");
	buf_fini(&out);
	assert_int_equal(remove_container(f, "c1"), 0);
	assert_out(f, "prestart\ncreateRuntime 1\ncreateRuntime 2\ncreateContainer\npoststart\n"
		      "poststop\n");
}

/* With the pid as the hook sees it: it names a process whose command line is known there. */
static void each_kind_is_told_the_state(void **state)
{
	struct scripts s = {
		.scripts = {{"prestart", "cat >>$OUT; pwd >>$OUT"},
			{"createContainer", "cat >>$OUT; pwd >>$OUT"},
			{"startContainer", "cat >/tmp/s; pwd >>/tmp/s"},
			{"poststart", "cat >>$OUT"}, {"poststop", "cat >>$OUT; pwd >>$OUT"}}};
	char expected[4096], bundle[2 * PATH_SIZE], common[512];
	struct fixture *f = *state;
	struct buf out = BUF_INIT;
	unsigned int pid = 0;

	snprintf(bundle, sizeof(bundle), "%s/c1", f->run_dir);
	snprintf(common, sizeof(common),
		"\"bundle\":\"%s\",\"annotations\":{\"some.key\":\"a \\\"value\\\"\"}}", bundle);
	assert_int_equal(create(f, &s, "cat /tmp/s; read x", NULL), 0);
	assert_int_equal(start_container(f, "c1"), 0);
	assert_int_equal(close_stdin(f, "c1", ""), 0);
	read_all(f, "c1", "", &out);
	snprintf(expected, sizeof(expected),
		"{\"ociVersion\":\"1.1.0\",\"id\":\"c1\",\"status\":\"created\",\"pid\":1,%s/\n",
		common);
	assert_string_equal(buf_str(&out), expected);
	buf_fini(&out);
	assert_int_equal(remove_container(f, "c1"), 0);
	assert_int_equal(sscanf(read_file(f, "out"),
				 "{\"ociVersion\":\"1.1.0\",\"id\":\"c1\",\"status\":"
				 "\"creating\",\"pid\":%u",
				 &pid),
		1);
	assert_true(pid > 1);
	snprintf(expected, sizeof(expected),
		"{\"ociVersion\":\"1.1.0\",\"id\":\"c1\",\"status\":\"creating\",\"pid\":%u,%s%s\n"
		"{\"ociVersion\":\"1.1.0\",\"id\":\"c1\",\"status\":\"creating\",\"pid\":1,%s%s\n"
		"{\"ociVersion\":\"1.1.0\",\"id\":\"c1\",\"status\":\"running\",\"pid\":%u,%s"
		"{\"ociVersion\":\"1.1.0\",\"id\":\"c1\",\"status\":\"stopped\",%s/\n",
		pid, common, bundle, common, bundle, pid, common, common);
	assert_out(f, expected);
}

/* As text, so that "the same" is one comparison. */
#define NAMESPACES "for n in mnt pid ipc; do readlink /proc/self/ns/$n; done"

static void hooks_run_in_the_right_namespaces(void **state)
{
	struct scripts s = {
		.scripts = {{"createRuntime", NAMESPACES " >>$OUT.runtime"},
			{"createContainer", NAMESPACES " >>$OUT.container; test -e $OUT.runtime && "
						       "echo guest >>$OUT.container"},
			{"startContainer", "{ " NAMESPACES "; test -e /bin/busybox && test ! -e "
					   "/tmp/kihon-agent* && echo guest; } >/tmp/s"},
			{"poststart", NAMESPACES " >>$OUT.poststart"}}};
	struct fixture *f = *state;
	struct buf out = BUF_INIT, runtime = BUF_INIT;

	assert_int_equal(create(f, &s, "cat /tmp/s; read x", NULL), 0);
	assert_int_equal(start_container(f, "c1"), 0);
	assert_int_equal(close_stdin(f, "c1", ""), 0);
	read_all(f, "c1", "", &out);
	assert_int_equal(buf_append_str(&runtime, read_file(f, "out.runtime")), 0);
	assert_true(buf_len(&runtime) > 30);
	assert_string_equal(buf_str(&runtime), read_file(f, "out.poststart"));
	/* The container's own, seen before its root was entered and after. */
	assert_string_equal(buf_str(&out), read_file(f, "out.container"));
	assert_null(strstr(buf_str(&out), buf_str(&runtime)));
	buf_fini(&out);
	buf_fini(&runtime);
}

/* And no open file but its own three; the fourth is that of ls. */
static void a_hook_has_its_own_environment_only(void **state)
{
	struct scripts s = {.scripts = {{"createRuntime", "tr '\\0' '\\n' </proc/$$/environ >$OUT; "
							  "ls /proc/self/fd >>$OUT"}}};
	struct fixture *f = *state;
	char expected[512];

	assert_int_equal(create(f, &s, "exit 0", NULL), 0);
	snprintf(
		expected, sizeof(expected), "OUT=%s/out\nPATH=/bin:/usr/bin\n0\n1\n2\n3\n", f->dir);
	assert_out(f, expected);
}

/* Nothing is left of the container, and its id is free. */
static void a_failing_hook_of_the_creation_undoes_it(void **state)
{
	static const struct {
		struct script script;
		const char *error;
		enum wire_status status;
	} rows[] = {
		{{"prestart", "exit 3"}, "prestart hook: /bin/sh: exit status 3", WIRE_INTERNAL},
		{{"createRuntime", "echo said first; echo said last >&2; exit 1"},
			"createRuntime hook: /bin/sh: exit status 1: said last", WIRE_INTERNAL},
		{{"createContainer", "kill -9 $$"},
			"createContainer hook: /bin/sh: killed by signal 9", WIRE_INTERNAL},
		{{"createRuntime", "sleep 1000", 1},
			"createRuntime hook: /bin/sh: timed out after 1 s", WIRE_DEADLINE_EXCEEDED},
		{{"createContainer", "sleep 1000", 1},
			"createContainer hook: /bin/sh: timed out after 1 s",
			WIRE_DEADLINE_EXCEEDED},
	};
	struct fixture *f = *state;
	char path[2 * PATH_SIZE];

	snprintf(path, sizeof(path), "%s/c1", f->run_dir);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct scripts s = {
			.scripts = {rows[i].script, {"poststop", "echo poststop >>$OUT"}}};
		struct err err = ERR_INIT;

		assert_int_equal(create(f, &s, "exit 0", &err), rows[i].status);
		if (!strstr(err.msg, rows[i].error))
			fail_msg("%s", err.msg);
		assert_int_equal(access(path, F_OK), -1);
		assert_out(f, "poststop\n");
		snprintf(path, sizeof(path), "%s/out", f->dir);
		assert_int_equal(unlink(path), 0);
		snprintf(path, sizeof(path), "%s/c1", f->run_dir);
	}
}

static void later_hooks_of_a_failed_kind_do_not_run(void **state)
{
	struct scripts s = {
		.scripts = {{"createRuntime", "exit 1"}, {"createRuntime", "echo second >>$OUT"},
			{"createContainer", "echo createContainer >>$OUT"}}};
	struct fixture *f = *state;

	assert_int_equal(create(f, &s, "exit 0", NULL), WIRE_INTERNAL);
	assert_out(f, "");
}

static void make_missing(Grpc__CreateContainerRequest *request, void *data)
{
	static Grpc__Hook hook, *list[] = {&hook};
	static Grpc__Hooks hooks;

	grpc__hook__init(&hook);
	grpc__hooks__init(&hooks);
	hook.path = data;
	hooks.createruntime = list;
	hooks.n_createruntime = 1;
	request->oci->hooks = &hooks;
}

static void a_hook_that_does_not_exist_is_an_invalid_argument(void **state)
{
	static char missing[] = "/no/such/hook", relative[] = "bin/true", directory[] = "/tmp";
	struct container_options o = {.id = "c1", .script = "exit 0", .amend = make_missing};
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	o.data = missing;
	assert_int_equal(create_container(f, &o, &err), WIRE_INVALID_ARGUMENT);
	assert_non_null(strstr(err.msg, "createRuntime hook: /no/such/hook: no such program"));
	o.data = relative;
	assert_int_equal(create_container(f, &o, &err), WIRE_INVALID_ARGUMENT);
	assert_non_null(strstr(err.msg, "\"bin/true\", is not absolute"));
	o.data = directory;
	assert_int_equal(create_container(f, &o, &err), WIRE_INTERNAL);
	assert_non_null(strstr(err.msg, "run /tmp: Permission denied"));
}

static void a_failing_startcontainer_hook_fails_the_start(void **state)
{
	struct scripts s = {.scripts = {{"startContainer", "echo no >&2; exit 7"}}};
	struct fixture *f = *state;
	Grpc__StartContainerRequest request = GRPC__START_CONTAINER_REQUEST__INIT;
	struct err err = ERR_INIT;

	assert_int_equal(create(f, &s, "echo ran", NULL), 0);
	request.container_id = text("c1");
	assert_int_equal(call(f, "StartContainer", &request.base, &err), WIRE_INTERNAL);
	assert_non_null(strstr(err.msg, "startContainer hook: /bin/sh: exit status 7: no"));
	/* It ends by itself, or is killed, whichever comes first. */
	assert_int_not_equal(wait_process(f, "c1", ""), 0);
	assert_int_equal(remove_container(f, "c1"), 0);
}

static void failing_hooks_after_the_start_are_logged_and_the_others_run(void **state)
{
	struct scripts s = {
		.scripts = {{"poststart", "exit 3"}, {"poststart", "echo after >>$OUT"},
			{"poststop", "sleep 1000", 1}, {"poststop", "echo stopped >>$OUT"}}};
	struct fixture *f = *state;

	assert_int_equal(create(f, &s, "exit 5", NULL), 0);
	assert_int_equal(start_container(f, "c1"), 0);
	assert_int_equal(wait_process(f, "c1", ""), 5);
	assert_out(f, "after\n");
	assert_logged(f, "container c1: poststart hook /bin/sh: exit status 3");
	assert_int_equal(remove_container(f, "c1"), 0);
	assert_out(f, "after\nstopped\n");
	assert_logged(f, "container c1: poststop hook /bin/sh: timed out after 1 s");
}

/* The agent answers others meanwhile, and the creation can be given up. */
static void a_slow_hook_holds_up_nobody(void **state)
{
	struct scripts s = {.scripts = {{"createRuntime", "echo $$ >$OUT; exec sleep 1000", 1000}}};
	struct fixture *f = *state;
	struct reply reply;
	struct container_options o = {.id = "c1",
		.script = "exit 0",
		.amend = amend,
		.data = &s,
		.reply = &reply,
		.timeout_ns = 2 * NS_PER_S};
	int pid;

	s.f = f;
	(void)create_container(f, &o, NULL);
	assert_int_equal(signal_process(f, "no-such", "", 15, NULL), WIRE_INVALID_ARGUMENT);
	assert_false(reply.done);
	call_wait(f, &reply);
	assert_int_equal(wire_status_of(&reply.err), WIRE_DEADLINE_EXCEEDED);
	reply_fini(&reply);
	/* Gone with the job, and the id is free again: the agent's loop is done with both. */
	assert_int_equal(sscanf(read_file(f, "out"), "%d", &pid), 1);
	while (create_container(f, &(struct container_options){.id = "c1", .script = "exit 0"},
		       NULL) == WIRE_ALREADY_EXISTS)
		;
	assert_int_equal(kill(pid, 0), -1);
}

static void a_container_can_be_removed_while_its_poststart_hook_runs(void **state)
{
	struct scripts s = {.scripts = {{"poststart", "echo x >$OUT; exec sleep 1000", 1000},
				    {"poststop", "echo poststop >>$OUT"}}};
	Grpc__StartContainerRequest request = GRPC__START_CONTAINER_REQUEST__INIT;
	struct fixture *f = *state;
	struct reply start;

	assert_int_equal(create(f, &s, "exec sleep 1000", NULL), 0);
	request.container_id = text("c1");
	call_start(f, "StartContainer", &request.base, NULL, &start);
	while (!*read_file(f, "out"))
		assert_int_equal(signal_process(f, "c1", "", 0, NULL), 0);
	assert_false(start.done);
	assert_int_equal(remove_container(f, "c1"), 0);
	call_wait(f, &start);
	assert_int_equal(wire_status_of(&start.err), WIRE_ABORTED);
	reply_fini(&start);
	assert_out(f, "x\npoststop\n");
}

static void write_hook(const struct fixture *f, const char *name, mode_t mode, const char *script)
{
	char path[3 * PATH_SIZE], *slash;

	snprintf(path, sizeof(path), "%s/hooks/%s", f->dir, name);
	slash = strrchr(path, '/');
	*slash = '\0';
	assert_int_equal(path_mkdir(path, 0755), 0);
	*slash = '/';
	assert_int_equal(io_replace_file(AT_FDCWD, path, mode, script, strlen(script)), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static int create_sandbox_with_hooks(struct fixture *f, const char *dir, struct err *err)
{
	Grpc__CreateSandboxRequest request = GRPC__CREATE_SANDBOX_REQUEST__INIT;

	request.guest_hook_path = text(dir);
	return call(f, "CreateSandbox", &request.base, err);
}

static void hooks_of_the_image_run_after_those_of_the_spec(void **state)
{
	struct scripts s = {.scripts = {{"prestart", "echo spec >>$OUT"}}};
	char dir[2 * PATH_SIZE], script[4 * PATH_SIZE], link[3 * PATH_SIZE];
	struct fixture *f = *state;

	snprintf(script, sizeof(script),
		"#!/bin/sh\necho \"${0##*/} $* $(/usr/bin/env | "
		"/usr/bin/grep -c USER)\" >>%s/out\n",
		f->dir);
	write_hook(f, "prestart/20-second", 0755, script);
	write_hook(f, "prestart/10-first", 0755, script);
	write_hook(f, "prestart/30-plain", 0644, script);
	write_hook(f, "poststart/go", 0755, script);
	write_hook(f, "poststop/gone", 0755, script);
	write_hook(f, "createRuntime/never", 0755, script);
	snprintf(dir, sizeof(dir), "%s/hooks", f->dir);
	snprintf(link, sizeof(link), "%s/prestart/40-link", dir);
	assert_int_equal(symlink("10-first", link), 0);
	assert_int_equal(create_sandbox_with_hooks(f, dir, NULL), 0);
	assert_int_equal(create(f, &s, "exit 0", NULL), 0);
	assert_int_equal(start_container(f, "c1"), 0);
	assert_int_equal(remove_container(f, "c1"), 0);
	/* argv: the file's name, which the kernel replaces for a script, and the kind. */
	assert_out(f, "spec\n10-first prestart 0\n20-second prestart 0\ngo poststart 0\n"
		      "gone poststop 0\n");
}

static void a_hook_directory_that_is_missing_is_no_error(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	assert_int_equal(create_sandbox_with_hooks(f, "hooks", &err), WIRE_INVALID_ARGUMENT);
	assert_non_null(strstr(err.msg, "guest_hook_path \"hooks\" is not absolute"));
	assert_int_equal(create_sandbox_with_hooks(f, "/no/such/hooks", NULL), 0);
	run_container(f, "c1", "exit 0");
	assert_int_equal(remove_container(f, "c1"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		agent_test(each_kind_runs_at_its_moment),
		agent_test(each_kind_is_told_the_state),
		agent_test(hooks_run_in_the_right_namespaces),
		agent_test(a_hook_has_its_own_environment_only),
		agent_test(a_failing_hook_of_the_creation_undoes_it),
		agent_test(later_hooks_of_a_failed_kind_do_not_run),
		agent_test(a_hook_that_does_not_exist_is_an_invalid_argument),
		agent_test(a_failing_startcontainer_hook_fails_the_start),
		agent_test(failing_hooks_after_the_start_are_logged_and_the_others_run),
		agent_test(a_slow_hook_holds_up_nobody),
		agent_test(a_container_can_be_removed_while_its_poststart_hook_runs),
		agent_test(hooks_of_the_image_run_after_those_of_the_spec),
		agent_test(a_hook_directory_that_is_missing_is_no_error),
	};

	fixture_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
