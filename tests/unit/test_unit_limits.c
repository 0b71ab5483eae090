/* SPDX-License-Identifier: Apache-2.0 */
/* Limits as properties of a systemd unit: the words that busctl gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "agent/container/unit_limits.h"
#include "oom.h"
#include "wire/message.h"
#include "wire/status.h"

static Grpc__LinuxResources resources;
static Grpc__LinuxMemory memory;
static Grpc__LinuxCPU cpu;
static Grpc__LinuxPids pids;
static Grpc__LinuxBlockIO io;

static int reset(void **state)
{
	(void)state;
	grpc__linux_resources__init(&resources);
	grpc__linux_memory__init(&memory);
	grpc__linux_cpu__init(&cpu);
	grpc__linux_pids__init(&pids);
	grpc__linux_block_io__init(&io);
	return 0;
}

/* The words with a blank behind each. */
static void assert_properties(uint64_t period_us, const char *expected)
{
	auto_systemd_properties struct systemd_properties p = {.n_words = 0};
	auto_buf struct buf text = BUF_INIT;
	const char *at;

	assert_int_equal(unit_limits_add(&p, &resources, period_us, NULL), 0);
	assert_false(p.has_failed);
	at = buf_str(&p.words);
	for (size_t i = 0; i < p.n_words; i++, at += strlen(at) + 1)
		assert_int_equal(buf_printf(&text, "%s ", at), 0);
	assert_string_equal(buf_str(&text), expected);
}

static void what_is_not_set_is_no_property(void **state)
{
	(void)state;
	assert_properties(100000, "");
	resources.memory = &memory;
	resources.cpu = &cpu;
	resources.pids = &pids;
	resources.blockio = &io;
	cpu.cpus = message_text("");
	assert_properties(100000, "");
}

static void each_limit_has_its_property(void **state)
{
	(void)state;
	resources.memory = &memory;
	resources.cpu = &cpu;
	resources.pids = &pids;
	resources.blockio = &io;
	memory.limit = 1 << 20;
	memory.swap = 3 << 20;
	memory.reservation = 4096;
	cpu.shares = 1024;
	cpu.quota = 25500;
	cpu.period = 100000;
	cpu.cpus = message_text("0-2,9");
	cpu.mems = message_text("0");
	pids.limit = 42;
	io.weight = 500;
	assert_properties(77,
		"MemorySwapMax t 2097152 MemoryMax t 1048576 MemoryLow t 4096 CPUWeight t 39 "
		"CPUQuotaPeriodUSec t 100000 CPUQuotaPerSecUSec t 260000 AllowedCPUs ay 2 7 2 "
		"AllowedMemoryNodes ay 1 1 TasksMax t 42 IOWeight t 4950 ");
}

static void no_limit_is_infinity(void **state)
{
	(void)state;
	resources.memory = &memory;
	resources.cpu = &cpu;
	resources.pids = &pids;
	memory.limit = memory.swap = memory.reservation = -1;
	cpu.quota = -1;
	pids.limit = -1;
	assert_properties(100000,
		"MemorySwapMax t 18446744073709551615 MemoryMax t 18446744073709551615 "
		"MemoryLow t 18446744073709551615 CPUQuotaPerSecUSec t 18446744073709551615 "
		"TasksMax t 18446744073709551615 ");
}

static void a_quota_alone_is_of_the_period_that_is_there(void **state)
{
	(void)state;
	resources.cpu = &cpu;
	cpu.quota = 25000;
	assert_properties(50000, "CPUQuotaPerSecUSec t 500000 ");
}

static void quotas_are_rounded_up(void **state)
{
	(void)state;
	assert_true(unit_limits_quota(0, 100000) == UINT64_MAX);
	assert_true(unit_limits_quota(-1, 100000) == UINT64_MAX);
	assert_true(unit_limits_quota(1000, 0) == UINT64_MAX);
	assert_true(unit_limits_quota(INT64_MAX, 1) == UINT64_MAX);
	assert_int_equal(unit_limits_quota(1, 1000000), 10000);
	assert_int_equal(unit_limits_quota(1000, 100000), 10000);
	assert_int_equal(unit_limits_quota(1001, 100000), 20000);
	assert_int_equal(unit_limits_quota(200000, 100000), 2000000);
}

static void lists_become_masks(void **state)
{
	static const struct {
		const char *list;
		bool good;
		size_t len;
		uint8_t mask[3];
	} rows[] = {
		{"0", true, 1, {1}},
		{"0-0", true, 1, {1}},
		{"7,8", true, 2, {0x80, 1}},
		{"16-23", true, 3, {0, 0, 0xff}},
		{"3,1\n", true, 1, {10}},
		{"23", true, 3, {0, 0, 0x80}},
		{"24", false, 0, {0}},
		{"99999999999999999999", false, 0, {0}},
		{"2-1", false, 0, {0}},
		{"", false, 0, {0}},
		{"1,", false, 0, {0}},
		{"-1", false, 0, {0}},
		{"1-", false, 0, {0}},
		{"0-7:2/4", false, 0, {0}},
		{" 1", false, 0, {0}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t mask[3] = {0};
		size_t len = 0;
		bool good = unit_limits_mask(rows[i].list, mask, sizeof(mask), &len);

		if (good != rows[i].good)
			fail_msg("\"%s\"", rows[i].list);
		if (!good)
			continue;
		assert_int_equal(len, rows[i].len);
		assert_memory_equal(mask, rows[i].mask, sizeof(mask));
	}
}

static void limits_that_contradict_are_refused(void **state)
{
	auto_systemd_properties struct systemd_properties p = {.n_words = 0};
	struct err err = ERR_INIT;

	(void)state;
	resources.memory = &memory;
	memory.limit = 6;
	memory.swap = 5;
	assert_int_equal(unit_limits_add(&p, &resources, 100000, &err), -EINVAL);
	assert_int_equal(err.status, WIRE_INVALID_ARGUMENT);
}

static void a_lack_of_memory_is_kept(void **state)
{
	(void)state;
	resources.pids = &pids;
	pids.limit = 1;
	OOM_SWEEP(n)
	{
		struct systemd_properties p = {.n_words = 0};

		oom_arm(n);
		assert_int_equal(unit_limits_add(&p, &resources, 100000, NULL), 0);
		oom_disarm();
		assert_int_equal(p.has_failed, oom_has_struck());
		systemd_properties_fini(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_is_not_set_is_no_property, reset),
		cmocka_unit_test_setup(each_limit_has_its_property, reset),
		cmocka_unit_test_setup(no_limit_is_infinity, reset),
		cmocka_unit_test_setup(a_quota_alone_is_of_the_period_that_is_there, reset),
		cmocka_unit_test(quotas_are_rounded_up),
		cmocka_unit_test(lists_become_masks),
		cmocka_unit_test_setup(limits_that_contradict_are_refused, reset),
		cmocka_unit_test_setup(a_lack_of_memory_is_kept, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
