/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent with its n-th allocation, or its n-th system call, failing, for every n that the life
 * of a container reaches (tests/tools/fail.c; forked jobs and processes up to their execve are
 * counted too). Each time: the client has an error or a container that works, within 5 seconds;
 * the agent lives, and removes the container; no process, cgroup, mount, directory, descriptor or
 * allocation is left. The next round is the proof that it still serves.
 *
 *	test_agent_sweep [PATTERN [FIRST]]
 *
 * All of them (KIHON_SWEEP_STRIDE=1) take minutes. Without it every 20th is run, from one that the
 * clock chooses. To look at one that was found: FIRST.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "agent/container/launch.h"
#include "base/io.h"
#include "base/path.h"
#include "fixture.h"
#include "tools/fail.h"

enum { DEFAULT_STRIDE = 20, LIMIT_S = 5 };

/* What the agent has when it has no container. */
struct holdings {
	size_t n_fds, n_children;
	int n_allocations;
};

static struct fail_plan *plan;
static unsigned int stride, first, n_found;
static unsigned int in_round; /* 0: none */

static void open_plan(void)
{
	char path[64];
	int fd = memfd_create("fail_plan", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, sizeof(*plan)), 0);
	plan = mmap(NULL, sizeof(*plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(plan, MAP_FAILED);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), fd);
	assert_int_equal(setenv("KIHON_FAIL", path, 1), 0);
	assert_int_equal(setenv("LD_PRELOAD", FAIL_LIBRARY, 1), 0);
}

static int set_up(void **state)
{
	int r;

	open_plan();
	r = fixture_set_up(state);
	unsetenv("LD_PRELOAD");
	unsetenv("KIHON_FAIL");
	return r;
}

static void arm(enum fail_kind kind, unsigned int n)
{
	atomic_store(&plan->struck, 0);
	atomic_store(&plan->left, (int)n);
	atomic_store(&plan->kind, (int)kind);
}

static void disarm(void)
{
	atomic_store(&plan->kind, FAIL_NOTHING);
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
	struct buf out = BUF_INIT;

	ttrpc_client_free(f->client);
	f->client = fixture_connect(f);
	TRY("create", create_container(f, &o, NULL), 0);
	TRY("start", start_container(f, "c1"), 0);
	TRY("exec", exec_process(f, "c1", "e1", "exit 3", false, NULL), 0);
	TRY("wait for the exec", wait_process(f, "c1", "e1"), 3);
	TRY("read", read_once(f, "ReadStdout", "c1", "", &out), 6);
	buf_fini(&out);
	TRY("write", write_stdin(f, "c1", "", slice_of("5\n", 2)), 0);
	TRY("wait", wait_process(f, "c1", ""), 5);
	TRY("remove", remove_container(f, "c1"), 0);
	return true;
}

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

static size_t count_children(const struct fixture *f)
{
	struct buf text = BUF_INIT;
	char path[64];
	size_t n = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)f->agent_pid,
		(int)f->agent_pid);
	assert_int_equal(io_read_file(AT_FDCWD, path, 1 << 16, &text), 0);
	for (const char *p = buf_str(&text); (p = strchr(p, ' ')); p++)
		n++;
	buf_fini(&text);
	return n;
}

static struct holdings look(struct fixture *f)
{
	/* What the last answer was followed by is done when the next is given. */
	(void)signal_process(f, "none", "", 0, NULL);
	return (struct holdings){
		.n_fds = fixture_count_fds(f),
		.n_children = count_children(f),
		.n_allocations = atomic_load(&plan->live),
	};
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
static bool is_nothing_left(struct fixture *f, const struct holdings *before)
{
	int64_t deadline_ns = clock_now_ns() + LIMIT_S * NS_PER_S;
	struct holdings now;

	for (;;) {
		now = look(f);
		if (now.n_fds == before->n_fds && now.n_children == before->n_children &&
			now.n_allocations == before->n_allocations && !is_on_disk(f))
			return true;
		if (clock_now_ns() > deadline_ns)
			break;
		usleep(20000);
	}
	printf("left: %zd descriptors, %zd processes, %d allocations%s\n",
		(ssize_t)(now.n_fds - before->n_fds),
		(ssize_t)(now.n_children - before->n_children),
		now.n_allocations - before->n_allocations,
		is_on_disk(f) ? ", files or cgroups" : "");
	return false;
}

/* ---- The sweep ---- */

static const char *const kinds[] = {[FAIL_ALLOCATION] = "allocation", [FAIL_CALL] = "system call"};

static void found(enum fail_kind kind, unsigned int n, const char *what)
{
	n_found++;
	printf("%s %u: %s; addr2line -fipe kata-agent %s\n", kinds[kind], n, what, plan->where);
}

/* False when nothing was left to fail. */
static bool run_round(
	struct fixture *f, enum fail_kind kind, unsigned int n, struct holdings *before)
{
	int64_t from_ns = clock_now_ns();
	char said[64] = "";
	bool lived, struck;

	in_round = n;
	arm(kind, n);
	lived = live(f, said, sizeof(said));
	struck = atomic_load(&plan->struck);
	disarm();
	if (clock_now_ns() - from_ns > LIMIT_S * NS_PER_S)
		found(kind, n, "took more than 5 s");
	if (!lived && !clean_up(f))
		found(kind, n, "cannot be removed");
	if (!lived && !struck)
		found(kind, n, said);
	if (!is_nothing_left(f, before)) {
		found(kind, n, "something is left");
		*before = look(f);
	}
	in_round = 0;
	return struck;
}

static void sweep(struct fixture *f, enum fail_kind kind)
{
	unsigned int n = first;
	char said[64] = "";
	struct holdings before;

	/* What is made once and kept. */
	for (int i = 0; i < 3; i++)
		if (!live(f, said, sizeof(said)))
			fail_msg("%s", said);
	before = look(f);
	while (run_round(f, kind, n, &before))
		n += stride;
	printf("%u of up to %u: each %s failed once\n", n / stride, n, kinds[kind]);
	assert_int_equal(n_found, 0);
}

static int tear_down(void **state)
{
	int kind = atomic_exchange(&plan->kind, FAIL_NOTHING);

	if (in_round > 0)
		found((enum fail_kind)kind, in_round, "was not got over");
	in_round = 0;
	return fixture_tear_down(state);
}

static void any_allocation_may_fail(void **state)
{
	sweep(*state, FAIL_ALLOCATION);
}

static void any_system_call_may_fail(void **state)
{
	sweep(*state, FAIL_CALL);
}

int main(int argc, char **argv)
{
	const char *text = getenv("KIHON_SWEEP_STRIDE");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(any_allocation_may_fail, set_up, tear_down),
		cmocka_unit_test_setup_teardown(any_system_call_may_fail, set_up, tear_down),
	};

#ifdef __SANITIZE_ADDRESS__
	fprintf(stderr, "skipped: the sanitizer's allocator cannot be replaced\n");
	return 77;
#endif
	stride = text ? (unsigned int)strtoul(text, NULL, 10) : DEFAULT_STRIDE;
	if (stride == 0)
		stride = DEFAULT_STRIDE;
	first = 1 + (unsigned int)time(NULL) % stride;
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	if (argc > 2)
		first = (unsigned int)strtoul(argv[2], NULL, 10);
	fixture_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
