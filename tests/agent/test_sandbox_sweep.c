/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As test_sweep.c, but through the sandbox's own life: an agent for every n, from CreateSandbox to
 * the DestroySandbox that ends it. Each time: an error within 5 seconds or a sandbox that works; a
 * CreateSandbox that has failed can be made again; DestroySandbox ends the agent well, and nothing
 * is left, of which it may only leave what it has told that it could not remove.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/path.h"
#include "fixture.h"
#include "sweep.h"

enum { LIMIT_S = 5, SHORT_MS = 300 };

static struct sweep sweep;

/* ---- One life ---- */

static void connect_again(struct fixture *f)
{
	ttrpc_client_free(f->client);
	f->client = fixture_connect(f);
}

static int create_with_storages(struct fixture *f)
{
	static char driver[] = "ephemeral", source[] = "shm", type[] = "tmpfs", host[] = "pod-1",
		    id[] = "pod";
	Grpc__CreateSandboxRequest request = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	Grpc__Storage first = GRPC__STORAGE__INIT, second, *storages[] = {&first, &second};
	char paths[2][2 * PATH_SIZE];

	snprintf(paths[0], sizeof(paths[0]), "%s/shm", f->dir);
	snprintf(paths[1], sizeof(paths[1]), "%s/other", f->dir);
	first.driver = driver;
	first.source = source;
	first.fstype = type;
	first.mount_point = paths[0];
	second = first;
	second.mount_point = paths[1];
	request.sandbox_id = id;
	request.hostname = host;
	request.storages = storages;
	request.n_storages = ARRAY_SIZE(storages);
	return call(f, "CreateSandbox", &request.base, NULL);
}

#define TRY(what, call, expected)                                  \
	do {                                                       \
		int got = (call);                                  \
		if (got != (expected)) {                           \
			snprintf(said, size, "%s: %d", what, got); \
			return false;                              \
		}                                                  \
	} while (0)

/* said is the step that failed. */
static bool live(struct fixture *f, char *said, size_t size)
{
	struct container_options o = {.id = "c1", .script = "echo $(hostname)", .shared_pid = true};
	auto_buf struct buf out = BUF_INIT;

	connect_again(f);
	TRY("create the sandbox", create_with_storages(f), 0);
	TRY("create", create_container(f, &o, NULL), 0);
	TRY("start", start_container(f, "c1"), 0);
	TRY("read", read_once(f, "ReadStdout", "c1", "", &out), 6);
	TRY("wait", wait_process(f, "c1", ""), 0);
	return true;
}

/* Or it has been, and the answer was lost. */
static bool can_be_created(struct fixture *f)
{
	int status;

	connect_again(f);
	status = create_with_storages(f);
	return status == 0 || status == WIRE_ALREADY_EXISTS;
}

/* Its status; what is still being created, by a call whose client was lost, is waited for. */
static int destroy(struct fixture *f, struct err *err)
{
	Grpc__DestroySandboxRequest request = GRPC__DESTROY_SANDBOX_REQUEST__INIT;
	int64_t deadline_ns = clock_now_ns() + LIMIT_S * NS_PER_S;
	int status;

	connect_again(f);
	while ((status = call(f, "DestroySandbox", &request.base, err)) &&
		strstr(err->msg, "is being created") && clock_now_ns() < deadline_ns)
		usleep(2000);
	return status;
}

/* ---- The sweep ---- */

/* The agent ends by itself; its status stays for the fixture's tear-down. */
static bool has_ended(const struct fixture *f, int ms)
{
	int64_t deadline_ns = clock_now_ns() + ms * NS_PER_MS;
	siginfo_t info = {0};

	while (clock_now_ns() < deadline_ns) {
		if (waitid(P_PID, (id_t)f->agent_pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
			info.si_pid == f->agent_pid)
			return true;
		usleep(2000);
	}
	return false;
}

/* Who was told of an error unmounts what is left by hand. */
static void undo(const struct fixture *f)
{
	static const char *const names[] = {"shm", "other", "run/ns-ipc", "run/ns-uts"};
	char path[2 * PATH_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->dir, names[i]);
		(void)umount2(path, MNT_DETACH);
	}
	(void)!path_remove_tree(AT_FDCWD, f->run_dir);
}

/* False when nothing was left to fail. */
static bool run_round(enum fail_kind kind, unsigned int n)
{
	int64_t from_ns;
	struct fixture *f;
	struct err err = ERR_INIT;
	char said[64] = "";
	bool lived, struck;
	int status;

	sweep_begin_preload(&sweep);
	(void)fixture_set_up((void **)&f);
	sweep_end_preload();
	from_ns = clock_now_ns();
	sweep_arm(&sweep, kind, n);
	lived = live(f, said, sizeof(said));
	status = lived ? destroy(f, &err) : 0;
	struck = sweep_disarm(&sweep);
	if (clock_now_ns() - from_ns > LIMIT_S * NS_PER_S)
		sweep_found(&sweep, "took more than 5 s");
	if ((!lived || status) && !struck)
		sweep_found(&sweep, lived ? err.msg : said);
	if (strncmp(said, "create the sandbox", strlen("create the sandbox")) == 0 &&
		!can_be_created(f))
		sweep_found(&sweep, "a sandbox cannot be created any more");
	/* An error that came before the sandbox had heard of it: it is asked again. */
	if ((!lived || (status && !has_ended(f, SHORT_MS))) && destroy(f, &err) != 0)
		sweep_found(&sweep, "cannot be destroyed");
	if (!has_ended(f, LIMIT_S * 1000))
		sweep_found(&sweep, "the agent does not end");
	if (status)
		undo(f);
	(void)fixture_tear_down((void **)&f);
	sweep_end_round(&sweep);
	return struck;
}

static void run_sweep(enum fail_kind kind)
{
	unsigned int n = sweep.first;

	while (run_round(kind, n))
		n += sweep.stride;
	printf("%u of %u failed, one at a time\n", (n - sweep.first) / sweep.stride, n);
	assert_int_equal(sweep.n_found, 0);
}

static void any_allocation_of_a_sandbox_may_fail(void **state)
{
	(void)state;
	run_sweep(FAIL_ALLOCATION);
}

static void any_system_call_of_a_sandbox_may_fail(void **state)
{
	(void)state;
	run_sweep(FAIL_CALL);
}

static int end(void **state)
{
	(void)state;
	sweep_fini_test(&sweep);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(any_allocation_of_a_sandbox_may_fail, end),
		cmocka_unit_test_teardown(any_system_call_of_a_sandbox_may_fail, end),
	};

	sweep_init(&sweep, argc, argv);
	fixture_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
