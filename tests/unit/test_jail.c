/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "linux/jail.h"

/* Stages cannot be undone, so each test is a child; it says by its exit status which check failed.
 */
typedef int child_fn(void);

#define CHECK(condition)                        \
	do {                                    \
		if (!(condition))               \
			return __LINE__ & 0xff; \
	} while (0)

static int run(child_fn *fn)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void assert_ok(child_fn *fn)
{
	int status = run(fn);

	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("line %d (mod 256), signal %d",
			WIFEXITED(status) ? WEXITSTATUS(status) : 0,
			WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

static const struct jail_identity nobody = {.uid = 65534, .gid = 65534, .death_signal = SIGTERM};

static int keep_three(void)
{
	const struct jail_limits limits = {.n_files = 40};
	struct rlimit limit;
	struct stat st;
	int fds[30];

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = fcntl(0, F_DUPFD, 100 + (int)i * 3);
	CHECK(fds[29] >= 187);
	CHECK(jail_keep_fds((const int[]){fds[20], fds[3], fds[4]}, 3, &limits, NULL) == 0);
	for (int fd = 3; fd < 400; fd++) {
		bool kept = fd == fds[20] || fd == fds[3] || fd == fds[4];

		CHECK((fstat(fd, &st) == 0) == kept);
	}
	CHECK(fstat(0, &st) == 0 && fstat(1, &st) == 0 && fstat(2, &st) == 0);
	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max == 40 &&
		limit.rlim_cur == 40);
	CHECK(getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max == 0);
	CHECK(getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_max == 0);
	return 0;
}

static int keep_none(void)
{
	const struct jail_limits limits = {.n_files = UINT32_MAX};
	struct rlimit before, after;
	struct stat st;

	CHECK(dup2(0, 3) == 3 && dup2(0, 500) == 500);
	CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
	CHECK(jail_keep_fds(NULL, 0, &limits, NULL) == 0);
	CHECK(fstat(3, &st) < 0 && fstat(500, &st) < 0 && fstat(2, &st) == 0);
	/* A limit that cannot be had is the one that can. */
	CHECK(getrlimit(RLIMIT_NOFILE, &after) == 0);
	CHECK(after.rlim_max == (before.rlim_max < UINT32_MAX ? before.rlim_max : UINT32_MAX));
	return 0;
}

static int keep_stderr_file(void)
{
	int fd = memfd_create("log", 0);

	CHECK(dup2(fd, 2) == 2);
	CHECK(jail_keep_fds(NULL, 0, &(struct jail_limits){.n_files = 9}, NULL) == 0);
	CHECK(write(2, "x", 1) == 1);
	return 0;
}

static void only_the_given_files_stay_open(void **state)
{
	(void)state;
	assert_ok(keep_three);
	assert_ok(keep_none);
	assert_ok(keep_stderr_file);
}

static ino_t ns_inode(const char *name)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	return stat(path, &st) == 0 ? st.st_ino : 0;
}

static int enter_namespaces(void)
{
	static const char *const names[] = {"net", "ipc", "uts", "cgroup", "pid_for_children"};
	ino_t before[ARRAY_SIZE(names)];
	int status = -1;
	pid_t pid;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		before[i] = ns_inode(names[i]);
	CHECK(jail_unshare(NULL) == 0);
	pid = fork();
	if (pid == 0)
		_exit(getpid() == 1 ? 0 : 1);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		CHECK(ns_inode(names[i]) != before[i] && before[i] != 0);
	return 0;
}

static void namespaces_are_new(void **state)
{
	(void)state;
	assert_ok(enter_namespaces);
}

static unsigned count_entries(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *e;
	unsigned n = 0;

	while (dir && (e = readdir(dir)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			n++;
	if (dir)
		closedir(dir);
	return n;
}

static int lose_root(void)
{
	struct stat root, dot;

	CHECK(jail_change_root(-1, NULL) == 0);
	CHECK(stat("/", &root) == 0 && stat(".", &dot) == 0 && root.st_ino == dot.st_ino);
	CHECK(count_entries("/") == 0);
	CHECK(stat("/..", &dot) == 0 && dot.st_ino == root.st_ino && dot.st_dev == root.st_dev);
	CHECK(mkdir("/x", 0700) < 0 && errno == EROFS);
	CHECK(open("/x", O_WRONLY | O_CREAT, 0600) < 0 && errno == EROFS);
	return 0;
}

static char dir[32];

static int listen_in(const char *name)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s", dir, name);
	if (fchmod(fd, 0600) < 0 || bind(fd, (void *)&a, sizeof(a)) < 0 || listen(fd, 5) < 0)
		return -1;
	return fd;
}

static int connect_to(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	return connect(fd, (void *)&a, sizeof(a)) < 0 ? -errno : 0;
}

/* Everything at once, as vsockd's second process does it: no rights, but the owner's sockets. */
static int live_in_directory(void)
{
	int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	CHECK(dir_fd >= 0);
	CHECK(jail_change_root(dir_fd, NULL) == 0);
	CHECK(jail_drop_privileges(
		      &(struct jail_identity){.uid = 0, .gid = 0, .death_signal = SIGTERM}, NULL) ==
		0);
	CHECK(jail_restrict_files(NULL) >= 0);
	CHECK(connect_to("/there") == 0);
	CHECK(connect_to("/absent") == -ENOENT);
	/* A symlink leads nowhere but inside. */
	CHECK(connect_to("/out") == -ENOENT);
	CHECK(connect_to("/../../there") == 0);
	/* What is mounted below is not seen, and nothing can be changed. */
	CHECK(connect_to("/sub/hidden") == -ENOENT);
	CHECK(unlink("/there") < 0);
	CHECK(open("/file", O_WRONLY) < 0);
	return 0;
}

static void the_root_is_empty(void **state)
{
	(void)state;
	assert_ok(lose_root);
}

static void a_directory_can_be_the_root(void **state)
{
	char path[80];
	int fd;

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/kihon-jail-XXXXXX");
	assert_non_null(mkdtemp(dir));
	fd = listen_in("there");
	assert_true(fd >= 0);
	snprintf(path, sizeof(path), "%s/out", dir);
	assert_int_equal(symlink("/run/systemd/private", path), 0);
	snprintf(path, sizeof(path), "%s/file", dir);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	snprintf(path, sizeof(path), "%s/sub", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(mount("t", path, "tmpfs", 0, "size=4k"), 0);
	{
		int hidden = listen_in("sub/hidden");
		int status = run(live_in_directory);

		close(hidden);
		assert_int_equal(umount2(path, MNT_DETACH), 0);
		if (status != 0)
			fail_msg("line %d (mod 256)", WEXITSTATUS(status));
	}
	rmdir(path);
	for (size_t i = 0; i < 3; i++) {
		static const char *const names[] = {"there", "out", "file"};

		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(dir), 0);
	close(fd);
}

static bool status_has(const char *line)
{
	char text[8192];
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return strstr(text, line);
}

static int lose_privileges(void)
{
	int death_signal = 0;

	CHECK(jail_drop_privileges(&nobody, NULL) == 0);
	CHECK(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	CHECK(prctl(PR_GET_PDEATHSIG, &death_signal, 0, 0, 0) == 0 && death_signal == SIGTERM);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	/* /proc/self is root's for a process that is not dumpable; status can be read all the same.
	 */
	CHECK(status_has("Uid:\t65534\t65534\t65534\t65534\nGid:\t65534\t65534\t65534\t65534"));
	CHECK(status_has("Groups:\t \n") || status_has("Groups:\t\n"));
	CHECK(status_has("CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n"
			 "CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\n"
			 "CapAmb:\t0000000000000000\n"));
	CHECK(setresuid(0, 0, 0) < 0 && errno == EPERM);
	CHECK(setgroups(0, NULL) < 0 && errno == EPERM);
	CHECK(unshare(CLONE_NEWNET) < 0);
	return 0;
}

static int be_root_without_rights(void)
{
	const struct jail_identity root = {.death_signal = SIGKILL};

	CHECK(jail_drop_privileges(&root, NULL) == 0);
	CHECK(status_has("CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\n"));
	CHECK(unshare(CLONE_NEWNET) < 0 && errno == EPERM);
	CHECK(mknod("/tmp/kihon-jail-dev", S_IFCHR | 0600, 0x103) < 0 && errno == EPERM);
	/* Exec as root does not give them back either. */
	if (fork() == 0) {
		execl("/bin/sh", "sh", "-c", "grep -q 'CapEff:.0000000000000000' /proc/self/status",
			NULL);
		_exit(9);
	}
	{
		int status = -1;

		CHECK(wait(&status) > 0 && status == 0);
	}
	return 0;
}

static void privileges_are_lost_for_good(void **state)
{
	(void)state;
	assert_ok(lose_privileges);
	assert_ok(be_root_without_rights);
}

static int lose_files(void)
{
	CHECK(jail_drop_privileges(&(struct jail_identity){.death_signal = SIGKILL}, NULL) == 0);
	CHECK(open("/etc/hostname", O_RDONLY) >= 0 || errno == ENOENT);
	/* Where the kernel has no Landlock there is nothing to see. */
	if (jail_restrict_files(NULL) == 0)
		return 77;
	CHECK(open("/dev/null", O_RDONLY) < 0 && errno == EACCES);
	CHECK(open("/", O_RDONLY | O_DIRECTORY) < 0 && errno == EACCES);
	CHECK(open("/tmp/kihon-jail-new", O_WRONLY | O_CREAT, 0600) < 0 && errno == EACCES);
	return 0;
}

static void landlock_takes_the_files_away(void **state)
{
	int status = run(lose_files);

	(void)state;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

static const struct jail_rule few_rules[] = {
	{.nr = SYS_getuid},
	{.nr = SYS_fcntl, .arg = 1, .mask = UINT64_MAX, .value = F_GETFL},
	{.nr = SYS_fcntl, .arg = 1, .mask = UINT64_MAX, .value = F_GETFD},
	{.nr = SYS_getuid},	 /* two lists may name the same call */
	{.nr = SYS_sigaltstack}, /* sanitizers, before a function that does not return */
	JAIL_RULES_END,
};

static int filter(void)
{
	const struct jail_rule *const lists[] = {jail_base_rules, few_rules, few_rules};

	return jail_filter(lists, ARRAY_SIZE(lists), NULL);
}

static int call_what_is_allowed(void)
{
	void *p;

	CHECK(filter() == 0);
	CHECK(getuid() == 0);
	CHECK(fcntl(0, F_GETFL) >= 0 && fcntl(0, F_GETFD) >= 0);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED && munmap(p, 4096) == 0);
	return 0;
}

static int call_something_else(void)
{
	return filter() == 0 ? (int)syscall(SYS_getppid) & 0 : 1;
}

static int call_with_other_arguments(void)
{
	return filter() == 0 ? fcntl(0, F_SETFL, 0) & 0 : 1;
}

/* The filter sees all 64 bits of an argument, the call only 32. */
static int call_with_hidden_bits(void)
{
	return filter() == 0 ? (int)syscall(SYS_fcntl, 0, F_GETFL | 1ULL << 32, 0) & 0 : 1;
}

static int map_executable_memory(void)
{
	if (filter() < 0)
		return 1;
	(void)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return 0;
}

static void the_filter_kills(void **state)
{
	static child_fn *const children[] = {call_something_else, call_with_other_arguments,
		call_with_hidden_bits, map_executable_memory};

	(void)state;
	assert_ok(call_what_is_allowed);
	for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
		int status = run(children[i]);

		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("child %zu: status 0x%x", i, status);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_given_files_stay_open),
		cmocka_unit_test(namespaces_are_new),
		cmocka_unit_test(the_root_is_empty),
		cmocka_unit_test(a_directory_can_be_the_root),
		cmocka_unit_test(privileges_are_lost_for_good),
		cmocka_unit_test(landlock_takes_the_files_away),
		cmocka_unit_test(the_filter_kills),
	};

	if (geteuid() != 0) {
		puts("needs root");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
