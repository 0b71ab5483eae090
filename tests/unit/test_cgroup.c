/* SPDX-License-Identifier: Apache-2.0 */
/* On the machine's cgroup v2 hierarchy, below a directory of its own. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"
#include "linux/cgroup.h"

static int root_fd = -1;
static char pod[40], path[64];

static int64_t soon(void)
{
	return clock_now_ns() + 10 * NS_PER_S;
}

static int set_up(void **state)
{
	static const char *const roots[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(roots) && root_fd < 0; i++)
		root_fd = cgroup_open_root(roots[i], NULL);
	snprintf(pod, sizeof(pod), "test-cgroup-%d", (int)getpid());
	snprintf(path, sizeof(path), "/%s/c", pod);
	if (root_fd < 0 || mkdirat(root_fd, pod, 0755) < 0) {
		printf("skipped: no cgroup v2 that can be written to\n");
		fflush(stdout);
		_exit(77);
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return cgroup_remove(root_fd, pod, soon(), NULL);
}

/* A child in the cgroup, and one of its own. */
static pid_t start_members(int cgroup_fd)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (cgroup_join(cgroup_fd) < 0)
			_exit(1);
		if (fork() >= 0 && write(ready[1], "x", 1) == 1)
			pause();
		_exit(2);
	}
	close(ready[1]);
	/* One byte from each. */
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

/* As a container makes them, without controllers (which would keep processes out of those above).
 */
static int make_below(int cgroup_fd, const char *const *names, size_t n)
{
	auto_fd int at = openat(cgroup_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; i < n; i++) {
		int below;

		assert_int_equal(mkdirat(at, names[i], 0755), 0);
		below = openat(at, names[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(below >= 0);
		close_fd(at);
		at = below;
	}
	return take_fd(&at);
}

static int wait_status(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void paths_must_be_plain(void **state)
{
	static const char *const rows[] = {"", "/", "..", "/a/../b", "a/.", "/../x"};
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		err = (struct err)ERR_INIT;
		assert_int_equal(cgroup_create(root_fd, rows[i], &err), -EINVAL);
		assert_int_equal(cgroup_open(root_fd, rows[i]), -EINVAL);
		err = (struct err)ERR_INIT;
		assert_int_equal(cgroup_remove(root_fd, rows[i], soon(), &err), -EINVAL);
	}
	assert_int_equal(cgroup_open(root_fd, "no/such"), -ENOENT);
	err = (struct err)ERR_INIT;
	assert_int_equal(cgroup_open_root("/tmp", &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "/tmp is not a cgroup v2"));
}

static void a_cgroup_in_use_is_refused_and_an_empty_one_replaced(void **state)
{
	auto_fd int first = cgroup_create(root_fd, path, NULL), second = -1;
	struct err err = ERR_INIT;
	struct stat a, b;
	bool populated;
	pid_t pid;

	(void)state;
	assert_true(first >= 0);
	assert_int_equal(fstat(first, &a), 0);
	second = cgroup_create(root_fd, path, NULL);
	assert_true(second >= 0);
	assert_int_equal(fstat(second, &b), 0);
	assert_int_not_equal(a.st_ino, b.st_ino);
	pid = start_members(second);
	assert_int_equal(cgroup_is_populated(second, &populated), 0);
	assert_true(populated);
	assert_int_equal(cgroup_create(root_fd, path, &err), -EEXIST);
	assert_non_null(strstr(err.msg, "in use"));
	assert_int_equal(cgroup_remove(root_fd, path, soon(), NULL), 0);
	assert_int_equal(WTERMSIG(wait_status(pid)), SIGKILL);
	assert_int_equal(cgroup_open(root_fd, path), -ENOENT);
	assert_int_equal(cgroup_remove(root_fd, path, soon(), NULL), 0);
}

static void signals_reach_all_of_it(void **state)
{
	auto_fd int fd = cgroup_create(root_fd, path, NULL), below = -1;
	pid_t pid, inner;

	(void)state;
	assert_true(fd >= 0);
	below = make_below(fd, (const char *const[]){"made", "inside"}, 2);
	pid = start_members(fd);
	inner = start_members(below);
	assert_int_equal(cgroup_signal(fd, SIGTERM), 0);
	assert_int_equal(WTERMSIG(wait_status(pid)), SIGTERM);
	assert_int_equal(WTERMSIG(wait_status(inner)), SIGTERM);
	inner = start_members(below);
	assert_int_equal(cgroup_signal(fd, 0), 0);
	assert_int_equal(waitpid(inner, NULL, WNOHANG), 0);
	assert_int_equal(cgroup_signal(fd, SIGKILL), 0);
	assert_int_equal(WTERMSIG(wait_status(inner)), SIGKILL);
	assert_int_equal(cgroup_remove(root_fd, path, soon(), NULL), 0);
}

static void a_paused_cgroup_stays_paused(void **state)
{
	auto_fd int fd = cgroup_create(root_fd, path, NULL);
	auto_buf struct buf b = BUF_INIT;
	pid_t pid;

	(void)state;
	assert_true(fd >= 0);
	pid = start_members(fd);
	assert_int_equal(io_write_file(fd, "cgroup.freeze", "1"), 0);
	assert_int_equal(cgroup_signal(fd, SIGTERM), 0);
	assert_int_equal(io_read_file(fd, "cgroup.freeze", 16, &b), 0);
	assert_string_equal(buf_str(&b), "1\n");
	assert_int_equal(io_write_file(fd, "cgroup.freeze", "0"), 0);
	assert_int_equal(WTERMSIG(wait_status(pid)), SIGTERM);
	assert_int_equal(cgroup_remove(root_fd, path, soon(), NULL), 0);
}

/* A container may make cgroups below its own, full ones too. */
static void removing_takes_what_is_below(void **state)
{
	auto_fd int fd = cgroup_create(root_fd, path, NULL), below = -1;
	pid_t pid;

	(void)state;
	assert_true(fd >= 0);
	below = make_below(fd, (const char *const[]){"a", "b", "c", "d"}, 4);
	pid = start_members(below);
	assert_int_equal(cgroup_remove(root_fd, path, soon(), NULL), 0);
	assert_int_equal(WTERMSIG(wait_status(pid)), SIGKILL);
	assert_int_equal(cgroup_open(root_fd, path), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_must_be_plain),
		cmocka_unit_test(a_cgroup_in_use_is_refused_and_an_empty_one_replaced),
		cmocka_unit_test(signals_reach_all_of_it),
		cmocka_unit_test(a_paused_cgroup_stays_paused),
		cmocka_unit_test(removing_takes_what_is_below),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
