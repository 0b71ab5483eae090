/* SPDX-License-Identifier: Apache-2.0 */
/* Which files are read for what: in a directory of ordinary files. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/path.h"
#include "linux/cgroup_stats.h"
#include "oom.h"

static char dir[32];
static int dir_fd = -1;
static struct cgroup_layout layout;
static struct cgroup cgroup;
static struct cgroup_stats stats;

static int set_up(bool unified)
{
	snprintf(dir, sizeof(dir), "/tmp/test-stats-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	layout = (struct cgroup_layout){.n_hierarchies = 1};
	layout.hierarchies[0].unified = unified;
	if (!unified)
		layout.hierarchies[0].controllers = (UINT32_C(1) << CGROUP_CONTROLLER_COUNT) - 1;
	cgroup = (struct cgroup){.layout = &layout, .fds = {dir_fd}};
	return dir_fd < 0 ? -1 : 0;
}

static int set_up_v1(void **state)
{
	(void)state;
	return set_up(false);
}

static int set_up_v2(void **state)
{
	(void)state;
	return set_up(true);
}

static int tear_down(void **state)
{
	(void)state;
	cgroup_stats_fini(&stats);
	close(dir_fd);
	return path_remove_tree(AT_FDCWD, dir);
}

static void put(const char *name, const char *text)
{
	assert_int_equal(io_replace_file(dir_fd, name, 0644, text, strlen(text)), 0);
}

static void put_v1(void)
{
	put("cpuacct.usage", "1000000007\n");
	put("cpuacct.usage_percpu", "600000000 400000007 0 \n");
	put("cpuacct.stat", "user 50\nsystem 7\n");
	put("cpu.stat", "nr_periods 10\nnr_throttled 3\nthrottled_time 123456\n");
	put("memory.stat", "cache 4096\nrss 8192\ntotal_cache 5\n");
	put("memory.usage_in_bytes", "20480\n");
	put("memory.max_usage_in_bytes", "40960\n");
	put("memory.failcnt", "2\n");
	put("memory.limit_in_bytes", "9223372036854771712\n");
	put("memory.memsw.usage_in_bytes", "30000\n");
	put("memory.memsw.limit_in_bytes", "nonsense\n");
	put("memory.kmem.usage_in_bytes", "111\n");
	put("memory.use_hierarchy", "1\n");
	put("pids.current", "3\n");
	put("pids.max", "max\n");
	put("blkio.throttle.io_service_bytes_recursive",
		"8:0 Read 512\n8:0 Total 512\nTotal 512\n");
	put("blkio.bfq.io_serviced_recursive", "8:0 Write 4\n");
	put("blkio.throttle.io_serviced_recursive", "8:0 Write 9\n");
	put("blkio.sectors_recursive", "8:0 77\n");
	put("hugetlb.2MB.usage_in_bytes", "2097152\n");
	put("hugetlb.2MB.max_usage_in_bytes", "4194304\n");
	put("hugetlb.2MB.failcnt", "1\n");
	put("hugetlb.2MB.rsvd.usage_in_bytes", "5\n");
}

static void v1_is_spread_over_many_files(void **state)
{
	(void)state;
	put_v1();
	assert_int_equal(cgroup_stats_read(&cgroup, &stats), 0);
	assert_true(stats.has_cpu && stats.has_memory && stats.has_pids && stats.has_io);
	assert_int_equal(stats.cpu.total_ns, 1000000007);
	assert_int_equal(stats.cpu.n_percpu, 3);
	assert_int_equal(stats.cpu.percpu_ns[1], 400000007);
	assert_int_equal(stats.cpu.user_ns, 50 * (1000000000 / sysconf(_SC_CLK_TCK)));
	assert_int_equal(stats.cpu.kernel_ns, 7 * (1000000000 / sysconf(_SC_CLK_TCK)));
	assert_int_equal(stats.cpu.n_periods, 10);
	assert_int_equal(stats.cpu.n_throttled, 3);
	assert_int_equal(stats.cpu.throttled_ns, 123456);
	assert_int_equal(stats.memory.cache, 4096);
	assert_int_equal(stats.memory.n_keys, 3);
	assert_string_equal(stats.memory.keys[2].name, "total_cache");
	assert_int_equal(stats.memory.usage.usage, 20480);
	assert_int_equal(stats.memory.usage.max_usage, 40960);
	assert_int_equal(stats.memory.usage.failcnt, 2);
	assert_int_equal(stats.memory.usage.limit, INT64_C(9223372036854771712));
	assert_int_equal(stats.memory.swap.usage, 30000);
	assert_int_equal(stats.memory.swap.limit, 0);
	assert_int_equal(stats.memory.kernel.usage, 111);
	assert_true(stats.memory.use_hierarchy);
	assert_int_equal(stats.pids.current, 3);
	assert_int_equal(stats.pids.limit, 0);
	assert_int_equal(stats.io[CGROUP_IO_SERVICE_BYTES].n_entries, 2);
	assert_string_equal(stats.io[CGROUP_IO_SERVICE_BYTES].entries[1].op, "total");
	assert_int_equal(stats.io[CGROUP_IO_SERVICED].n_entries, 1);
	assert_int_equal(stats.io[CGROUP_IO_SERVICED].entries[0].value, 4);
	assert_int_equal(stats.io[CGROUP_IO_SECTORS].entries[0].value, 77);
	assert_int_equal(stats.io[CGROUP_IO_MERGED].n_entries, 0);
	assert_int_equal(stats.n_hugetlb, 1);
	assert_string_equal(stats.hugetlb[0].size, "2MB");
	assert_int_equal(stats.hugetlb[0].usage, 2097152);
	assert_int_equal(stats.hugetlb[0].max_usage, 4194304);
	assert_int_equal(stats.hugetlb[0].failcnt, 1);
}

static void v2_is_in_one_place(void **state)
{
	(void)state;
	put("cpu.stat", "usage_usec 1000\nuser_usec 700\nsystem_usec 300\nnr_periods 5\n"
			"nr_throttled 1\nthrottled_usec 44\n");
	put("memory.stat", "anon 1\nfile 4096\nkernel 222\n");
	put("memory.current", "20480\n");
	put("memory.peak", "40960\n");
	put("memory.max", "max\n");
	put("memory.events", "low 0\nmax 6\noom 1\n");
	put("memory.swap.current", "1\n");
	put("memory.swap.max", "4096\n");
	put("memory.swap.events", "high 0\nfail 9\n");
	put("pids.current", "3\n");
	put("pids.max", "100\n");
	put("io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n");
	put("hugetlb.1GB.current", "0\n");
	put("hugetlb.1GB.events", "max 8\n");
	assert_int_equal(cgroup_stats_read(&cgroup, &stats), 0);
	assert_true(stats.has_cpu && stats.has_memory && stats.has_pids && stats.has_io);
	assert_int_equal(stats.cpu.total_ns, 1000000);
	assert_int_equal(stats.cpu.user_ns, 700000);
	assert_int_equal(stats.cpu.kernel_ns, 300000);
	assert_int_equal(stats.cpu.throttled_ns, 44000);
	assert_int_equal(stats.cpu.n_percpu, 0);
	assert_int_equal(stats.memory.cache, 4096);
	assert_int_equal(stats.memory.usage.usage, 20480);
	assert_int_equal(stats.memory.usage.max_usage, 40960);
	assert_int_equal(stats.memory.usage.failcnt, 6);
	assert_true(stats.memory.usage.limit == UINT64_MAX);
	assert_int_equal(stats.memory.swap.limit, 4096);
	assert_int_equal(stats.memory.swap.failcnt, 9);
	assert_int_equal(stats.memory.kernel.usage, 222);
	assert_int_equal(stats.pids.limit, 100);
	assert_int_equal(stats.io[CGROUP_IO_SERVICE_BYTES].n_entries, 6);
	assert_string_equal(stats.io[CGROUP_IO_SERVICE_BYTES].entries[0].op, "read");
	assert_string_equal(stats.io[CGROUP_IO_SERVICE_BYTES].entries[5].op, "dios");
	assert_int_equal(stats.n_hugetlb, 1);
	assert_int_equal(stats.hugetlb[0].failcnt, 8);
}

static void what_is_missing_is_not_there(void **state)
{
	(void)state;
	/* v2 accounts processor time without a controller. */
	assert_int_equal(cgroup_stats_read(&cgroup, &stats), 0);
	assert_true(stats.has_cpu);
	assert_false(stats.has_memory || stats.has_pids || stats.has_io);
	assert_int_equal(stats.n_hugetlb, 0);
	cgroup_stats_fini(&stats);
	layout.n_hierarchies = 0;
	assert_int_equal(cgroup_stats_read(&cgroup, &stats), 0);
	assert_false(stats.has_cpu);
	layout.n_hierarchies = 1;
}

static void lists_are_bounded(void **state)
{
	auto_buf struct buf b = BUF_INIT;

	(void)state;
	for (int i = 0; i < CGROUP_PERCPU_MAX + 10; i++)
		assert_int_equal(buf_printf(&b, "%d ", i), 0);
	put("cpuacct.usage_percpu", buf_str(&b));
	buf_clear(&b);
	for (int i = 0; i < CGROUP_KEYS_MAX + 10; i++)
		assert_int_equal(buf_printf(&b, "key%d %d\n", i, i), 0);
	put("memory.stat", buf_str(&b));
	buf_clear(&b);
	for (int i = 0; i < CGROUP_IO_MAX + 10; i++)
		assert_int_equal(buf_printf(&b, "8:%d Read 1\n", i), 0);
	put("blkio.io_merged_recursive", buf_str(&b));
	assert_int_equal(cgroup_stats_read(&cgroup, &stats), 0);
	assert_int_equal(stats.cpu.n_percpu, CGROUP_PERCPU_MAX);
	assert_int_equal(stats.cpu.percpu_ns[CGROUP_PERCPU_MAX - 1], CGROUP_PERCPU_MAX - 1);
	assert_int_equal(stats.memory.n_keys, CGROUP_KEYS_MAX);
	assert_int_equal(stats.memory.keys[CGROUP_KEYS_MAX - 1].value, CGROUP_KEYS_MAX - 1);
	assert_int_equal(stats.io[CGROUP_IO_MERGED].n_entries, CGROUP_IO_MAX);
}

/* A file that could not be read for want of memory counts as empty, a list that cannot grow does
 * not. */
static void without_memory_it_fails_or_counts_less(void **state)
{
	(void)state;
	put_v1();
	OOM_SWEEP(n)
	{
		int r;

		oom_arm(n);
		r = cgroup_stats_read(&cgroup, &stats);
		oom_disarm();
		assert_true(r == 0 || r == -ENOMEM);
		cgroup_stats_fini(&stats);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(v1_is_spread_over_many_files, set_up_v1, tear_down),
		cmocka_unit_test_setup_teardown(v2_is_in_one_place, set_up_v2, tear_down),
		cmocka_unit_test_setup_teardown(what_is_missing_is_not_there, set_up_v2, tear_down),
		cmocka_unit_test_setup_teardown(lists_are_bounded, set_up_v1, tear_down),
		cmocka_unit_test_setup_teardown(
			without_memory_it_fails_or_counts_less, set_up_v1, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
