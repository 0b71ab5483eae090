/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent with its n-th allocation, or its n-th system call, failing, for every n that the life
 * of a container reaches (tests/tools/sweep.h; forked jobs and processes up to their execve are
 * counted too). Each time: the client has an error or a container that works, within 5 seconds;
 * the agent lives, and removes the container; no process, cgroup, mount, directory, descriptor or
 * allocation is left. The next round is the proof that it still serves.
 */
#include <stdio.h>
#include <unistd.h>

#include "agent/container/launch.h"
#include "fixture.h"
#include "sweep.h"

enum { LIMIT_S = 5 };

static struct sweep sweep;

static int set_up(void **state)
{
	int r;

	sweep_begin_preload(&sweep);
	r = fixture_set_up(state);
	sweep_end_preload();
	return r;
}

static int tear_down(void **state)
{
	sweep_fini_test(&sweep);
	return fixture_tear_down(state);
}

/* ---- One life ---- */

#define TRY(what, call, expected)                                  \
	do {                                                       \
		int got = (call);                                  \
		if (got != (expected)) {                           \
			snprintf(said, size, "%s: %d", what, got); \
			return false;                              \
		}                                                  \
	} while (0)

/* A container's whole life over a connection of its own; said is the step that failed. */
static bool live(struct fixture *f, char *said, size_t size)
{
	struct container_options o = {.id = "c1", .script = "echo hello; read x; exit $x"};
	auto_buf struct buf out = BUF_INIT;

	ttrpc_client_free(f->client);
	f->client = fixture_connect(f);
	TRY("create", create_container(f, &o, NULL), 0);
	TRY("start", start_container(f, "c1"), 0);
	TRY("exec", exec_process(f, "c1", "e1", "exit 3", false, NULL), 0);
	TRY("wait for the exec", wait_process(f, "c1", "e1"), 3);
	TRY("read", read_once(f, "ReadStdout", "c1", "", &out), 6);
	TRY("write", write_stdin(f, "c1", "", slice_of("5\n", 2)), 0);
	TRY("wait", wait_process(f, "c1", ""), 5);
	TRY("remove", remove_container(f, "c1"), 0);
	return true;
}

static int ask(struct fixture *f, const char *method)
{
	Grpc__PauseContainerRequest request = GRPC__PAUSE_CONTAINER_REQUEST__INIT;
	char id[] = "c1";

	/* The same message as ResumeContainer and StatsContainer have. */
	request.container_id = id;
	return call(f, method, &request.base, NULL);
}

/* A terminal may hand out a line in parts. */
static int read_line(struct fixture *f, struct buf *out)
{
	int r;

	do
		r = read_once(f, "ReadStdout", "c1", "", out);
	while (r > 0 && !strchr(buf_str(out), '\n'));
	return r > 0 ? 0 : r;
}

/* One with all that the first has not. */
static bool live_on_terminal(struct fixture *f, char *said, size_t size)
{
	static char driver[] = "ephemeral", source[] = "shm", type[] = "tmpfs";
	Grpc__Storage storage = GRPC__STORAGE__INIT, *storages[] = {&storage};
	char path[2 * PATH_SIZE];
	struct container_options o = {.id = "c1",
		.script = "stty -echo; echo hello; read x; exit $x",
		.terminal = true,
		.storages = storages,
		.n_storages = 1};
	auto_buf struct buf out = BUF_INIT;

	snprintf(path, sizeof(path), "%s/shm", f->dir);
	storage.driver = driver;
	storage.source = source;
	storage.fstype = type;
	storage.mount_point = path;
	ttrpc_client_free(f->client);
	f->client = fixture_connect(f);
	TRY("create", create_container(f, &o, NULL), 0);
	TRY("start", start_container(f, "c1"), 0);
	TRY("exec", exec_process(f, "c1", "e1", "exit 3", true, NULL), 0);
	TRY("wait for the exec", wait_process(f, "c1", "e1"), 3);
	TRY("pause", ask(f, "PauseContainer"), 0);
	TRY("statistics", ask(f, "StatsContainer"), 0);
	TRY("resume", ask(f, "ResumeContainer"), 0);
	TRY("read", read_line(f, &out), 0);
	TRY("write", write_stdin(f, "c1", "", slice_of("5\n", 2)), 0);
	TRY("wait", wait_process(f, "c1", ""), 5);
	TRY("remove", remove_container(f, "c1"), 0);
	return true;
}

typedef bool live_fn(struct fixture *f, char *said, size_t size);

/* After a life that failed: what is there of the container goes, and no more than that. */
static bool clean_up(struct fixture *f)
{
	Grpc__RemoveContainerRequest request = GRPC__REMOVE_CONTAINER_REQUEST__INIT;
	char id[] = "c1";
	struct err err = ERR_INIT;

	ttrpc_client_free(f->client);
	f->client = fixture_connect(f);
	request.container_id = id;
	return call(f, "RemoveContainer", &request.base, &err) == 0 ||
	       strcmp(err.msg, "Invalid container id") == 0;
}

/* ---- What is left ---- */

static struct sweep_holdings look(struct fixture *f)
{
	/* What the last answer was followed by is done when the next is given. */
	(void)signal_process(f, "none", "", 0, NULL);
	return sweep_look(&sweep, f->agent_pid);
}

/* Its directory or a cgroup of it. */
static bool is_on_disk(const struct fixture *f)
{
	const struct cgroup_layout *layout = launch_get_cgroup_layout(NULL);
	char path[4 * PATH_SIZE];

	snprintf(path, sizeof(path), "%s/c1", f->run_dir);
	if (access(path, F_OK) == 0)
		return true;
	for (size_t i = 0; i < layout->n_hierarchies; i++) {
		snprintf(path, sizeof(path), "%s%s/c1", layout->hierarchies[i].mount_point,
			f->cgroup);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

/* Within the limit: jobs that were killed end a moment later. */
static bool is_nothing_left(struct fixture *f, const struct sweep_holdings *before)
{
	int64_t deadline_ns = clock_now_ns() + LIMIT_S * NS_PER_S;
	struct sweep_holdings now = look(f);

	while (!sweep_is_same(&now, before) || is_on_disk(f)) {
		if (clock_now_ns() > deadline_ns) {
			sweep_print_growth(before, &now);
			return false;
		}
		usleep(20000);
		now = look(f);
	}
	return true;
}

/* ---- The sweep ---- */

/* False when nothing was left to fail. */
static bool run_round(struct fixture *f, live_fn *life, enum fail_kind kind, unsigned int n,
	struct sweep_holdings *before)
{
	int64_t from_ns = clock_now_ns();
	char said[64] = "";
	bool lived, struck;

	sweep_arm(&sweep, kind, n);
	lived = life(f, said, sizeof(said));
	struck = sweep_disarm(&sweep);
	if (clock_now_ns() - from_ns > LIMIT_S * NS_PER_S)
		sweep_found(&sweep, "took more than 5 s");
	if (!lived && !clean_up(f))
		sweep_found(&sweep, "cannot be removed");
	if (!lived && !struck)
		sweep_found(&sweep, said);
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
	char said[64] = "";
	struct sweep_holdings before;

	/* What is made once and kept. */
	for (int i = 0; i < 3; i++)
		if (!life(f, said, sizeof(said)))
			fail_msg("%s", said);
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

static void any_allocation_of_a_terminal_s_may_fail(void **state)
{
	run_sweep(*state, live_on_terminal, FAIL_ALLOCATION);
}

static void any_system_call_of_a_terminal_s_may_fail(void **state)
{
	run_sweep(*state, live_on_terminal, FAIL_CALL);
}

#define sweep_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		sweep_test(any_allocation_may_fail),
		sweep_test(any_system_call_may_fail),
		sweep_test(any_allocation_of_a_terminal_s_may_fail),
		sweep_test(any_system_call_of_a_terminal_s_may_fail),
	};

	sweep_init(&sweep, argc, argv);
	fixture_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
