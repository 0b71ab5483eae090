/* SPDX-License-Identifier: Apache-2.0 */
/* kata-agent-ctl's processes whose streams are its own, and its shell. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "ctl.h"

static char bundle[PATH_SIZE], bundle_word[PATH_SIZE + 8];

static int set_up(void **state)
{
	const struct fixture *f;

	if (fixture_set_up(state) < 0)
		return -1;
	f = *state;
	snprintf(bundle, sizeof(bundle), "%.32s/bundle", f->dir);
	snprintf(bundle_word, sizeof(bundle_word), "bundle=%s", bundle);
	ctl_write_bundle(f, bundle, "cat; echo to stderr >&2; exit 7");
	ctl_call(f, "--quiet", "CreateSandbox", "sid=pod");
	ctl_expect(0, "", "");
	return 0;
}

static void a_container_has_our_standard_streams(void **state)
{
	struct fixture *f = *state;

	ctl_run_with_input(f, "two\nlines\n",
		(const char *const[]){
			"--server-address", f->address, "run", "cid=one", bundle_word, NULL});
	ctl_expect(7, "two\nlines\n", "to stderr\n");
	/* It is gone; and nothing is read of an input that is at its end. */
	ctl_call(f, "run", "cid=one", bundle_word, "--", "sh", "-c", "wc -c; exit 0");
	ctl_expect(0, "0\n", "");
}

static void a_lot_goes_in_and_out(void **state)
{
	struct fixture *f = *state;
	static char text[300001];

	memset(text, 'x', sizeof(text) - 1);
	ctl_run_with_input(f, text,
		(const char *const[]){"--server-address", f->address, "run", "cid=one", bundle_word,
			"--", "sh", "-c",
			"wc -c; head -c 10000 /dev/zero | tr '\\0' y; "
			"head -c 3000 /dev/zero | tr '\\0' z >&2",
			NULL});
	assert_int_equal(ctl_last.status, 0);
	assert_int_equal(strncmp(ctl_last.out, "300000\n", 7), 0);
	assert_int_equal(strspn(ctl_last.out + 7, "y"), 10000);
	assert_int_equal(strspn(ctl_last.err, "z"), 3000);
}

static void what_cannot_be_run_leaves_nothing(void **state)
{
	struct fixture *f = *state;

	ctl_call(f, "run", "cid=one", bundle_word, "--", "/no/such/program");
	assert_int_equal(ctl_last.status, 1);
	assert_non_null(strstr(ctl_last.err, "/no/such/program"));
	ctl_call(f, "run", "cid=one", bundle_word, "--", "true");
	ctl_expect(0, "", "");
	ctl_call(f, "run", "cid=one");
	assert_int_equal(ctl_last.status, 2);
	assert_non_null(strstr(ctl_last.err, "run: no process: bundle=DIR"));
	ctl_call(f, "run", "cid=one", bundle_word, "terminal=maybe");
	assert_int_equal(ctl_last.status, 2);
	assert_non_null(strstr(ctl_last.err, "terminal=maybe: neither true nor false"));
	ctl_call(f, "exec", "cid=nobody", "--", "true");
	assert_int_equal(ctl_last.status, 1);
	assert_non_null(strstr(ctl_last.err, "kata-agent-ctl: ExecProcess: "));
}

static void exec_has_them_too(void **state)
{
	struct fixture *f = *state;

	run_container(f, "one", "sleep 1000");
	ctl_run_with_input(f, "typed\n",
		(const char *const[]){"--server-address", f->address, "exec", "cid=one", "--", "sh",
			"-c", "read line; echo $line; echo $PATH >&2; exit 3", NULL});
	ctl_expect(3, "typed\n", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n");
	ctl_call(f, "exec", "cid=one");
	assert_int_equal(ctl_last.status, 2);
	assert_non_null(strstr(ctl_last.err, "exec: no program: -- PROGRAM"));
	assert_int_equal(signal_process(f, "one", "", SIGKILL, NULL), 0);
	assert_int_equal(wait_process(f, "one", ""), 137);
	assert_int_equal(remove_container(f, "one"), 0);
}

static void a_terminal_is_raw_and_has_our_size(void **state)
{
	static const char *const steps[] = {"expect:# ", "send:stty size\\r", "expect:30 90",
		"resize:40,100", "send:stty size\\r", "expect:40 100",
		/* ^C is the container's, and a reader of it goes on. */
		"send:sh -c 'echo started; exec sleep 1000'\\r", "expect:started\\r\\n",
		"send:\\x03", "expect:# ", "send:exit 5\\r", NULL};
	struct fixture *f = *state;

	ctl_run_on_terminal(f, steps,
		(const char *const[]){"--server-address", f->address, "run", "cid=one", bundle_word,
			"terminal=true", "--", "sh", NULL});
	if (ctl_last.status != 5)
		fail_msg("status %d:\n%s\n%s", ctl_last.status, ctl_last.err, ctl_last.out);
}

static pid_t start_tool(const struct fixture *f, int out_fd, const char *script)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	dup2(out_fd, STDOUT_FILENO);
	execl(AGENT_CTL, "kata-agent-ctl", "--server-address", f->address, "run", "cid=one",
		bundle_word, "--", "sh", "-c", script, (char *)NULL);
	_exit(127);
}

static int wait_for_tool(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void signals_are_passed_on(void **state)
{
	struct fixture *f = *state;
	char byte;
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = start_tool(
		f, fds[1], "trap 'echo t; n=1' TERM; echo r; while :; do sleep 0.01; done");
	assert_int_equal(read(fds[0], &byte, 1), 1);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	assert_int_equal(byte, 't');
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	assert_int_equal(byte, 't');
	/* The third is KILL. */
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(wait_for_tool(pid), 128 + SIGKILL);
	close(fds[0]);
	close(fds[1]);
}

static void output_that_nobody_reads_ends_the_container(void **state)
{
	struct fixture *f = *state;
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = start_tool(f, fds[1], "while echo y; do :; done");
	close(fds[1]);
	close(fds[0]);
	assert_int_equal(wait_for_tool(pid), 1);
	/* Removed, not merely left. */
	ctl_call(f, "run", "cid=one", bundle_word, "--", "true");
	ctl_expect(0, "", "");
}

static void the_shell_reads_lines(void **state)
{
	struct fixture *f = *state;

	ctl_run_with_input(f,
		"# a comment\n\necho one two\nChekc\nrepeat 2\n  Check\nhelp exec\nquit\necho no\n",
		(const char *const[]){"--server-address", f->address, "-i", NULL});
	assert_int_equal(ctl_last.status, 1);
	assert_string_equal(
		ctl_last.err, "kata-agent-ctl: unknown command \"Chekc\": \"list\" names all\n");
	assert_int_equal(
		strncmp(ctl_last.out, "one two\nCheck:\n  status: SERVING\nCheck:\n", 40), 0);
	assert_non_null(strstr(ctl_last.out, "\nexec [NAME=VALUE...] [-- PROGRAM"));
	assert_null(strstr(ctl_last.out, "\nno\n"));
}

static void the_shell_edits_completes_and_remembers(void **state)
{
	static const char *const steps[] = {"expect:agent> ",
		/* A command's name, and one that several begin with. */
		"send:Chec\\t\\r", "expect:SERVING", "expect:agent> ", "send:Read\\t\\t",
		"expect:ReadStderr", "expect:ReadStdout", "send:\\x03",
		"send:GetGu\\tmem_b\\tt\\t\\r", "expect:lock_size=", "expect:extra_features",
		"expect:agent> ",
		/* The line before, by the cursor key. */
		"send:\\x1b[A\\r", "expect:extra_features", "expect:agent> ",
		/* A call that waits is left by ^C. */
		"send:GetOOMEvent\\r", "expect:waiting for GetOOMEvent", "send:\\x03",
		"expect:interrupted", "expect:agent> ", "send:help ReadStdout\\r",
		"expect:container_id", "expect:agent> ", "send:quit\\r", NULL};
	struct fixture *f = *state;

	/* libedit keeps the name of a function that is added to it for ever. */
	assert_int_equal(setenv("LSAN_OPTIONS", "detect_leaks=0", 1), 0);
	ctl_run_on_terminal(f, steps,
		(const char *const[]){"connect", "--server-address", f->address, "-i", NULL});
	assert_int_equal(unsetenv("LSAN_OPTIONS"), 0);
	if (ctl_last.status != 0)
		fail_msg("status %d:\n%s\n%s", ctl_last.status, ctl_last.err, ctl_last.out);
}

static bool copy_once(int from, int to)
{
	char bytes[4096];
	ssize_t n = read(from, bytes, sizeof(bytes));

	return n > 0 && io_write_full(to, bytes, (size_t)n) == 0;
}

/* Hangs up on the first request, and lets the next connection through. */
static _Noreturn void serve_twice(const struct fixture *f, int listener)
{
	char request[256];
	int fd = accept(listener, NULL, NULL), agent = fixture_socket(f);
	struct pollfd fds[2];

	if (read(fd, request, sizeof(request)) <= 0)
		_exit(1);
	close(fd);
	fd = accept(listener, NULL, NULL);
	fds[0] = (struct pollfd){.fd = fd, .events = POLLIN};
	fds[1] = (struct pollfd){.fd = agent, .events = POLLIN};
	while (poll(fds, 2, -1) > 0) {
		if (fds[0].revents && !copy_once(fd, agent))
			break;
		if (fds[1].revents && !copy_once(agent, fd))
			break;
	}
	_exit(0);
}

static void the_shell_connects_again(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char text[PATH_SIZE];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	snprintf(address.sun_path, sizeof(address.sun_path), "%.32s/peer", f->dir);
	snprintf(text, sizeof(text), "unix://%.64s", address.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 8), 0);
	pid = fork();
	if (pid == 0)
		serve_twice(f, fd);
	close(fd);
	ctl_run_with_input(
		f, "Check\nCheck\n", (const char *const[]){"--server-address", text, "-i", NULL});
	assert_int_equal(ctl_last.status, 1);
	assert_string_equal(ctl_last.out, "Check:\n  status: SERVING\n");
	assert_non_null(strstr(ctl_last.err, "kata-agent-ctl: Check: "));
	assert_int_equal(wait_for_tool(pid), 0);
	assert_int_equal(unlink(address.sun_path), 0);
}

#define joined_test(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		joined_test(a_container_has_our_standard_streams),
		joined_test(a_lot_goes_in_and_out),
		joined_test(what_cannot_be_run_leaves_nothing),
		joined_test(exec_has_them_too),
		joined_test(a_terminal_is_raw_and_has_our_size),
		joined_test(signals_are_passed_on),
		joined_test(output_that_nobody_reads_ends_the_container),
		joined_test(the_shell_reads_lines),
		joined_test(the_shell_edits_completes_and_remembers),
		joined_test(the_shell_connects_again),
	};

	unsetenv("KATA_AGENT_SERVER_ADDR");
	fixture_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
