/* SPDX-License-Identifier: Apache-2.0 */
/* On the machine's own hierarchies, below a directory of this test's. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"
#include "linux/cgroup_freezer.h"
#include "linux/cgroup_members.h"
#include "linux/cgroup_oom.h"

/* All hierarchies of this machine, and those of v1 alone. */
static struct cgroup_layout whole, v1_only;
static const struct cgroup_layout *layout;
static char pod[40], path[64];

static int64_t soon(void)
{
	return clock_now_ns() + 10 * NS_PER_S;
}

static void skip_all(const char *why)
{
	printf("skipped: %s\n", why);
	fflush(stdout);
	_exit(77);
}

static int set_up(void **state)
{
	auto_cgroup struct cgroup c = {.layout = NULL};

	(void)state;
	if (geteuid() != 0)
		skip_all("needs root");
	if (cgroup_layout_read(&whole, NULL) < 0)
		skip_all("no cgroups here");
	for (size_t i = 0; i < whole.n_hierarchies; i++)
		if (!whole.hierarchies[i].unified)
			v1_only.hierarchies[v1_only.n_hierarchies++] = whole.hierarchies[i];
	layout = &whole;
	snprintf(pod, sizeof(pod), "test-cgroup-%d", (int)getpid());
	snprintf(path, sizeof(path), "/%s/c", pod);
	if (cgroup_create(layout, pod, &c, NULL) < 0)
		skip_all("cgroups cannot be written to");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return cgroup_remove(&whole, pod, soon(), NULL);
}

static int with_all(void **state)
{
	(void)state;
	layout = &whole;
	return 0;
}

static int with_v1(void **state)
{
	(void)state;
	layout = &v1_only;
	return 0;
}

/* The tests of v1 where there is none. */
static void need_hierarchies(void)
{
	if (layout == &whole || cgroup_layout_find(layout, CGROUP_FREEZER) >= 0)
		return;
	print_message("skipped: no cgroup v1 with a freezer here\n");
	skip();
}

static void make(const char *name, struct cgroup *ret)
{
	struct err err = ERR_INIT;

	if (cgroup_create(layout, name, ret, &err) < 0)
		fail_msg("%s", err.msg);
}

static bool is_there(const char *name)
{
	auto_cgroup struct cgroup c = {.layout = NULL};

	return cgroup_open(&whole, name, &c, NULL) == 0;
}

/* A child in the cgroup, and one of its own. */
static pid_t start_members(const struct cgroup *c)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (cgroup_join(c, false) < 0)
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

/* As a container makes them: without v2's controllers, which would keep processes out of those
 * above. */
static void make_below(const struct cgroup *c, const char *name, struct cgroup *ret)
{
	*ret = *c;
	for (size_t i = 0; i < layout->n_hierarchies; i++) {
		const struct cgroup_hierarchy *h = &layout->hierarchies[i];

		ret->fds[i] = -1;
		/* An empty cpuset takes nobody. */
		if (h->controllers & 1U << CGROUP_CPUSET)
			continue;
		assert_int_equal(mkdirat(c->fds[i], name, 0755), 0);
		ret->fds[i] = openat(c->fds[i], name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(ret->fds[i] >= 0);
	}
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
	struct cgroup c;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(cgroup_create(layout, rows[i], &c, NULL), -EINVAL);
		assert_int_equal(cgroup_open(layout, rows[i], &c, NULL), -EINVAL);
		assert_int_equal(cgroup_remove(layout, rows[i], soon(), NULL), -EINVAL);
	}
	assert_int_equal(cgroup_open(layout, "no/such", &c, NULL), -ENOENT);
}

static void what_is_no_cgroup_is_refused(void **state)
{
	struct cgroup_layout false_one = {
		.hierarchies = {{.unified = true, .mount_point = "/tmp"}}, .n_hierarchies = 1};
	struct err err = ERR_INIT;
	struct cgroup c;

	(void)state;
	assert_int_equal(cgroup_create(&false_one, path, &c, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "/tmp is not a cgroup v2"));
}

static void a_cgroup_in_use_is_refused_and_an_empty_one_replaced(void **state)
{
	struct cgroup first, second, third;
	struct err err = ERR_INIT;
	struct stat a, b;
	pid_t pid;

	(void)state;
	need_hierarchies();
	make(path, &first);
	assert_int_equal(fstat(first.fds[0], &a), 0);
	make(path, &second);
	assert_int_equal(fstat(second.fds[0], &b), 0);
	assert_int_not_equal(a.st_ino, b.st_ino);
	pid = start_members(&second);
	assert_int_equal(cgroup_create(layout, path, &third, &err), -EEXIST);
	assert_non_null(strstr(err.msg, "in use"));
	assert_int_equal(cgroup_remove(layout, path, soon(), NULL), 0);
	assert_int_equal(WTERMSIG(wait_status(pid)), SIGKILL);
	assert_false(is_there(path));
	assert_int_equal(cgroup_remove(layout, path, soon(), NULL), 0);
	cgroup_close(&first);
	cgroup_close(&second);
}

static void signals_reach_all_of_it(void **state)
{
	struct cgroup c, below;
	pid_t pid, inner;

	(void)state;
	need_hierarchies();
	make(path, &c);
	make_below(&c, "made", &below);
	pid = start_members(&c);
	inner = start_members(&below);
	assert_int_equal(cgroup_signal(&c, SIGTERM), 0);
	assert_int_equal(WTERMSIG(wait_status(pid)), SIGTERM);
	assert_int_equal(WTERMSIG(wait_status(inner)), SIGTERM);
	inner = start_members(&below);
	assert_int_equal(cgroup_signal(&c, 0), 0);
	assert_int_equal(waitpid(inner, NULL, WNOHANG), 0);
	assert_int_equal(cgroup_kill(&c), 0);
	assert_int_equal(WTERMSIG(wait_status(inner)), SIGKILL);
	assert_int_equal(cgroup_remove(layout, path, soon(), NULL), 0);
	cgroup_close(&below);
	cgroup_close(&c);
}

static void a_frozen_cgroup_stays_frozen_until_thawed(void **state)
{
	struct cgroup c;
	bool frozen = true;
	pid_t pid;

	(void)state;
	need_hierarchies();
	make(path, &c);
	pid = start_members(&c);
	assert_int_equal(cgroup_is_frozen(&c, &frozen), 0);
	assert_false(frozen);
	assert_int_equal(cgroup_freeze(&c, soon()), 0);
	assert_int_equal(cgroup_signal(&c, SIGTERM), 0);
	assert_int_equal(cgroup_is_frozen(&c, &frozen), 0);
	assert_true(frozen);
	/* v1's get the signal only now, v2's may have died of it before. */
	assert_int_equal(cgroup_thaw(&c), 0);
	assert_int_equal(WTERMSIG(wait_status(pid)), SIGTERM);
	assert_int_equal(cgroup_remove(layout, path, soon(), NULL), 0);
	cgroup_close(&c);
}

static void a_frozen_cgroup_can_be_killed_and_removed(void **state)
{
	struct cgroup c;
	bool frozen = true;
	pid_t pid;

	(void)state;
	need_hierarchies();
	make(path, &c);
	pid = start_members(&c);
	assert_int_equal(cgroup_freeze(&c, soon()), 0);
	assert_int_equal(cgroup_kill(&c), 0);
	assert_int_equal(WTERMSIG(wait_status(pid)), SIGKILL);
	assert_int_equal(cgroup_is_frozen(&c, &frozen), 0);
	assert_false(frozen);
	pid = start_members(&c);
	assert_int_equal(cgroup_freeze(&c, soon()), 0);
	assert_int_equal(cgroup_remove(layout, path, soon(), NULL), 0);
	assert_int_equal(WTERMSIG(wait_status(pid)), SIGKILL);
	assert_false(is_there(path));
	cgroup_close(&c);
}

/* A container may make cgroups below its own, full ones too. */
static void removing_takes_what_is_below(void **state)
{
	struct cgroup c, a, b;
	pid_t pid;

	(void)state;
	need_hierarchies();
	make(path, &c);
	make_below(&c, "a", &a);
	make_below(&a, "b", &b);
	pid = start_members(&b);
	assert_int_equal(cgroup_remove(layout, path, soon(), NULL), 0);
	assert_int_equal(WTERMSIG(wait_status(pid)), SIGKILL);
	assert_false(is_there(path));
	cgroup_close(&b);
	cgroup_close(&a);
	cgroup_close(&c);
}

/* One that has left v2's directory is still found in v1's. */
static void who_has_left_one_hierarchy_is_killed_too(void **state)
{
	struct cgroup c, part;
	pid_t pid;

	(void)state;
	if (v1_only.n_hierarchies == 0) {
		print_message("skipped: no cgroup v1 here\n");
		skip();
	}
	make(path, &c);
	part = c;
	part.layout = &v1_only;
	for (size_t i = 0, n = 0; i < whole.n_hierarchies; i++)
		if (!whole.hierarchies[i].unified)
			part.fds[n++] = c.fds[i];
	pid = start_members(&part);
	assert_int_equal(cgroup_remove(layout, path, soon(), NULL), 0);
	assert_int_equal(WTERMSIG(wait_status(pid)), SIGKILL);
	assert_false(is_there(path));
	cgroup_close(&c);
}

static void oom_kills_are_told(void **state)
{
	struct cgroup_oom oom;
	bool grown = true, unified;
	struct cgroup c;
	int fd, r, status;
	pid_t pid;

	(void)state;
	need_hierarchies();
	make(path, &c);
	fd = cgroup_fd_of(&c, CGROUP_MEMORY, &unified);
	r = cgroup_oom_open(&c, &oom);
	if (r == -EOPNOTSUPP || (unified && faccessat(fd, "memory.max", F_OK, 0) < 0)) {
		assert_int_equal(cgroup_remove(layout, path, soon(), NULL), 0);
		cgroup_close(&c);
		print_message("skipped: no memory controller for our cgroups\n");
		skip();
	}
	assert_int_equal(r, 0);
	assert_int_equal(cgroup_oom_check(&oom, &grown), 0);
	assert_false(grown);
	assert_int_equal(
		io_write_file(fd, unified ? "memory.max" : "memory.limit_in_bytes", "8388608"), 0);
	(void)!io_write_file(fd, "memory.swap.max", "0");
	pid = fork();
	if (pid == 0) {
		volatile char *p = MAP_FAILED;

		if (cgroup_join(&c, false) == 0)
			p = mmap(NULL, 32 << 20, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		for (size_t i = 0; p != MAP_FAILED && i < 32 << 20; i += 4096)
			p[i] = 1;
		_exit(0);
	}
	assert_int_equal(poll(&(struct pollfd){.fd = oom.fd,
				      .events = oom.events == EPOLLIN ? POLLIN : POLLPRI},
				 1, 10000),
		1);
	status = wait_status(pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(cgroup_oom_check(&oom, &grown), 0);
	assert_true(grown);
	assert_int_equal(cgroup_oom_check(&oom, &grown), 0);
	assert_false(grown);
	assert_int_equal(cgroup_remove(layout, path, soon(), NULL), 0);
	assert_int_equal(cgroup_oom_check(&oom, &grown), -ENODEV);
	cgroup_oom_close(&oom);
	cgroup_close(&c);
}

#define BOTH(name)                                       \
	{#name " (all)", name, with_all, NULL, NULL},    \
	{                                                \
#name " (v1)", name, with_v1, NULL, NULL \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(paths_must_be_plain, with_all),
		cmocka_unit_test_setup(what_is_no_cgroup_is_refused, with_all),
		cmocka_unit_test_setup(who_has_left_one_hierarchy_is_killed_too, with_all),
		BOTH(a_cgroup_in_use_is_refused_and_an_empty_one_replaced),
		BOTH(signals_reach_all_of_it),
		BOTH(a_frozen_cgroup_stays_frozen_until_thawed),
		BOTH(a_frozen_cgroup_can_be_killed_and_removed),
		BOTH(removing_takes_what_is_below),
		BOTH(oom_kills_are_told),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
