/* SPDX-License-Identifier: Apache-2.0 */
/* Which files limits are written to, and what: in a directory of ordinary files. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "agent/container/limits.h"
#include "base/io.h"
#include "base/path.h"
#include "wire/message.h"
#include "wire/status.h"

static char dir[32];
static int dir_fd = -1;
/* Which version's files the directory has. */
static struct cgroup_layout layout;
static struct cgroup cgroup;

static const char *const files[] = {"memory.max", "memory.low", "memory.swap.max", "cpu.weight",
	"cpu.max", "cpuset.cpus", "cpuset.mems", "pids.max", "io.weight", "io.max",
	"hugetlb.2MB.max", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes",
	"memory.soft_limit_in_bytes", "memory.swappiness", "memory.oom_control",
	"memory.kmem.tcp.limit_in_bytes", "cpu.shares", "cpu.cfs_quota_us", "cpu.cfs_period_us",
	"cpu.rt_runtime_us", "cpu.rt_period_us", "blkio.weight", "blkio.weight_device",
	"blkio.throttle.write_bps_device", "hugetlb.2MB.limit_in_bytes", "net_cls.classid",
	"net_prio.ifpriomap", "rdma.max", "memory.high", "cpu.idle", "cpu.max.burst",
	"cpu.cfs_burst_us", "hugetlb.2MB.rsvd.max"};

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test-limits-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		close(openat(dir_fd, files[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	layout = (struct cgroup_layout){.hierarchies = {{.unified = true}}, .n_hierarchies = 1};
	cgroup = (struct cgroup){.layout = &layout, .fds = {dir_fd}};
	return dir_fd < 0 ? -1 : 0;
}

static int set_up_v1(void **state)
{
	int r = set_up(state);

	layout.hierarchies[0] = (struct cgroup_hierarchy){
		.controllers = (UINT32_C(1) << CGROUP_CONTROLLER_COUNT) - 1};
	return r;
}

static int tear_down(void **state)
{
	(void)state;
	close(dir_fd);
	return path_remove_tree(AT_FDCWD, dir);
}

/* "" when nothing was written. */
static void assert_file(const char *name, const char *expected)
{
	auto_buf struct buf b = BUF_INIT;

	assert_int_equal(io_read_file(dir_fd, name, 4096, &b), 0);
	if (strcmp(buf_str(&b), expected) != 0)
		fail_msg("%s: \"%s\", not \"%s\"", name, buf_str(&b), expected);
}

static void assert_starts(const char *name, const char *expected)
{
	auto_buf struct buf b = BUF_INIT;

	assert_int_equal(io_read_file(dir_fd, name, 4096, &b), 0);
	assert_memory_equal(buf_str(&b), expected, strlen(expected));
}

static Grpc__LinuxResources resources = GRPC__LINUX_RESOURCES__INIT;
static Grpc__LinuxMemory memory = GRPC__LINUX_MEMORY__INIT;
static Grpc__LinuxCPU cpu = GRPC__LINUX_CPU__INIT;
static Grpc__LinuxPids pids = GRPC__LINUX_PIDS__INIT;
static Grpc__LinuxBlockIO io = GRPC__LINUX_BLOCK_IO__INIT;

static void reset(void)
{
	grpc__linux_resources__init(&resources);
	grpc__linux_memory__init(&memory);
	grpc__linux_cpu__init(&cpu);
	grpc__linux_pids__init(&pids);
	grpc__linux_block_io__init(&io);
}

static void swap_is_what_is_beyond_memory(void **state)
{
	static const struct {
		int64_t memory, swap, result;
		int r;
	} rows[] = {
		{0, 0, -1, 0},
		{100, 0, -1, 0},
		{100, 100, 0, 0},
		{100, 250, 150, 0},
		{100, -1, INT64_MAX, 0},
		{-1, 0, INT64_MAX, 0},
		{-1, -1, INT64_MAX, 0},
		{0, -1, INT64_MAX, 0},
		{100, 99, 0, -EINVAL},
		{0, 100, 0, -EINVAL},
		{-1, 100, 0, -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int64_t swap = 0;

		assert_int_equal(limits_swap(rows[i].memory, rows[i].swap, &swap), rows[i].r);
		assert_int_equal(swap, rows[i].result);
	}
}

static void shares_become_weights(void **state)
{
	(void)state;
	assert_int_equal(limits_cpu_weight(0), 1);
	assert_int_equal(limits_cpu_weight(1), 1);
	assert_int_equal(limits_cpu_weight(2), 1);
	assert_int_equal(limits_cpu_weight(1024), 39);
	assert_int_equal(limits_cpu_weight(262144), 10000);
	assert_int_equal(limits_cpu_weight(UINT64_MAX), 10000);
}

static void memory_files(void **state)
{
	static const struct {
		int64_t limit, swap, reservation;
		const char *max, *swap_max, *low;
	} rows[] = {
		{0, 0, 0, "", "", ""},
		{1 << 20, 0, 0, "1048576", "", ""},
		{1 << 20, 1 << 20, 4096, "1048576", "0", "4096"},
		{1 << 20, 3 << 20, -1, "1048576", "2097152", "max"},
		{-1, 0, 0, "max", "max", ""},
		{1 << 20, -1, 0, "1048576", "max", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		reset();
		tear_down(NULL);
		assert_int_equal(set_up(NULL), 0);
		resources.memory = &memory;
		memory.limit = rows[i].limit;
		memory.swap = rows[i].swap;
		memory.reservation = rows[i].reservation;
		memory.swappiness = 60;
		assert_int_equal(limits_apply(&cgroup, &resources, LIMITS_UPDATE, -1, NULL), 0);
		assert_file("memory.max", rows[i].max);
		assert_file("memory.swap.max", rows[i].swap_max);
		assert_file("memory.low", rows[i].low);
	}
}

static void cpu_files(void **state)
{
	static const struct {
		uint64_t shares, period;
		int64_t quota;
		const char *weight, *max;
	} rows[] = {
		{0, 0, 0, "", ""},
		{1024, 0, 50000, "39", "50000"},
		{2, 20000, -1, "1", "max 20000"},
		{0, 20000, 0, "", "max 20000"},
		{0, 0, -1, "", "max"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		reset();
		tear_down(NULL);
		assert_int_equal(set_up(NULL), 0);
		resources.cpu = &cpu;
		cpu.shares = rows[i].shares;
		cpu.quota = rows[i].quota;
		cpu.period = rows[i].period;
		cpu.cpus = message_text("0-3");
		cpu.mems = message_text("");
		assert_int_equal(limits_apply(&cgroup, &resources, LIMITS_UPDATE, -1, NULL), 0);
		assert_file("cpu.weight", rows[i].weight);
		assert_file("cpu.max", rows[i].max);
		assert_file("cpuset.cpus", "0-3");
		assert_file("cpuset.mems", "");
	}
}

static void a_new_period_keeps_the_quota(void **state)
{
	(void)state;
	reset();
	resources.cpu = &cpu;
	assert_int_equal(io_write_file(dir_fd, "cpu.max", "30000 100000"), 0);
	cpu.period = 200000;
	assert_int_equal(limits_apply(&cgroup, &resources, LIMITS_UPDATE, -1, NULL), 0);
	assert_file("cpu.max", "30000 200000");
}

static void burst_and_idleness(void **state)
{
	(void)state;
	reset();
	resources.cpu = &cpu;
	cpu.has_burst = cpu.has_idle = 1;
	cpu.burst = 20000;
	cpu.quota = 40000;
	cpu.idle = 1;
	assert_int_equal(limits_apply(&cgroup, &resources, LIMITS_CREATE, -1, NULL), 0);
	assert_file("cpu.max.burst", "20000");
	assert_file("cpu.idle", "1");
	assert_file("cpu.max", "40000");
	cpu.idle = 0;
	cpu.shares = 1024;
	assert_int_equal(limits_apply(&cgroup, &resources, LIMITS_UPDATE, -1, NULL), 0);
	assert_file("cpu.idle", "0");
	assert_file("cpu.weight", "39");
	assert_int_equal(unlinkat(dir_fd, "cpu.max.burst", 0), 0);
	assert_int_equal(limits_apply(&cgroup, &resources, LIMITS_UPDATE, -1, NULL), -ENOENT);
}

static void rdma_devices(void **state)
{
	Grpc__LinuxResources__RdmaEntry entry = GRPC__LINUX_RESOURCES__RDMA_ENTRY__INIT;
	Grpc__LinuxResources__RdmaEntry *entries[] = {&entry};
	Grpc__LinuxRdma rdma = GRPC__LINUX_RDMA__INIT;
	struct err err = ERR_INIT;

	(void)state;
	reset();
	resources.n_rdma = 1;
	resources.rdma = entries;
	entry.key = message_text("mlx5_1");
	entry.value = &rdma;
	rdma.has_hcahandles = 1;
	rdma.hcahandles = 3;
	assert_int_equal(limits_apply(&cgroup, &resources, LIMITS_UPDATE, -1, NULL), 0);
	assert_file("rdma.max", "mlx5_1 hca_handle=3");
	entry.key = message_text("mlx5_1 hca_object=9");
	assert_int_equal(limits_apply(&cgroup, &resources, LIMITS_UPDATE, -1, &err), -EINVAL);
	assert_int_equal(err.status, WIRE_INVALID_ARGUMENT);
}

static void unified_files_are_written_by_name(void **state)
{
	static const struct {
		const char *key, *value;
		int r;
	} rows[] = {
		{"memory.high", "1048576", 0},
		{"io.max", "8:0 rbps=5\n8:16 rbps=7", 0},
		{"memory.nosuch", "1", -ENOENT},
		{"", "1", -EINVAL},
		{"memory", "1", -EINVAL},
		{"../memory.high", "1", -EINVAL},
		{"a/memory.high", "1", -EINVAL},
		{"..", "1", -EINVAL},
		{"cgroup.kill", "1", -EINVAL},
		{"cgroup.procs", "1", -EINVAL},
	};
	Grpc__LinuxResources__UnifiedEntry entry = GRPC__LINUX_RESOURCES__UNIFIED_ENTRY__INIT;
	Grpc__LinuxResources__UnifiedEntry *entries[] = {&entry};

	(void)state;
	reset();
	resources.n_unified = 1;
	resources.unified = entries;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;

		entry.key = message_text(rows[i].key);
		entry.value = message_text(rows[i].value);
		assert_int_equal(
			limits_apply(&cgroup, &resources, LIMITS_UPDATE, -1, &err), rows[i].r);
		if (rows[i].r == -EINVAL)
			assert_int_equal(err.status, WIRE_INVALID_ARGUMENT);
		if (rows[i].r < 0)
			assert_non_null(strstr(err.msg, rows[i].key));
	}
	assert_file("memory.high", "1048576");
	/* Each line by itself: an ordinary file keeps the last. */
	assert_file("io.max", "8:16 rbps=7");
}

static void a_limit_below_what_is_used_is_refused_if_asked_to(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	reset();
	close(openat(dir_fd, "memory.current", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	assert_int_equal(io_write_file(dir_fd, "memory.current", "5000"), 0);
	resources.memory = &memory;
	memory.limit = 4999;
	memory.checkbeforeupdate = 1;
	assert_int_equal(limits_apply(&cgroup, &resources, LIMITS_UPDATE, -1, &err), -EBUSY);
	assert_int_equal(err.status, WIRE_FAILED_PRECONDITION);
	assert_file("memory.max", "");
	memory.limit = 5000;
	assert_int_equal(limits_apply(&cgroup, &resources, LIMITS_UPDATE, -1, NULL), 0);
	memory.limit = 4000;
	memory.checkbeforeupdate = 0;
	assert_int_equal(limits_apply(&cgroup, &resources, LIMITS_UPDATE, -1, NULL), 0);
	assert_file("memory.max", "4000");
}

static void swappiness_of_0_is_meant_if_it_is_there(void **state)
{
	(void)state;
	reset();
	resources.memory = &memory;
	assert_int_equal(limits_apply(&cgroup, &resources, LIMITS_UPDATE, -1, NULL), 0);
	assert_file("memory.swappiness", "");
	memory.has_swappiness = memory.has_disableoomkiller = 1;
	assert_int_equal(limits_apply(&cgroup, &resources, LIMITS_CREATE, -1, NULL), 0);
	assert_file("memory.swappiness", "0");
	assert_file("memory.oom_control", "");
	assert_int_equal(limits_apply(&cgroup, &resources, LIMITS_UPDATE, -1, NULL), 0);
	assert_file("memory.oom_control", "0");
}

static void pids_io_and_hugepages(void **state)
{
	Grpc__LinuxThrottleDevice throttle = GRPC__LINUX_THROTTLE_DEVICE__INIT;
	Grpc__LinuxThrottleDevice *throttles[] = {&throttle};
	Grpc__LinuxHugepageLimit huge = GRPC__LINUX_HUGEPAGE_LIMIT__INIT;
	Grpc__LinuxHugepageLimit *huges[] = {&huge};
	struct err err = ERR_INIT;

	(void)state;
	reset();
	resources.pids = &pids;
	resources.blockio = &io;
	pids.limit = 42;
	io.weight = 500;
	io.n_throttlewritebpsdevice = 1;
	io.throttlewritebpsdevice = throttles;
	throttle.major = 8;
	throttle.minor = 16;
	throttle.rate = 1000;
	resources.n_hugepagelimits = 1;
	resources.hugepagelimits = huges;
	huge.pagesize = message_text("2MB");
	huge.limit = 4 << 20;
	assert_int_equal(limits_apply(&cgroup, &resources, LIMITS_UPDATE, -1, NULL), 0);
	assert_file("pids.max", "42");
	assert_file("io.weight", "default 4950");
	assert_file("io.max", "8:16 wbps=1000");
	assert_file("hugetlb.2MB.max", "4194304");
	assert_file("hugetlb.2MB.rsvd.max", "4194304");
	huge.pagesize = message_text("../../x");
	assert_int_equal(limits_apply(&cgroup, &resources, LIMITS_UPDATE, -1, &err), -EINVAL);
	assert_int_equal(err.status, WIRE_INVALID_ARGUMENT);
}

static void memory_files_of_v1(void **state)
{
	static const struct {
		int64_t limit, swap, reservation;
		const char *now, *max, *memsw, *soft;
	} rows[] = {
		{0, 0, 0, "9", "", "9", ""},
		{1 << 20, 0, 0, "9", "1048576", "9", ""},
		{1 << 20, 1 << 20, 4096, "9", "1048576", "1048576", "4096"},
		{1 << 20, 3 << 20, -1, "9999999", "1048576", "3145728", "-1"},
		{-1, 0, 0, "9", "-1", "-1", ""},
		{1 << 20, -1, 0, "9", "1048576", "-1", ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		reset();
		tear_down(NULL);
		assert_int_equal(set_up_v1(state), 0);
		assert_int_equal(
			io_write_file(dir_fd, "memory.memsw.limit_in_bytes", rows[i].now), 0);
		/* Ordinary files are not cut off by a shorter text. */
		resources.memory = &memory;
		memory.limit = rows[i].limit;
		memory.swap = rows[i].swap;
		memory.reservation = rows[i].reservation;
		memory.kernel = 7;
		assert_int_equal(limits_apply(&cgroup, &resources, LIMITS_UPDATE, -1, NULL), 0);
		assert_file("memory.limit_in_bytes", rows[i].max);
		assert_starts("memory.memsw.limit_in_bytes", rows[i].memsw);
		assert_file("memory.soft_limit_in_bytes", rows[i].soft);
		assert_file("memory.max", "");
	}
	memory.swappiness = 101;
	assert_int_equal(limits_apply(&cgroup, &resources, LIMITS_UPDATE, -1, NULL), -EINVAL);
	memory.swappiness = 60;
	memory.disableoomkiller = true;
	memory.kerneltcp = 8192;
	assert_int_equal(limits_apply(&cgroup, &resources, LIMITS_UPDATE, -1, NULL), 0);
	assert_file("memory.swappiness", "60");
	assert_file("memory.oom_control", "1");
	assert_file("memory.kmem.tcp.limit_in_bytes", "8192");
}

static void other_files_of_v1(void **state)
{
	Grpc__LinuxThrottleDevice throttle = GRPC__LINUX_THROTTLE_DEVICE__INIT;
	Grpc__LinuxThrottleDevice *throttles[] = {&throttle};
	Grpc__LinuxHugepageLimit huge = GRPC__LINUX_HUGEPAGE_LIMIT__INIT;
	Grpc__LinuxHugepageLimit *huges[] = {&huge};
	Grpc__LinuxNetwork network = GRPC__LINUX_NETWORK__INIT;
	Grpc__LinuxInterfacePriority priority = GRPC__LINUX_INTERFACE_PRIORITY__INIT;
	Grpc__LinuxInterfacePriority *priorities[] = {&priority};

	(void)state;
	reset();
	resources.cpu = &cpu;
	cpu.shares = 2048;
	cpu.period = 50000;
	cpu.quota = -1;
	cpu.realtimeperiod = 1000000;
	cpu.realtimeruntime = 950000;
	resources.pids = &pids;
	pids.limit = -1;
	resources.blockio = &io;
	io.weight = 5;
	io.n_throttlewritebpsdevice = 1;
	io.throttlewritebpsdevice = throttles;
	throttle.major = 8;
	throttle.minor = 16;
	resources.n_hugepagelimits = 1;
	resources.hugepagelimits = huges;
	huge.pagesize = message_text("2MB");
	huge.limit = 4 << 20;
	resources.network = &network;
	network.classid = 0x10001;
	network.n_priorities = 1;
	network.priorities = priorities;
	priority.name = message_text("eth0");
	priority.priority = 3;
	assert_int_equal(limits_apply(&cgroup, &resources, LIMITS_UPDATE, -1, NULL), 0);
	assert_file("cpu.shares", "2048");
	assert_file("cpu.cfs_period_us", "50000");
	assert_file("cpu.cfs_quota_us", "-1");
	assert_file("cpu.rt_period_us", "1000000");
	assert_file("cpu.rt_runtime_us", "950000");
	assert_file("pids.max", "max");
	assert_file("blkio.weight", "10");
	assert_file("blkio.throttle.write_bps_device", "8:16 0");
	assert_file("hugetlb.2MB.limit_in_bytes", "4194304");
	assert_file("net_cls.classid", "65537");
	assert_file("net_prio.ifpriomap", "eth0 3");
}

static void cpus_that_cannot_be_had_fail_an_update_only(void **state)
{
	(void)state;
	reset();
	assert_int_equal(unlinkat(dir_fd, "cpuset.cpus", 0), 0);
	resources.cpu = &cpu;
	cpu.cpus = message_text("0-3");
	assert_int_equal(limits_apply(&cgroup, &resources, LIMITS_CREATE, -1, NULL), 0);
	assert_int_equal(limits_apply(&cgroup, &resources, LIMITS_UPDATE, -1, NULL), -ENOENT);
}

static void weigh_two_devices(uint32_t general)
{
	Grpc__LinuxWeightDevice disk = GRPC__LINUX_WEIGHT_DEVICE__INIT;
	Grpc__LinuxWeightDevice unset = GRPC__LINUX_WEIGHT_DEVICE__INIT;
	Grpc__LinuxWeightDevice *devices[] = {&disk, &unset};

	reset();
	resources.blockio = &io;
	io.weight = general;
	io.weightdevice = devices;
	io.n_weightdevice = ARRAY_SIZE(devices);
	disk.major = 8;
	disk.minor = 16;
	disk.weight = 1000;
	assert_int_equal(limits_apply(&cgroup, &resources, LIMITS_UPDATE, -1, NULL), 0);
}

/* Each its own, and none that was not asked for. */
static void devices_have_weights_of_their_own(void **state)
{
	(void)state;
	weigh_two_devices(0);
	assert_file("io.weight", "8:16 10000");
}

static void devices_have_weights_of_their_own_in_v1(void **state)
{
	(void)state;
	weigh_two_devices(100);
	assert_file("blkio.weight", "100");
	assert_file("blkio.weight_device", "8:16 1000");
}

static void a_missing_controller_is_named(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	reset();
	assert_int_equal(unlinkat(dir_fd, "pids.max", 0), 0);
	resources.pids = &pids;
	pids.limit = -1;
	assert_int_equal(limits_apply(&cgroup, &resources, LIMITS_UPDATE, -1, NULL), 0);
	pids.limit = 7;
	assert_int_equal(limits_apply(&cgroup, &resources, LIMITS_UPDATE, -1, &err), -ENOENT);
	assert_string_equal(
		err.msg, "cannot limit pids.max to 7: the cgroup has no such controller");
	assert_int_equal(limits_apply(&cgroup, NULL, LIMITS_UPDATE, -1, NULL), 0);
}

static void limits_that_contradict_are_refused(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	reset();
	resources.memory = &memory;
	memory.swap = 5;
	memory.limit = 6;
	assert_int_equal(limits_apply(&cgroup, &resources, LIMITS_UPDATE, -1, &err), -EINVAL);
	assert_int_equal(err.status, WIRE_INVALID_ARGUMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(swap_is_what_is_beyond_memory),
		cmocka_unit_test(shares_become_weights),
		cmocka_unit_test_setup_teardown(memory_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cpu_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_new_period_keeps_the_quota, set_up, tear_down),
		cmocka_unit_test_setup_teardown(burst_and_idleness, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rdma_devices, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			unified_files_are_written_by_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_limit_below_what_is_used_is_refused_if_asked_to, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			swappiness_of_0_is_meant_if_it_is_there, set_up_v1, tear_down),
		cmocka_unit_test_setup_teardown(pids_io_and_hugepages, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			devices_have_weights_of_their_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			devices_have_weights_of_their_own_in_v1, set_up_v1, tear_down),
		cmocka_unit_test_setup_teardown(memory_files_of_v1, set_up_v1, tear_down),
		cmocka_unit_test_setup_teardown(other_files_of_v1, set_up_v1, tear_down),
		cmocka_unit_test_setup_teardown(
			cpus_that_cannot_be_had_fail_an_update_only, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_missing_controller_is_named, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			limits_that_contradict_are_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
