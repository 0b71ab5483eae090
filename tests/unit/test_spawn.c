/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/io.h"
#include "linux/procstat.h"
#include "linux/spawn.h"

enum { OUTPUT_MAX = 65536, ROLE_FAILED = 99 };

/* ---- What this program does when it is started as another role ---- */

static int show_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;
	char target[64];

	if (!dir)
		return ROLE_FAILED;
	for (int fd = 0; fd < 64; fd++) {
		char name[16];
		ssize_t n;

		(void)snprintf(name, sizeof(name), "%d", fd);
		n = readlinkat(dirfd(dir), name, target, sizeof(target) - 1);
		if (n < 0 || fd == dirfd(dir))
			continue;
		target[n] = '\0';
		target[strcspn(target, ":")] = '\0'; /* "pipe:[123]" */
		printf("%d %s\n", fd, target);
	}
	while ((e = readdir(dir)))
		if (strlen(e->d_name) > 2)
			printf("and %s\n", e->d_name);
	closedir(dir);
	return 0;
}

static int show_signals(void)
{
	struct sigaction sa;
	sigset_t mask;
	int death = 0;

	for (int signo = 1; signo < 32; signo++)
		if (sigaction(signo, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN)
			printf("%d is ignored\n", signo);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	for (int signo = 1; signo < 32; signo++)
		if (sigismember(&mask, signo))
			printf("%d is blocked\n", signo);
	prctl(PR_GET_PDEATHSIG, &death);
	printf("dies by %d\n", death);
	return 0;
}

static int show_rest(int argc, char **argv)
{
	char cwd[64];

	for (int i = 0; i < argc; i++)
		printf("arg %s\n", argv[i]);
	for (char **e = environ; *e; e++)
		printf("env %s\n", *e);
	printf("cwd %s\n", getcwd(cwd, sizeof(cwd)));
	return 0;
}

/* Neither ends by itself; the child tells that it is there. */
static int stay_with_a_child(void)
{
	if (fork() == 0 && write(STDOUT_FILENO, "x", 1) != 1)
		return ROLE_FAILED;
	for (;;)
		pause();
}

static int show_netns(void)
{
	char name[64] = "";

	return readlink("/proc/self/ns/net", name, sizeof(name) - 1) > 0 ? puts(name) < 0
									 : ROLE_FAILED;
}

static int role(int argc, char **argv)
{
	if (strcmp(argv[1], "fds") == 0)
		return show_fds();
	if (strcmp(argv[1], "signals") == 0)
		return show_signals();
	if (strcmp(argv[1], "rest") == 0)
		return show_rest(argc, argv);
	if (strcmp(argv[1], "netns") == 0)
		return show_netns();
	if (strcmp(argv[1], "exit") == 0)
		return 7;
	if (strcmp(argv[1], "parent") == 0)
		return stay_with_a_child();
	if (strcmp(argv[1], "die") == 0)
		raise(SIGTERM);
	return ROLE_FAILED;
}

/* ---- Tests ---- */

static int reap(pid_t pid)
{
	int status = -1;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void read_all(int fd, struct buf *out)
{
	for (;;) {
		uint8_t *p = buf_reserve(out, 4096);
		ssize_t n;

		assert_non_null(p);
		n = read(fd, p, 4096);
		assert_true(n >= 0 && buf_len(out) < OUTPUT_MAX);
		if (n == 0)
			return;
		buf_commit(out, (size_t)n);
	}
}

/* Starts this program as a role, to its end: its output and wait status. */
static int run_role(const char *name, struct spawn_config config, struct buf *out)
{
	const char *const argv[] = {"role", name, "third", NULL};
	struct spawn s = SPAWN_INIT;
	struct err err = ERR_INIT;
	int fds[2], status;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	config.program = "/proc/self/exe";
	config.argv = argv;
	config.output_fd = fds[1];
	assert_int_equal(spawn_start(&config, &s, &err), 0);
	close(fds[1]);
	spawn_release(&s);
	read_all(fds[0], out);
	close(fds[0]);
	status = reap(s.pid);
	spawn_fini(&s);
	return status;
}

static void only_the_listed_fds_arrive_in_order(void **state)
{
	auto_buf struct buf out = BUF_INIT;
	int full = open("/dev/full", O_RDONLY | O_CLOEXEC);
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	int stray = open("/dev/zero", O_RDONLY); /* inheritable on purpose */

	(void)state;
	assert_true(full >= 0 && zero >= 0 && stray >= 0);
	/* zero and full exchange numbers when full is 3 and zero is 4, the usual case here. */
	assert_int_equal(
		run_role("fds", (struct spawn_config){.fds = (int[]){zero, full, zero}, .n_fds = 3},
			&out),
		0);
	assert_string_equal(buf_str(&out),
		"0 /dev/null\n1 pipe\n2 pipe\n3 /dev/zero\n4 /dev/full\n5 /dev/zero\n");
	close(full);
	close(zero);
	close(stray);
}

static void closed_stdio_of_the_parent_does_not_confuse(void **state)
{
	auto_buf struct buf out = BUF_INIT;
	int saved[3], full;

	(void)state;
	fflush(stdout);
	for (int i = 0; i < 3; i++) {
		saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 10);
		close(i);
	}
	full = open("/dev/full", O_RDONLY | O_CLOEXEC);
	int r = run_role("fds", (struct spawn_config){.fds = &full, .n_fds = 1}, &out);
	close(full);
	for (int i = 0; i < 3; i++) {
		if (saved[i] >= 0) {
			dup2(saved[i], i);
			close(saved[i]);
		}
	}
	assert_int_equal(full, 0);
	assert_int_equal(r, 0);
	assert_string_equal(buf_str(&out), "0 /dev/null\n1 pipe\n2 pipe\n3 /dev/full\n");
}

static void signals_are_reset_and_parents_death_kills(void **state)
{
	auto_buf struct buf out = BUF_INIT;
	struct sigaction old_pipe;
	sigset_t set, old;
	int r;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &old);
	sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, &old_pipe);
	r = run_role("signals", (struct spawn_config){0}, &out);
	sigaction(SIGPIPE, &old_pipe, NULL);
	sigprocmask(SIG_SETMASK, &old, NULL);
	assert_int_equal(r, 0);
	assert_string_equal(buf_str(&out), "dies by 9\n");
}

static void arguments_environment_and_directory_are_the_given_ones(void **state)
{
	static const char *const envp[] = {"A=b=c", "EMPTY=", NULL};
	auto_buf struct buf out = BUF_INIT;

	(void)state;
	assert_int_equal(
		run_role("rest", (struct spawn_config){.envp = envp, .cwd = "/usr"}, &out), 0);
	assert_string_equal(
		buf_str(&out), "arg role\narg rest\narg third\nenv A=b=c\nenv EMPTY=\ncwd /usr\n");
	buf_clear(&out);
	assert_int_equal(run_role("rest", (struct spawn_config){0}, &out), 0);
	assert_string_equal(buf_str(&out), "arg role\narg rest\narg third\ncwd /\n");
}

/* Starts and releases; returns what spawn_describe_exit() says of the end. */
static struct err how_it_ended(const char *program, const char *arg, const char *cwd)
{
	const char *const argv[] = {"x", arg, NULL};
	const struct spawn_config config = {
		.program = program, .argv = argv, .output_fd = -1, .cwd = cwd};
	struct spawn s = SPAWN_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(spawn_start(&config, &s, &err), 0);
	spawn_release(&s);
	spawn_describe_exit(&s, "vmm", program, reap(s.pid), &err);
	spawn_fini(&s);
	return err;
}

static void the_end_of_a_child_is_described(void **state)
{
	struct err err;

	(void)state;
	err = how_it_ended("/nonexistent/qemu", "exit", NULL);
	assert_int_equal(err.code, ENOENT);
	assert_string_equal(err.msg, "start vmm (/nonexistent/qemu): No such file or directory");
	err = how_it_ended("/etc/passwd", "exit", NULL);
	assert_int_equal(err.code, EACCES);
	err = how_it_ended("/proc/self/exe", "exit", "/nonexistent");
	assert_int_equal(err.code, ENOENT);
	err = how_it_ended("/proc/self/exe", "exit", NULL);
	assert_int_equal(err.code, ECHILD);
	assert_string_equal(err.msg, "vmm exited with status 7");
	err = how_it_ended("/proc/self/exe", "die", NULL);
	assert_string_equal(err.msg, "vmm was killed by signal 15 (Terminated)");
}

static void nothing_runs_before_the_gate_opens(void **state)
{
	const char *const argv[] = {"x", "exit", NULL};
	struct procstat stat;
	struct spawn s = SPAWN_INIT;
	struct err err = ERR_INIT;
	int status;

	(void)state;
	assert_int_equal(spawn_start(&(struct spawn_config){.program = "/proc/self/exe",
					     .argv = argv,
					     .output_fd = -1},
				 &s, &err),
		0);
	assert_int_equal(procstat_read(s.pid, &stat), 0);
	assert_true(stat.start_time == s.start_time);
	assert_int_equal(stat.ppid, getpid());
	/* Its owner gives up: the child leaves without having run the program (which exits with 7).
	 */
	spawn_fini(&s);
	status = reap(s.pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 127);
}

static void a_pid_namespace_ends_with_its_first_process(void **state)
{
	const char *const argv[] = {"x", "parent", NULL};
	struct spawn_config config = {
		.program = "/proc/self/exe", .argv = argv, .own_pid_namespace = true};
	struct spawn s = SPAWN_INIT;
	struct err err = ERR_INIT;
	int fds[2];
	char byte;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	config.output_fd = fds[1];
	assert_int_equal(spawn_start(&config, &s, &err), 0);
	close(fds[1]);
	spawn_release(&s);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	kill(s.pid, SIGKILL);
	spawn_describe_exit(&s, "vmm", "/x", reap(s.pid), &err);
	assert_string_equal(err.msg, "vmm was killed by signal 9 (Killed)");
	/* Nobody holds the other end any more. */
	assert_int_equal(read(fds[0], &byte, 1), 0);
	close(fds[0]);
	spawn_fini(&s);
}

static void a_child_killed_at_the_gate_does_not_hurt_its_parent(void **state)
{
	const char *const argv[] = {"x", "exit", NULL};
	struct spawn s = SPAWN_INIT;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(spawn_start(&(struct spawn_config){.program = "/proc/self/exe",
					     .argv = argv,
					     .output_fd = -1},
				 &s, &err),
		0);
	kill(s.pid, SIGKILL);
	siginfo_t info;
	assert_int_equal(waitid(P_PID, (id_t)s.pid, &info, WEXITED | WNOWAIT), 0);
	spawn_release(&s);
	spawn_describe_exit(&s, "vmm", "/x", reap(s.pid), &err);
	assert_string_equal(err.msg, "vmm was killed by signal 9 (Killed)");
	spawn_fini(&s);
}

/* The child's of a network namespace by that wish, into name. */
static void netns_of_child(int netns_fd, char name[static 64])
{
	auto_buf struct buf out = BUF_INIT;

	assert_int_equal(run_role("netns", (struct spawn_config){.netns_fd = netns_fd}, &out), 0);
	(void)snprintf(name, 64, "%s", buf_str(&out));
}

static void the_network_namespace_is_the_given_one(void **state)
{
	int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), other;
	char name[3][64];

	(void)state;
	if (unshare(CLONE_NEWNET) < 0)
		skip();
	other = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	netns_of_child(0, name[0]);
	netns_of_child(SPAWN_NEW_NETNS, name[1]);
	assert_int_equal(setns(own, CLONE_NEWNET), 0);
	netns_of_child(other, name[2]);
	assert_string_equal(name[0], name[2]);
	assert_string_not_equal(name[0], name[1]);
	netns_of_child(0, name[1]);
	assert_string_not_equal(name[0], name[1]);
	close(own);
	close(other);
}

static void too_many_fds_and_bad_fds_are_refused(void **state)
{
	const char *const argv[] = {"x", "exit", NULL};
	struct spawn_config config = {.program = "/proc/self/exe", .argv = argv, .output_fd = -1};
	int fds[SPAWN_FDS_MAX + 1] = {0};
	struct spawn s = SPAWN_INIT;
	struct err err = ERR_INIT;

	(void)state;
	config.fds = fds;
	config.n_fds = SPAWN_FDS_MAX + 1;
	assert_int_equal(spawn_start(&config, &s, &err), -E2BIG);
	assert_int_equal(s.pid, 0);

	fds[0] = 1000;
	config.n_fds = 1;
	err = (struct err)ERR_INIT;
	assert_int_equal(spawn_start(&config, &s, &err), 0);
	spawn_release(&s);
	spawn_describe_exit(&s, "vmm", "/x", reap(s.pid), &err);
	assert_int_equal(err.code, EBADF);
	spawn_fini(&s);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_listed_fds_arrive_in_order),
		cmocka_unit_test(closed_stdio_of_the_parent_does_not_confuse),
		cmocka_unit_test(signals_are_reset_and_parents_death_kills),
		cmocka_unit_test(arguments_environment_and_directory_are_the_given_ones),
		cmocka_unit_test(the_end_of_a_child_is_described),
		cmocka_unit_test(nothing_runs_before_the_gate_opens),
		cmocka_unit_test(a_pid_namespace_ends_with_its_first_process),
		cmocka_unit_test(a_child_killed_at_the_gate_does_not_hurt_its_parent),
		cmocka_unit_test(the_network_namespace_is_the_given_one),
		cmocka_unit_test(too_many_fds_and_bad_fds_are_refused),
	};

	if (argc > 1)
		return role(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
