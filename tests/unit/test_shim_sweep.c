/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shim's daemon with its n-th allocation, or its n-th system call, failing, for every n that a
 * task's life reaches (tests/tools/sweep.h). The daemon is this program in a process of its own,
 * with stand-ins for QEMU and the guest (shim_fixture.h). Each time: the client has an error or a
 * container that works, within 5 seconds; the daemon lives, and Delete works; no process, directory,
 * descriptor or allocation is left. The next round is the proof that it still serves.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "runtime/undo.h"
#include "shim_fixture.h"
#include "sweep.h"
#include "wire/dial.h"
#include "wire/status.h"

enum { ANSWER_LIMIT_S = 5 };

static struct sweep sweep;
static pid_t daemon_pid;
static char socket_path[64], e1[] = "e1";

/* ---- The daemon ---- */

/* daemon RUN_ROOT EVENTS_PATH, listening on 0. */
static int run_daemon(char **argv)
{
	char path[FAKE_AGENT_SCRIPT_SIZE];
	struct cli cli = {.name_space = "default"};
	struct shim shim = {.cli = &cli, .socket_path = "/none", .run_root = argv[2]};
	struct ttrpc_server_config config = {.methods = shim_methods,
		.n_methods = shim_n_methods,
		.user = &shim,
		.unknown_service_status = WIRE_UNIMPLEMENTED};
	int fd = fcntl(0, F_DUPFD_CLOEXEC, 3);

	sweep_end_preload();
	fake_agent_script(getpid(), path);
	if (io_replace_file(AT_FDCWD, path, 0600, "speaks", strlen("speaks")) < 0 ||
		loop_new(&shim.loop) < 0 ||
		events_new(shim.loop, argv[3], "default", &shim.events) < 0 ||
		ttrpc_server_new(shim.loop, fd, &config, &shim.server) < 0)
		return 1;
	return loop_run(shim.loop) < 0;
}

static void exec_daemon(const struct fixture *f, int listen_fd)
{
	char log[64];
	int fd;

	snprintf(log, sizeof(log), "%s/log", f->dir);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(listen_fd, 0);
	dup2(fd, 2);
	execl("/proc/self/exe", "test", "daemon", f->run_root,
		f->events_address + strlen("unix://"), (char *)NULL);
	_exit(127);
}

static void connect_daemon(struct fixture *f)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", socket_path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ttrpc_client_free(f->client);
	f->client = NULL;
	assert_int_equal(ttrpc_client_new(f->shim.loop, fd, NULL, NULL, &f->client), 0);
}

static int set_up(void **state)
{
	char address[80];
	struct fixture *f;
	int listen_fd;

	if (fixture_set_up(state) < 0)
		return -1;
	f = *state;
	snprintf(socket_path, sizeof(socket_path), "%s/daemon", f->dir);
	snprintf(address, sizeof(address), "unix://%s", socket_path);
	snprintf(f->output, sizeof(f->output), "file://%s/out", f->dir);
	listen_fd = dial_listen(address, NULL);
	assert_true(listen_fd >= 0);
	sweep_begin_preload(&sweep);
	daemon_pid = fork();
	if (daemon_pid == 0)
		exec_daemon(f, listen_fd);
	sweep_end_preload();
	close(listen_fd);
	connect_daemon(f);
	return 0;
}

static int tear_down(void **state)
{
	char path[FAKE_AGENT_SCRIPT_SIZE];

	sweep_fini_test(&sweep);
	fake_agent_script(daemon_pid, path);
	unlink(path);
	/* It lives to the end. */
	assert_int_equal(waitpid(daemon_pid, NULL, WNOHANG), 0);
	kill(daemon_pid, SIGKILL);
	assert_int_equal(waitpid(daemon_pid, NULL, 0), daemon_pid);
	return fixture_tear_down(state);
}

/* ---- One life ---- */

static struct answer wait_task(struct fixture *f, char *exec_id)
{
	struct answer a;

	begin_wait(f, &a, exec_id);
	run_until(f, &a.has_come);
	return a;
}

static bool has_spoken(const struct fixture *f)
{
	auto_buf struct buf out = BUF_INIT;
	const char *path = f->output + strlen("file://");

	if (io_read_file(AT_FDCWD, path, 1 << 16, &out) < 0)
		return false;
	unlink(path);
	return strcmp(buf_str(&out), "hello\nhello\n") == 0;
}

/* 0, or which step failed. */
static int live(struct fixture *f)
{
	struct answer a;
	char *const ids[] = {e1, NULL};

	connect_daemon(f);
	if (create(f).status || start(f, NULL).status)
		return 1;
	if (exec(f, e1).status || start(f, e1).status)
		return 2;
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		if (kill_task(f, ids[i], SIGKILL).status)
			return 3;
		a = wait_task(f, ids[i]);
		if (a.status || a.exit_status != 128 + SIGKILL)
			return 4;
		if (delete_task(f, ids[i]).status)
			return 5;
	}
	return has_spoken(f) ? 0 : 6;
}

/* As containerd does after an error. */
static bool clean_up(struct fixture *f)
{
	struct answer a;

	connect_daemon(f);
	if (kill_task(f, NULL, SIGKILL).status == 0)
		(void)wait_task(f, NULL);
	a = delete_task(f, NULL);
	unlink(f->output + strlen("file://"));
	/* The Delete whose client has been lost goes on. */
	if (a.status == 0 || a.status == WIRE_NOT_FOUND || strstr(a.msg, "is being deleted"))
		return true;
	printf("Delete: %s\n", a.msg);
	return false;
}

/* ---- What is left ---- */

static bool is_on_disk(const struct fixture *f)
{
	char paths[2][160];

	snprintf(paths[0], sizeof(paths[0]), "%s/kata/c1", f->run_root);
	snprintf(paths[1], sizeof(paths[1]), "%s/kata-containers/shared/sandboxes/c1", f->run_root);
	return access(paths[0], F_OK) == 0 || access(paths[1], F_OK) == 0;
}

static struct sweep_holdings look(struct fixture *f)
{
	(void)state(f);
	return sweep_look(&sweep, daemon_pid);
}

/* What containerd calls after every Delete, `delete`, does about what the daemon could not remove
 * and has noted in the state file. */
static void undo(struct fixture *f)
{
	struct layout layout;
	struct undo u = {.layout = &layout};

	assert_int_equal(layout_init(&layout, f->run_root, "c1"), 0);
	assert_int_equal(undo_mounts(&u, NULL), 0);
	assert_int_equal(undo_files(&u, NULL), 0);
}

/* Within the limit: what was killed ends a moment later, and the last events are on their way. */
static bool is_nothing_left(struct fixture *f, const struct sweep_holdings *before)
{
	int64_t now_ns = clock_now_ns(), deadline_ns = now_ns + ANSWER_LIMIT_S * NS_PER_S;
	int64_t undo_ns = now_ns + NS_PER_S;
	struct sweep_holdings now = look(f);

	while (!sweep_is_same(&now, before) || is_on_disk(f)) {
		if (clock_now_ns() > deadline_ns) {
			sweep_print_growth(before, &now);
			return false;
		}
		assert_int_equal(loop_run_once(f->shim.loop, 20 * NS_PER_MS), 0);
		now = look(f);
		if (clock_now_ns() > undo_ns && is_on_disk(f))
			undo(f);
	}
	return true;
}

/* ---- The sweep ---- */

/* False when nothing was left to fail. */
static bool run_round(
	struct fixture *f, enum fail_kind kind, unsigned int n, struct sweep_holdings *before)
{
	int64_t from_ns = clock_now_ns();
	char text[64];
	bool struck;
	int step;

	buf_clear(&f->events);
	sweep_arm(&sweep, kind, n);
	step = live(f);
	struck = sweep_disarm(&sweep);
	if (clock_now_ns() - from_ns > ANSWER_LIMIT_S * NS_PER_S)
		sweep_found(&sweep, "took more than 5 s");
	snprintf(text, sizeof(text), "step %d failed", step);
	if (step > 0 && !struck)
		sweep_found(&sweep, text);
	if (step > 0 && !clean_up(f))
		sweep_found(&sweep, "cannot be deleted");
	if (!is_nothing_left(f, before)) {
		sweep_found(&sweep, "something is left");
		*before = look(f);
	}
	sweep_end_round(&sweep);
	return struck;
}

static void run_sweep(struct fixture *f, enum fail_kind kind)
{
	unsigned int n = sweep.first;
	struct sweep_holdings before;

	/* What is made once and kept. */
	for (int i = 0; i < 3; i++)
		assert_int_equal(live(f), 0);
	before = look(f);
	while (run_round(f, kind, n, &before))
		n += sweep.stride;
	printf("%u of %u failed, one at a time\n", (n - sweep.first) / sweep.stride, n);
	assert_int_equal(sweep.n_found, 0);
}

static void any_allocation_may_fail(void **state)
{
	run_sweep(*state, FAIL_ALLOCATION);
}

static void any_system_call_may_fail(void **state)
{
	run_sweep(*state, FAIL_CALL);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(any_allocation_may_fail, set_up, tear_down),
		cmocka_unit_test_setup_teardown(any_system_call_may_fail, set_up, tear_down),
	};
	int status;

	if (argc == 4 && strcmp(argv[1], "daemon") == 0)
		return run_daemon(argv);
	status = fixture_main(argc, argv);
	if (status >= 0)
		return status;
	sweep_init(&sweep, argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
