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
#include <sys/stat.h>
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
static char socket_path[64], stdin_path[64], e1[] = "e1", c2[] = "c2";

/* ---- The daemon ---- */

/* daemon RUN_ROOT EVENTS_PATH, listening on 0. */
static int run_daemon(char **argv)
{
	static const char script[] = "speaks listens";
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
	if (io_replace_file(AT_FDCWD, path, 0600, script, strlen(script)) < 0 ||
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
	snprintf(stdin_path, sizeof(stdin_path), "%s/in", f->dir);
	assert_int_equal(mkfifo(stdin_path, 0600), 0);
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

/* "hello", n times. */
static bool has_spoken(const struct fixture *f, size_t n)
{
	auto_buf struct buf out = BUF_INIT;
	const char *path = f->output + strlen("file://");

	if (io_read_file(AT_FDCWD, path, 1 << 16, &out) < 0)
		return false;
	unlink(path);
	return buf_len(&out) == 6 * n &&
	       strncmp(buf_str(&out), "hello\nhello\nhello\n", 6 * n) == 0;
}

/* It is there, it ends as it is told to, and goes. */
static bool end_task(struct fixture *f, char *exec_id)
{
	struct answer a;

	if (kill_task(f, exec_id, SIGKILL).status)
		return false;
	a = wait_task(f, exec_id);
	return a.status == 0 && a.exit_status == 128 + SIGKILL &&
	       delete_task(f, exec_id).status == 0;
}

/* 0, or which step failed. */
static int live(struct fixture *f)
{
	if (create(f).status || start(f, NULL).status)
		return 1;
	if (exec(f, e1).status || start(f, e1).status)
		return 2;
	if (!end_task(f, e1) || !end_task(f, NULL))
		return 3;
	return has_spoken(f, 2) ? 0 : 4;
}

/* It ends by what it is told on its stdin; or not, when that does not get there. */
static bool talk_to(struct fixture *f, char *exec_id)
{
	int64_t deadline_ns = clock_now_ns() + NS_PER_S;
	auto_fd int fd = open(stdin_path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	struct answer a;

	begin_wait(f, &a, exec_id);
	assert_int_equal(write(fd, "x\n", 2), 2);
	while (!a.has_come && clock_now_ns() < deadline_ns)
		assert_int_equal(loop_run_once(f->shim.loop, 10 * NS_PER_MS), 0);
	if (!a.has_come)
		(void)kill_task(f, exec_id, SIGKILL);
	run_until(f, &a.has_come);
	return a.status == 0 && a.exit_status == 7;
}

/* A further container of a pod stands still and goes on, and has a process on a terminal. */
static int live_in_pod(struct fixture *f)
{
	fixture_write_bundle(f, FIXTURE_TYPE("sandbox") "," FIXTURE_SANDBOX("c1"), "rootfs");
	if (create(f).status || start(f, NULL).status)
		return 1;
	fixture_write_bundle(f, FIXTURE_TYPE("container") "," FIXTURE_SANDBOX("c1"), "rootfs");
	task_id = c2;
	if (create(f).status || start(f, NULL).status)
		return 2;
	if (pause_task(f).status || resume_task(f).status)
		return 3;
	f->terminal = true;
	snprintf(f->input, sizeof(f->input), "%s", stdin_path);
	if (exec(f, e1).status || resize(f, e1).status || start(f, e1).status ||
		resize(f, e1).status)
		return 4;
	if (!talk_to(f, e1) || delete_task(f, e1).status)
		return 5;
	if (!end_task(f, NULL))
		return 6;
	task_id = c1;
	if (!end_task(f, NULL))
		return 7;
	return has_spoken(f, 3) ? 0 : 8;
}

typedef int live_fn(struct fixture *f);

/* Over a connection of its own, and with nothing left of the one before. */
static int run_life(struct fixture *f, live_fn *life)
{
	connect_daemon(f);
	f->terminal = false;
	f->input[0] = '\0';
	task_id = c1;
	return life(f);
}

static bool clean_up_task(struct fixture *f, char *id)
{
	struct answer a;

	task_id = id;
	if (kill_task(f, NULL, SIGKILL).status == 0)
		(void)wait_task(f, NULL);
	a = delete_task(f, NULL);
	/* The Delete whose client has been lost goes on. */
	if (a.status == 0 || a.status == WIRE_NOT_FOUND || strstr(a.msg, "is being deleted"))
		return true;
	printf("Delete: %s\n", a.msg);
	return false;
}

/* As containerd does after an error. */
static bool clean_up(struct fixture *f)
{
	bool ok;

	connect_daemon(f);
	ok = clean_up_task(f, c2);
	ok = clean_up_task(f, c1) && ok;
	unlink(f->output + strlen("file://"));
	return ok;
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
static bool run_round(struct fixture *f, live_fn *life, enum fail_kind kind, unsigned int n,
	struct sweep_holdings *before)
{
	int64_t from_ns = clock_now_ns();
	char text[64];
	bool struck;
	int step;

	buf_clear(&f->events);
	sweep_arm(&sweep, kind, n);
	step = run_life(f, life);
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

static void run_sweep(struct fixture *f, live_fn *life, enum fail_kind kind)
{
	unsigned int n = sweep.first;
	struct sweep_holdings before;

	/* What is made once and kept. */
	for (int i = 0; i < 3; i++)
		assert_int_equal(run_life(f, life), 0);
	before = look(f);
	while (run_round(f, life, kind, n, &before))
		n += sweep.stride;
	printf("%u of %u failed, one at a time\n", (n - sweep.first) / sweep.stride, n);
	assert_int_equal(sweep.n_found, 0);
}

static void any_allocation_may_fail(void **state)
{
	run_sweep(*state, live, FAIL_ALLOCATION);
}

static void any_system_call_may_fail(void **state)
{
	run_sweep(*state, live, FAIL_CALL);
}

static void any_allocation_of_a_pod_s_may_fail(void **state)
{
	run_sweep(*state, live_in_pod, FAIL_ALLOCATION);
}

static void any_system_call_of_a_pod_s_may_fail(void **state)
{
	run_sweep(*state, live_in_pod, FAIL_CALL);
}

#define sweep_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		sweep_test(any_allocation_may_fail),
		sweep_test(any_system_call_may_fail),
		sweep_test(any_allocation_of_a_pod_s_may_fail),
		sweep_test(any_system_call_of_a_pod_s_may_fail),
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
