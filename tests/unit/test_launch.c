/* SPDX-License-Identifier: Apache-2.0 */
/* Container processes: how they begin and end, who they are, what they are given. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"
#include "launch_rig.h"
#include "wire/status.h"

static struct outcome out;

static void exit_codes_arrive(void **state)
{
	(void)state;
	rig_run(&(struct plan){.args = "[\"true\"]"}, &out);
	assert_exits(out, 0);
	rig_run(&(struct plan){.args = "[\"/bin/false\"]"}, &out);
	assert_exits(out, 1);
	rig_sh((struct plan){0}, "exit 42", &out);
	assert_exits(out, 42);
	rig_sh((struct plan){0}, "sh -c 'kill -9 $$'; exit $?", &out);
	assert_exits(out, 137);
}

static void init_is_pid_1_in_a_session_of_its_own(void **state)
{
	(void)state;
	rig_sh((struct plan){0}, "echo $$; cut -d' ' -f5,6 /proc/self/stat; ls -d /proc/[0-9]*",
		&out);
	assert_exits(out, 0);
	assert_string_equal(out.output, "1\n1 1\n/proc/1\n");
}

static void stdin_is_read_to_its_end(void **state)
{
	(void)state;
	rig_run(&(struct plan){.args = "[\"cat\"]", .input = "in and out\n"}, &out);
	assert_exits(out, 0);
	assert_string_equal(out.output, "in and out\n");
}

static void what_cannot_run_is_named(void **state)
{
	static const struct {
		const char *args, *error;
		int code;
	} rows[] = {
		{"[\"nosuch\"]", "exec: \"nosuch\": executable file not found in $PATH", ENOENT},
		{"[\"\"]", "exec: \"\": executable file not found in $PATH", ENOENT},
		{"[\"/etc\"]", "exec: \"/etc\": is a directory", EISDIR},
		{"[\"/etc/passwd\"]", "exec: \"/etc/passwd\": permission denied", EACCES},
		{"[\"/nosuch/file\"]",
			"exec: \"/nosuch/file\": stat /nosuch/file: no such file or directory",
			ENOENT},
		{"[\"/bin/sh/x\"]", "exec: \"/bin/sh/x\": not a directory", ENOTDIR},
		{"[\"plain\"]", "exec: \"plain\": executable file not found in $PATH", ENOENT},
	};

	(void)state;
	rig_write("/bin/plain", 0644, "#!/bin/sh\n");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		rig_run(&(struct plan){.args = rows[i].args}, &out);
		assert_false(out.created);
		assert_string_equal(out.err.msg, rows[i].error);
		assert_int_equal(out.err.code, rows[i].code);
	}
}

/* The kernel alone knows: seen at execve, after the go. */
static void what_execve_refuses_is_told_on_release(void **state)
{
	(void)state;
	rig_write("/bin/script", 0755, "#!/no/interpreter\n");
	rig_run(&(struct plan){.args = "[\"script\"]"}, &out);
	assert_true(out.created);
	assert_false(out.started);
	assert_string_equal(out.err.msg, "exec: \"script\": no such file or directory");

	rig_write("/bin/junk", 0755, "\177junk");
	rig_run(&(struct plan){.args = "[\"/bin/junk\"]"}, &out);
	assert_true(out.created);
	assert_string_equal(out.err.msg, "exec: \"/bin/junk\": exec format error");
}

static void environment_is_taken_as_it_is(void **state)
{
	(void)state;
	rig_run(&(struct plan){.args = "[\"env\"]",
			.env = "[\"PATH=/bin\",\"A=1\",\"none\",\"=x\",\"B=\",\"C=a=b "
			       "\",\"A=2\",\"\"]"},
		&out);
	assert_exits(out, 0);
	assert_string_equal(out.output, "PATH=/bin\nA=2\nB=\nC=a=b \nHOME=/root\n");
}

static void home_comes_from_the_containers_passwd(void **state)
{
	static const struct {
		const char *user, *home;
	} rows[] = {
		{",\"user\":{\"uid\":1000,\"gid\":1000}", "/home/user\n"},
		{",\"user\":{\"uid\":4242,\"gid\":0}", "/\n"},
	};
	char big[4096];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		rig_sh((struct plan){.process = rows[i].user}, "echo $HOME", &out);
		assert_exits(out, 0);
		assert_string_equal(out.output, rows[i].home);
	}
	rig_sh((struct plan){.env = "[\"PATH=/bin\",\"HOME=/mine\"]"}, "echo $HOME", &out);
	assert_string_equal(out.output, "/mine\n");
	/* A fifo would keep an incautious reader for ever. */
	snprintf(big, sizeof(big), "%s/etc/passwd", rig_root);
	assert_int_equal(unlink(big), 0);
	assert_int_equal(mkfifo(big, 0644), 0);
	rig_sh((struct plan){0}, "echo $HOME", &out);
	assert_string_equal(out.output, "/\n");
}

static void cwd_is_made_and_entered(void **state)
{
	(void)state;
	rig_run(&(struct plan){.args = "[\"pwd\"]", .cwd = "/a/b"}, &out);
	assert_exits(out, 0);
	assert_string_equal(out.output, "/a/b\n");

	rig_run(&(struct plan){.args = "[\"pwd\"]", .cwd = "/etc/passwd"}, &out);
	assert_false(out.created);
	assert_string_equal(out.err.msg, "chdir to cwd (\"/etc/passwd\"): Not a directory");

	rig_run(&(struct plan){.cwd = "tmp"}, &out);
	assert_false(out.created);
	assert_int_equal(out.err.status, WIRE_INVALID_ARGUMENT);
}

/* CVE-2024-21626: a directory of the runtime's that was left open. */
static void cwd_is_never_outside(void **state)
{
	(void)state;
	for (int fd = 3; fd < 20; fd++) {
		char cwd[32];

		snprintf(cwd, sizeof(cwd), "/proc/self/fd/%d", fd);
		rig_run(&(struct plan){.args = "[\"pwd\"]", .cwd = cwd}, &out);
		assert_false(out.created);
	}
}

static void hostname_is_the_containers(void **state)
{
	(void)state;
	rig_run(&(struct plan){.args = "[\"hostname\"]", .members = ",\"hostname\":\"inside\""},
		&out);
	assert_exits(out, 0);
	assert_string_equal(out.output, "inside\n");
}

static void what_is_not_there_yet_is_said_so(void **state)
{
	static const struct plan rows[] = {
		{.process = ",\"selinuxLabel\":\"u:r:t:s0\""},
		{.process = ",\"apparmorProfile\":\"nobody-has-this\""},
		{.linux_members = ",\"mountLabel\":\"u:r:t:s0\""},
		{.linux_members = ",\"seccomp\":{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}"},
		{.namespaces = "[{\"type\":\"mount\",\"path\":\"/proc/1/ns/mnt\"}]"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		rig_run(&rows[i], &out);
		assert_false(out.created && out.started);
		/* A guest with AppArmor, and no such profile. */
		if (out.err.code == ENOENT && strstr(out.err.msg, "is not loaded in the guest"))
			continue;
		assert_int_equal(out.err.code, ENOTSUP);
		assert_non_null(strstr(out.err.msg, "not supported"));
	}
}

static void limits_and_oom_score_are_set(void **state)
{
	(void)state;
	rig_sh(
		(struct plan){
			.process =
				",\"oomScoreAdj\":500,\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\","
				"\"soft\":100,\"hard\":200},{\"type\":\"RLIMIT_CORE\",\"soft\":0,"
				"\"hard\":0}]"},
		"cat /proc/self/oom_score_adj; ulimit -n; ulimit -Hn; ulimit -c", &out);
	assert_exits(out, 0);
	assert_string_equal(out.output, "500\n100\n200\n0\n");
}

static void nothing_but_stdio_is_open(void **state)
{
	auto_fd int leak = dup(1);

	(void)state;
	assert_true(leak >= 0);
	/* 3 is the directory that ls reads. */
	rig_run(&(struct plan){.args = "[\"ls\",\"/proc/self/fd\"]"}, &out);
	assert_exits(out, 0);
	assert_string_equal(out.output, "0\n1\n2\n3\n");
}

static void signals_are_as_at_the_beginning(void **state)
{
	sigset_t set, old;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &old);
	/* cat, as a shell changes them. */
	rig_run(&(struct plan){.args = "[\"grep\",\"Sig[BIC]\",\"/proc/self/status\"]"}, &out);
	sigprocmask(SIG_SETMASK, &old, NULL);
	assert_exits(out, 0);
	assert_string_equal(out.output, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"
					"SigCgt:\t0000000000000000\n");
}

static void stdout_can_be_opened_again_by_the_user(void **state)
{
	(void)state;
	rig_sh((struct plan){.process = ",\"user\":{\"uid\":1000,\"gid\":1000}"},
		"echo hi >/dev/stdout", &out);
	assert_exits(out, 0);
	assert_string_equal(out.output, "hi\n");
}

static void terminal_is_controlling_and_has_its_size(void **state)
{
	(void)state;
	rig_sh((struct plan){.terminal = true,
		       .process = ",\"consoleSize\":{\"height\":33,\"width\":99}"},
		"stty size; tty; echo ok >/dev/tty; echo also >/dev/console", &out);
	assert_exits(out, 0);
	assert_string_equal(out.output, "33 99\r\n/dev/console\r\nok\r\nalso\r\n");
}

static void a_process_that_dies_silently_is_noticed(void **state)
{
	struct rig_container c;

	(void)state;
	rig_create(&(struct plan){.args = "[\"true\"]"}, &c);
	assert_false(c.failed);
	assert_int_equal(kill(c.result.pid, SIGKILL), 0);
	assert_int_equal(waitpid(c.result.pid, NULL, 0), c.result.pid);
	/* The end of file may be seen before or after the release. */
	assert_int_equal(loop_run_once(rig_loop, 10 * NS_PER_MS), 0);
	launch_release(c.launch, rig_released, &c);
	c.launch = NULL;
	rig_until(&c.released);
	assert_true(c.failed);
	assert_string_equal(c.err.msg, "the container process has ended before it was started");
	rig_destroy(&c);
}

static void set_up_that_takes_too_long_is_ended(void **state)
{
	(void)state;
	rig_run(&(struct plan){.deadline_ns = 1, .in_cgroup = true}, &out);
	assert_false(out.created);
	assert_int_equal(out.err.code, ETIMEDOUT);
	assert_int_equal(out.err.status, WIRE_DEADLINE_EXCEEDED);
}

static unsigned int count_children(void)
{
	struct dirent *entry;
	unsigned int n = 0;
	char path[280];
	DIR *proc = opendir("/proc");

	assert_non_null(proc);
	while ((entry = readdir(proc))) {
		auto_buf struct buf b = BUF_INIT;
		const char *at;

		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
			io_read_file(AT_FDCWD, path, 4096, &b) < 0)
			continue;
		at = strrchr(buf_str(&b), ')');
		n += at && strlen(at) > 4 && strtol(at + 4, NULL, 10) == getpid();
	}
	closedir(proc);
	return n;
}

static bool cgroup_is_there(void)
{
	struct cgroup c = {.layout = NULL};
	bool there = launch_open_cgroup(rig_cgroup, &c, NULL) == 0;

	cgroup_close(&c);
	return there;
}

static void note_undone(void *data)
{
	int *n = data;

	(*n)++;
}

static void cancel_at_any_point_leaves_nothing(void **state)
{
	(void)state;
	/* After 0, 1, 2, ... rounds of the loop, until the launch gets all the way. */
	for (int rounds = 0;; rounds++) {
		struct rig_container c;
		int n_undone = 0;

		rig_start(&(struct plan){.args = "[\"sleep\",\"100\"]", .in_cgroup = true}, &c);
		assert_non_null(c.launch);
		for (int i = 0; i < rounds && !c.done; i++)
			assert_int_equal(loop_run_once(rig_loop, NS_PER_S), 0);
		if (c.done)
			assert_false(c.failed);
		launch_cancel(c.launch, note_undone, &n_undone);
		c.launch = NULL;
		c.failed = true;
		rig_destroy(&c);
		assert_int_equal(n_undone, 1);
		assert_int_equal(count_children(), 0);
		assert_false(cgroup_is_there());
		if (c.done)
			break;
		assert_true(rounds < 100);
	}
}

static void a_failed_start_leaves_nothing(void **state)
{
	(void)state;
	rig_run(&(struct plan){.args = "[\"nosuch\"]", .in_cgroup = true}, &out);
	assert_false(out.created);
	assert_int_equal(count_children(), 0);
	assert_false(cgroup_is_there());
}

static void a_cgroup_is_never_shared(void **state)
{
	struct rig_container first, second;

	(void)state;
	rig_create(&(struct plan){.args = "[\"sleep\",\"100\"]", .in_cgroup = true}, &first);
	if (first.failed)
		fail_msg("%s", first.err.msg);
	assert_true(cgroup_is_there());
	rig_release(&first);
	rig_create(&(struct plan){.in_cgroup = true}, &second);
	assert_true(second.failed);
	assert_non_null(strstr(second.err.msg, "in use by another container"));
	rig_close(&second);
	/* The first is none the worse. */
	assert_int_equal(kill(first.result.pid, 0), 0);
	assert_int_equal(waitpid(first.result.pid, NULL, WNOHANG), 0);
	assert_int_equal(launch_kill_cgroup(rig_cgroup, NULL), 0);
	assert_int_equal(launch_remove_cgroup(rig_cgroup, NULL), 0);
	assert_false(cgroup_is_there());
	rig_destroy(&first);
	assert_int_equal(launch_remove_cgroup(rig_cgroup, NULL), 0);
}

#define PROCESS(args, more) \
	"{\"args\":" args   \
	",\"env\":[\"PATH=/bin\"],\"cwd\":\"/\",\"user\":{\"uid\":0,\"gid\":0}" more "}"

static void exec_joins_what_init_has(void **state)
{
	const struct cgroup_layout *layout = launch_get_cgroup_layout(NULL);
	int unified = cgroup_layout_find_unified(layout);
	struct rig_container init;
	char inner[256];

	(void)state;
	rig_create(&(struct plan){.args = "[\"sleep\",\"100\"]",
			   .in_cgroup = true,
			   .members = ",\"hostname\":\"together\""},
		&init);
	if (init.failed)
		fail_msg("%s", init.err.msg);
	rig_release(&init);
	rig_exec(&init,
		PROCESS("[\"sh\",\"-c\",\"hostname; for n in mnt pid uts ipc cgroup; do "
			"test $(readlink /proc/1/ns/$n) = $(readlink /proc/self/ns/$n) || "
			"echo $n differs; done; cat /proc/self/cgroup; cut -d' ' -f1,5,6 "
			"/proc/self/stat; ls /proc/self/fd\"]",
			""),
		&out);
	assert_exits(out, 0);
	if (strncmp(out.output, "together\n", 9) != 0 || strstr(out.output, "differs"))
		fail_msg("%s", out.output);
	if (!strstr(out.output, "0::/\n"))
		fail_msg("%s", out.output);
	rig_exec(&init, PROCESS("[\"nosuch\"]", ""), &out);
	assert_false(out.started);
	assert_string_equal(out.err.msg, "exec: \"nosuch\": executable file not found in $PATH");
	rig_exec(&init, PROCESS("[\"/bin/script\"]", ""), &out);
	assert_false(out.started);
	rig_exec(&init, PROCESS("[\"sh\",\"-c\",\"exit 3\"]", ""), &out);
	assert_exits(out, 3);
	/* Without capabilities of its own it has init's. */
	rig_exec(&init, PROCESS("[\"sh\",\"-c\",\"grep CapEff /proc/self/status\"]", ""), &out);
	assert_string_equal(out.output, "CapEff:\t00000000a80425fb\n");
	rig_exec(&init,
		PROCESS("[\"sh\",\"-c\",\"grep CapEff /proc/self/status\"]",
			",\"capabilities\":{}"),
		&out);
	assert_string_equal(out.output, "CapEff:\t0000000000000000\n");
	rig_exec(&init,
		PROCESS("[\"stty\",\"size\"]",
			",\"terminal\":true,\"consoleSize\":{\"height\":5,\"width\":6}"),
		&out);
	assert_exits(out, 0);
	assert_string_equal(out.output, "5 6\r\n");
	rig_exec(&init, "{\"args\":[\"pwd\"],\"env\":[\"PATH=/bin\"],\"cwd\":\"/no/such\"}", &out);
	assert_string_equal(out.err.msg, "chdir to cwd (\"/no/such\"): No such file or directory");
	/* A container that manages cgroups has its processes in one below. */
	if (unified >= 0) {
		snprintf(inner, sizeof(inner), "%s%s/init",
			layout->hierarchies[unified].mount_point, rig_cgroup);
		assert_int_equal(mkdir(inner, 0755), 0);
		rig_exec(&init, PROCESS("[\"grep\",\"^0\",\"/proc/self/cgroup\"]", ""), &out);
		assert_string_equal(out.output, "0::/init\n");
	}
	rig_destroy(&init);
	assert_int_equal(launch_remove_cgroup(rig_cgroup, NULL), 0);
}

static void containers_of_a_pod_share_namespaces(void **state)
{
	struct rig_container first;
	struct plan plan = {.members = ",\"hostname\":\"second\"", .pod = &first};

	(void)state;
	rig_create(
		&(struct plan){.args = "[\"sleep\",\"100\"]", .members = ",\"hostname\":\"first\""},
		&first);
	assert_false(first.failed);
	rig_release(&first);
	/* The pod's hostname is not changed by who joins. */
	rig_sh(plan, "hostname; test $$ -ne 1 && cat /proc/1/cmdline | tr '\\0' ' '", &out);
	assert_exits(out, 0);
	assert_string_equal(out.output, "first\nsleep 100 ");
	/* When its init is gone the namespace takes nobody any more. */
	assert_int_equal(kill(first.result.pid, SIGKILL), 0);
	assert_int_equal(waitpid(first.result.pid, NULL, 0), first.result.pid);
	rig_run(&plan, &out);
	assert_false(out.created);
	assert_string_equal(out.err.msg, "the init process of the pid namespace has ended");
	first.failed = true;
	rig_destroy(&first);
}

/* An agent that is no PID 1 may die; what it has not released dies with it. */
static void a_set_up_process_dies_with_the_agent(void **state)
{
	int said[2], status;
	pid_t agent, init;

	(void)state;
	assert_int_equal(pipe2(said, O_CLOEXEC), 0);
	agent = fork();
	if (agent == 0) {
		struct rig_container c;

		rig_create(&(struct plan){.args = "[\"true\"]"}, &c);
		if (!c.failed && write(said[1], &c.result.pid, sizeof(c.result.pid)) > 0)
			pause();
		_exit(1);
	}
	close_fd(said[1]);
	assert_int_equal(io_read_full(said[0], &init, sizeof(init)), 0);
	close_fd(said[0]);
	assert_int_equal(kill(agent, SIGKILL), 0);
	assert_int_equal(waitpid(agent, &status, 0), agent);
	/* It has become ours. */
	assert_int_equal(waitpid(init, &status, 0), init);
	/* By the signal, or by the end of file if it sees that first. */
	assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 1);
}

static void exec_beside_a_dead_init_is_refused(void **state)
{
	struct rig_container init;

	(void)state;
	rig_create(&(struct plan){.args = "[\"true\"]"}, &init);
	assert_false(init.failed);
	rig_release(&init);
	assert_int_equal(waitpid(init.result.pid, NULL, 0), init.result.pid);
	rig_exec(&init, PROCESS("[\"true\"]", ""), &out);
	assert_false(out.started);
	assert_string_equal(out.err.msg, "the init process of the pid namespace has ended");
	init.failed = true;
	rig_destroy(&init);
}

/* Of a container that has no mappings: none that is made here. */
static void a_user_namespace_fd_is_refused(void **state)
{
	struct rig_container init;

	(void)state;
	rig_create(&(struct plan){.args = "[\"sleep\",\"100\"]"}, &init);
	assert_false(init.failed);
	init.result.ns_fds[LAUNCH_NS_USER] = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
	rig_exec(&init, PROCESS("[\"true\"]", ""), &out);
	assert_int_equal(out.err.code, EINVAL);
	rig_destroy(&init);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rig_test(exit_codes_arrive),
		rig_test(init_is_pid_1_in_a_session_of_its_own),
		rig_test(stdin_is_read_to_its_end),
		rig_test(what_cannot_run_is_named),
		rig_test(what_execve_refuses_is_told_on_release),
		rig_test(environment_is_taken_as_it_is),
		rig_test(home_comes_from_the_containers_passwd),
		rig_test(cwd_is_made_and_entered),
		rig_test(cwd_is_never_outside),
		rig_test(hostname_is_the_containers),
		rig_test(what_is_not_there_yet_is_said_so),
		rig_test(limits_and_oom_score_are_set),
		rig_test(nothing_but_stdio_is_open),
		rig_test(signals_are_as_at_the_beginning),
		rig_test(stdout_can_be_opened_again_by_the_user),
		rig_test(terminal_is_controlling_and_has_its_size),
		rig_test(a_process_that_dies_silently_is_noticed),
		rig_test(set_up_that_takes_too_long_is_ended),
		rig_test(cancel_at_any_point_leaves_nothing),
		rig_test(a_failed_start_leaves_nothing),
		rig_test(a_cgroup_is_never_shared),
		rig_test(exec_joins_what_init_has),
		rig_test(containers_of_a_pod_share_namespaces),
		rig_test(a_set_up_process_dies_with_the_agent),
		rig_test(exec_beside_a_dead_init_is_refused),
		rig_test(a_user_namespace_fd_is_refused),
	};

	rig_run_tests(tests, ARRAY_SIZE(tests));
}
