/* SPDX-License-Identifier: Apache-2.0 */
/* How large a machine has to be for its containers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/sizing.h"

static const struct sizing max = {.vcpus = 16, .memory_mib = 65536};

static struct config_hypervisor config(double vcpus, uint32_t mib)
{
	return (struct config_hypervisor){.default_vcpus = vcpus,
		.default_memory_mib = mib,
		.overhead_vcpus = 0.2,
		.overhead_memory_mib = 33};
}

static struct sizing_need need_of(int64_t quota, uint64_t period, int64_t memory, const char *cpus)
{
	Grpc__LinuxResources resources = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxCPU cpu = GRPC__LINUX_CPU__INIT;
	Grpc__LinuxMemory mem = GRPC__LINUX_MEMORY__INIT;
	struct sizing_need need = {.micro_cpus = 0};

	cpu.has_quota = quota != 0;
	cpu.quota = quota;
	cpu.has_period = period != 0;
	cpu.period = period;
	cpu.cpus = (char *)(uintptr_t)cpus;
	mem.has_limit = memory != 0;
	mem.limit = memory;
	resources.cpu = &cpu;
	resources.memory = &mem;
	sizing_read(&resources, &need);
	return need;
}

static void what_a_container_needs_is_quota_and_limit(void **state)
{
	static const struct {
		int64_t quota;
		uint64_t period;
		int64_t memory;
		uint64_t micro, mib;
	} rows[] = {
		{0, 0, 0, 0, 0},
		{-1, 100000, -1, 0, 0},
		{50000, 100000, 1 << 20, 500000, 1},
		{50000, 0, 1, 500000, 1}, /* the kernel's default period */
		{1, 1000000, (1 << 20) + 1, 1, 2},
		{100000, 300000, INT64_MAX, 333333, UINT64_C(1) << 40},
		{INT64_MAX, 1, INT64_MIN, UINT64_C(1) << 40, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sizing_need need =
			need_of(rows[i].quota, rows[i].period, rows[i].memory, NULL);

		if (need.micro_cpus != rows[i].micro || need.memory_mib != rows[i].mib)
			fail_msg("row %zu: %llu, %llu", i, (unsigned long long)need.micro_cpus,
				(unsigned long long)need.memory_mib);
	}
}

static void an_update_changes_what_it_speaks_of(void **state)
{
	struct sizing_need need = need_of(200000, 100000, 64 << 20, "0-1");
	Grpc__LinuxResources resources = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxMemory memory = GRPC__LINUX_MEMORY__INIT;
	Grpc__LinuxHugepageLimit huge = GRPC__LINUX_HUGEPAGE_LIMIT__INIT;
	Grpc__LinuxHugepageLimit *limits[] = {&huge, &huge};

	(void)state;
	resources.memory = &memory;
	sizing_read(&resources, &need);
	assert_int_equal(need.memory_mib, 64);
	memory.has_limit = true;
	memory.limit = 128 << 20;
	huge.limit = 4 << 20;
	resources.hugepagelimits = limits;
	resources.n_hugepagelimits = 2;
	sizing_read(&resources, &need);
	assert_int_equal(need.memory_mib, 128);
	assert_int_equal(need.huge_mib, 8);
	assert_int_equal(need.micro_cpus, 2000000);
	sizing_read(NULL, &need);
	assert_int_equal(need.memory_mib, 128);
}

static void the_machine_fits_the_sum(void **state)
{
	struct config_hypervisor hv = config(1, 2048);
	struct sizing_need total = {.micro_cpus = 0}, third = need_of(100000, 300000, 0, NULL);
	struct sizing size = sizing_compute(&hv, &total, &max);

	(void)state;
	assert_int_equal(size.vcpus, 1);
	assert_int_equal(size.memory_mib, 2048);
	for (int i = 0; i < 3; i++)
		sizing_add(&total, &third);
	assert_int_equal(sizing_compute(&hv, &total, &max).vcpus, 2);
	sizing_add(&total, &third);
	assert_int_equal(sizing_compute(&hv, &total, &max).vcpus, 3);
	hv.default_vcpus = 0.6;
	assert_int_equal(sizing_compute(&hv, &total, &max).vcpus, 2);

	total = need_of(150000, 100000, 100 << 20, NULL);
	third = need_of(150000, 100000, 1000 << 20, "0-7");
	sizing_add(&total, &third);
	size = sizing_compute(&hv, &total, &max);
	assert_int_equal(size.vcpus, 4); /* 3.6; quotas count before cpusets */
	assert_int_equal(size.memory_mib, 2048 + 1100);
	third = need_of(INT64_MAX, 1000, INT64_MAX, NULL);
	for (int i = 0; i < 5; i++)
		sizing_add(&total, &third);
	size = sizing_compute(&hv, &total, &max);
	assert_int_equal(size.vcpus, 16);
	assert_int_equal(size.memory_mib, 65536);
}

static void cpusets_count_where_nobody_has_a_quota(void **state)
{
	static const struct {
		const char *list;
		uint32_t vcpus;
	} rows[] = {
		{"", 1},
		{"0", 2},
		{"0-3,5", 6},
		{"3,3,3-3", 2},
		{"1023", 2},
		{"1024", 1},
		{"0-1024", 1},
		{"99999999999999999999", 1},
		{"3-1", 1},
		{"0-63:2/8", 1},
		{"0-", 1},
		{"-1", 1},
		{"1,", 2},
		{",", 1},
		{"a", 1},
	};
	struct config_hypervisor hv = config(1, 128);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sizing_need need = need_of(0, 0, 0, rows[i].list);

		if (sizing_compute(&hv, &need, &max).vcpus != rows[i].vcpus)
			fail_msg(
				"\"%s\": %u", rows[i].list, sizing_compute(&hv, &need, &max).vcpus);
	}
}

static int read_pod(char *key, char *value, struct sizing_need *ret, struct err *err)
{
	Grpc__Spec spec = GRPC__SPEC__INIT;
	Grpc__Spec__AnnotationsEntry other = GRPC__SPEC__ANNOTATIONS_ENTRY__INIT,
				     entry = GRPC__SPEC__ANNOTATIONS_ENTRY__INIT;
	Grpc__Spec__AnnotationsEntry *entries[] = {&other, &entry};
	char other_key[] = "io.kubernetes.cri.sandbox-cpu-period", other_value[] = "200000";

	other.key = other_key;
	other.value = other_value;
	entry.key = key;
	entry.value = value;
	spec.annotations = entries;
	spec.n_annotations = 2;
	return sizing_read_pod(&spec, ret, err);
}

static void a_machine_of_fixed_size_is_made_for_the_pod(void **state)
{
	char quota[] = "io.kubernetes.cri.sandbox-cpu-quota";
	char memory[] = "io.kubernetes.cri.sandbox-memory";
	struct config_hypervisor hv = config(3, 2047);
	struct sizing_need need;
	struct err err = ERR_INIT;
	struct sizing size;

	(void)state;
	assert_int_equal(read_pod(quota, (char[]){"-1"}, &need, &err), 0);
	size = sizing_compute_static(&hv, &need);
	assert_int_equal(size.vcpus, 3);
	assert_int_equal(size.memory_mib, 2048);
	assert_int_equal(read_pod(quota, (char[]){"380000"}, &need, &err), 0);
	assert_int_equal(sizing_compute_static(&hv, &need).vcpus, 3); /* 1.9 + 0.2 */
	assert_int_equal(read_pod(quota, (char[]){"1"}, &need, &err), 0);
	assert_int_equal(sizing_compute_static(&hv, &need).vcpus, 1);
	assert_int_equal(read_pod(memory, (char[]){"134217728"}, &need, &err), 0);
	assert_int_equal(sizing_compute_static(&hv, &need).memory_mib, 162); /* 128 + 33, even */
	assert_int_equal(read_pod(memory, (char[]){"18446744073709551615"}, &need, &err), 0);
	assert_int_equal(read_pod(memory, (char[]){"18446744073709551616"}, &need, &err), -EINVAL);
	assert_string_equal(err.msg, "annotation io.kubernetes.cri.sandbox-memory: "
				     "\"18446744073709551616\" is no number");
	err = (struct err)ERR_INIT;
	assert_int_equal(read_pod(memory, (char[]){"1Gi"}, &need, &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_container_needs_is_quota_and_limit),
		cmocka_unit_test(an_update_changes_what_it_speaks_of),
		cmocka_unit_test(the_machine_fits_the_sum),
		cmocka_unit_test(cpusets_count_where_nobody_has_a_quota),
		cmocka_unit_test(a_machine_of_fixed_size_is_made_for_the_pod),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
