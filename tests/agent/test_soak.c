/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only time shows: containers come and go in one agent, each with an exec, and then many at once.
 * KIHON_SOAK_CONTAINERS (60) and KIHON_SOAK_AT_ONCE (20) say how many; `tools/test soak` takes
 * 2,000 and 200 through the guest's own binary (KIHON_AGENT).
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "base/io.h"
#include "fixture.h"

enum {
	N_WARM = 40,   /* what is filled once and then used again is there after these */
	NOISE_KB = 16, /* the heap ends in another page each time: 52 to 60 kB were seen in turn */
};

struct figures {
	size_t anonymous_kb, n_fds, n_mounts;
};

static size_t setting(const char *name, size_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 10) : otherwise;
}

static void read_proc(const struct fixture *f, const char *name, struct buf *out)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)f->agent_pid, name);
	assert_int_equal(io_read_file(AT_FDCWD, path, 1 << 20, out), 0);
}

/* Not RssAnon: kernels before 6.2 count that to within 64 pages only. */
static size_t anonymous_kb(const struct fixture *f)
{
	struct buf rollup = BUF_INIT;
	const char *at;
	size_t kb;

	read_proc(f, "smaps_rollup", &rollup);
	at = strstr(buf_str(&rollup), "\nAnonymous:");
	assert_non_null(at);
	kb = strtoul(at + strlen("\nAnonymous:"), NULL, 10);
	buf_fini(&rollup);
	return kb;
}

static size_t count_mounts(const struct fixture *f)
{
	struct buf mounts = BUF_INIT;
	size_t n = 0;

	read_proc(f, "mountinfo", &mounts);
	for (const char *c = buf_str(&mounts); *c; c++)
		n += *c == '\n';
	buf_fini(&mounts);
	return n;
}

static struct figures measure(const struct fixture *f)
{
	return (struct figures){
		.anonymous_kb = anonymous_kb(f),
		.n_fds = fixture_count_fds(f),
		.n_mounts = count_mounts(f),
	};
}

static void one_container(struct fixture *f, size_t n)
{
	char id[32];

	snprintf(id, sizeof(id), "soak-%zu", n);
	run_container(f, id, "exec sleep 1000");
	assert_int_equal(exec_process(f, id, "e", "exit 7", n % 2, NULL), 0);
	assert_int_equal(wait_process(f, id, "e"), 7);
	assert_int_equal(signal_process(f, id, "", SIGKILL, NULL), 0);
	assert_int_equal(wait_process(f, id, ""), 137);
	assert_int_equal(remove_container(f, id), 0);
}

static void assert_flat(const struct figures *before, const struct figures *after)
{
	print_message("anonymous memory: %zu kB, then %zu kB\n", before->anonymous_kb,
		after->anonymous_kb);
	assert_int_equal(after->n_fds, before->n_fds);
	assert_int_equal(after->n_mounts, before->n_mounts);
#ifndef __SANITIZE_ADDRESS__ /* which keeps freed memory for a while */
	assert_in_range(after->anonymous_kb, 0, before->anonymous_kb + NOISE_KB);
#endif
}

static void one_after_another(void **state)
{
	struct fixture *f = *state;
	size_t n, n_containers = setting("KIHON_SOAK_CONTAINERS", 60);
	struct figures warm, end;

	for (n = 0; n < N_WARM; n++)
		one_container(f, n);
	warm = measure(f);
	for (; n < n_containers; n++)
		one_container(f, n);
	end = measure(f);
	assert_flat(&warm, &end);
}

static void all_at_once(void **state)
{
	struct fixture *f = *state;
	size_t n_containers = setting("KIHON_SOAK_AT_ONCE", 20);
	struct figures before, full, after;
	char id[32];

	one_container(f, 0);
	before = measure(f);
	for (size_t n = 0; n < n_containers; n++) {
		snprintf(id, sizeof(id), "soak-%zu", n);
		run_container(f, id, "exec sleep 1000");
	}
	full = measure(f);
	print_message("anonymous memory: %zu kB, %zu kB with %zu containers\n", before.anonymous_kb,
		full.anonymous_kb, n_containers);
	for (size_t n = 0; n < n_containers; n++) {
		snprintf(id, sizeof(id), "soak-%zu", n);
		assert_int_equal(remove_container(f, id), 0);
	}
	after = measure(f);
	assert_int_equal(after.n_fds, before.n_fds);
	assert_int_equal(after.n_mounts, before.n_mounts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		agent_test(one_after_another),
		agent_test(all_at_once),
	};

	fixture_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
