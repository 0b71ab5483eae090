/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shim's commands `start` and `delete`, and the daemon's own start, with the n-th allocation or
 * system call failing (tests/tools/sweep.h). A `start` that fails leaves no daemon and no socket,
 * for containerd does not call `delete` then; a `delete` that fails can be called again.
 *
 * /run is a tmpfs of the test's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "shim/address.h"
#include "shim_fixture.h"
#include "sweep.h"

enum { COMMAND_LIMIT_S = 5 };

static struct sweep sweep;
static char self[128];

static void exec_command(const struct fixture *f, const char *verb)
{
	char log[64];
	int null_fd = open("/dev/null", O_RDWR), fd;

	snprintf(log, sizeof(log), "%s/log", f->dir);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(null_fd, 0);
	dup2(null_fd, 1);
	dup2(fd, 2);
	if (chdir(f->bundle) == 0)
		execl(SHIM, SHIM, "-namespace", "default", "-id", "c1", "-address", "/none",
			"-publish-binary", "/none", "-bundle", f->bundle, verb, (char *)NULL);
	_exit(127);
}

/* Its exit status. */
static int run_command(const struct fixture *f, const char *verb)
{
	int64_t from_ns = clock_now_ns();
	pid_t pid = fork();
	int status;

	if (pid == 0)
		exec_command(f, verb);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (clock_now_ns() - from_ns > COMMAND_LIMIT_S * NS_PER_S)
		sweep_found(&sweep, "took more than 5 s");
	if (!WIFEXITED(status))
		sweep_found(&sweep, "ended by a signal");
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- What is left ---- */

static size_t n_files;

static int count_file(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)at;
	if (type == FTW_D || type == FTW_DP)
		return 0;
	printf("left: %s\n", path);
	n_files++;
	return 0;
}

/* A child that ends gets its moment for it. */
static bool has_child(void)
{
	int64_t deadline_ns = clock_now_ns() + COMMAND_LIMIT_S * NS_PER_S;
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0) {
		if (pid == 0 && clock_now_ns() > deadline_ns)
			return true;
		if (pid == 0)
			usleep(2000);
	}
	return false;
}

static void check_nothing_left(void)
{
	n_files = 0;
	assert_int_equal(nftw("/run", count_file, 16, FTW_PHYS), 0);
	if (n_files > 0)
		sweep_found(&sweep, "files are left");
	if (has_child())
		sweep_found(&sweep, "a daemon is left");
}

/* The daemon, which has become our child; what it has started dies with it. */
static void kill_children(void)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	f = fopen(path, "re");
	assert_non_null(f);
	for (int pid; fscanf(f, "%d", &pid) == 1;)
		kill(pid, SIGKILL);
	(void)fclose(f);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

/* ---- Rounds ---- */

static bool connect_daemon(struct fixture *f)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ttrpc_client_free(f->client);
	f->client = NULL;
	address_of("/none", "default", "c1", addr.sun_path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		close(fd);
		return false;
	}
	assert_int_equal(ttrpc_client_new(f->shim.loop, fd, NULL, NULL, &f->client), 0);
	return true;
}

/* One that serves. */
static bool begin_daemon(struct fixture *f)
{
	if (run_command(f, "start") != 0) {
		(void)sweep_disarm(&sweep);
		check_nothing_left();
		return false;
	}
	return connect_daemon(f) && strstr(state(f).msg, "c1");
}

static bool start_round(struct fixture *f, enum fail_kind kind, unsigned int n)
{
	bool works, struck;

	sweep_arm(&sweep, kind, n);
	works = begin_daemon(f);
	struck = sweep_disarm(&sweep);
	if (!works && !struck)
		sweep_found(&sweep, "the start failed");
	kill_children();
	if (run_command(f, "delete") != 0)
		sweep_found(&sweep, "cannot be deleted");
	check_nothing_left();
	sweep_end_round(&sweep);
	return struck;
}

/* A Create that waits for its guest, and a daemon that is killed then. */
static void leave_sandbox(struct fixture *f)
{
	auto_buf struct buf text = BUF_INIT;
	struct answer a;

	assert_true(begin_daemon(f));
	begin_create(f, &a);
	while (!strstr(buf_str(&text), "\"qemu\"")) {
		assert_int_equal(loop_run_once(f->shim.loop, 5 * NS_PER_MS), 0);
		assert_false(a.has_come);
		buf_clear(&text);
		(void)!io_read_file(AT_FDCWD, "/run/kata/c1/state.json", 1 << 16, &text);
	}
	ttrpc_client_free(f->client);
	f->client = NULL;
	kill_children();
}

static bool delete_round(struct fixture *f, enum fail_kind kind, unsigned int n)
{
	bool struck;

	leave_sandbox(f);
	sweep_arm(&sweep, kind, n);
	(void)run_command(f, "delete");
	struck = sweep_disarm(&sweep);
	if (struck && run_command(f, "delete") != 0)
		sweep_found(&sweep, "cannot be deleted");
	check_nothing_left();
	sweep_end_round(&sweep);
	return struck;
}

static void run_sweep(struct fixture *f,
	bool (*round)(struct fixture *, enum fail_kind, unsigned int), enum fail_kind kind)
{
	unsigned int n = sweep.first;

	sweep.n_found = 0;
	while (round(f, kind, n))
		n += sweep.stride;
	printf("%u of %u failed, one at a time\n", (n - sweep.first) / sweep.stride, n);
	assert_int_equal(sweep.n_found, 0);
}

static void any_allocation_of_start_may_fail(void **state)
{
	run_sweep(*state, start_round, FAIL_ALLOCATION);
}

static void any_system_call_of_start_may_fail(void **state)
{
	run_sweep(*state, start_round, FAIL_CALL);
}

static void any_allocation_of_delete_may_fail(void **state)
{
	run_sweep(*state, delete_round, FAIL_ALLOCATION);
}

static void any_system_call_of_delete_may_fail(void **state)
{
	run_sweep(*state, delete_round, FAIL_CALL);
}

/* ---- The fixture ---- */

/* This program plays QEMU, silent, and virtiofsd. */
static void configure_self(struct fixture *f)
{
	auto_buf struct buf b = BUF_INIT;

	assert_int_equal(
		buf_printf(&b,
			"[hypervisor.qemu]\npath = \"%s\"\nkernel = \"%s\"\n"
			"initrd = \"%s\"\nvirtio_fs_daemon = \"%s\"\n"
			"kernel_params = \"silent\"\n[runtime]\nhypervisor_name = \"qemu\"\n",
			self, self, self, self),
		0);
	write_file(f->config, "", buf_str(&b));
}

static int set_up(void **state)
{
	if (fixture_set_up(state) < 0)
		return -1;
	configure_self(*state);
	sweep_begin_preload(&sweep);
	return 0;
}

static int tear_down(void **state)
{
	sweep_fini_test(&sweep);
	sweep_end_preload();
	kill_children();
	return fixture_tear_down(state);
}

#define sweep_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		sweep_test(any_allocation_of_start_may_fail),
		sweep_test(any_system_call_of_start_may_fail),
		sweep_test(any_allocation_of_delete_may_fail),
		sweep_test(any_system_call_of_delete_may_fail),
	};
	int status = fixture_main(argc, argv);
	ssize_t n;

	if (status >= 0)
		return status;
	sweep_init(&sweep, argc, argv);
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n <= 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 ||
		mount("tmpfs", "/run", "tmpfs", 0, "mode=0755") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
