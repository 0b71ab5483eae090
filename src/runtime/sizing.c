/* SPDX-License-Identifier: Apache-2.0 */
/* CPUs are counted in millionths, rounded down: thirds of one add up to a whole one, and no more. */
#include "runtime/sizing.h"

#include <string.h>

enum { MICRO = 1000000, DEFAULT_PERIOD_US = 100000, MIB_SHIFT = 20, WORD_BITS = 64 };

/* More than any machine has; far from the end of the numbers. */
static const uint64_t MEMORY_MAX_MIB = UINT64_C(1) << 40, MICRO_CPUS_MAX = UINT64_C(1) << 40;

static uint64_t add_up_to(uint64_t a, uint64_t b, uint64_t max)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) || sum > max ? max : sum;
}

/* ---- Reading ---- */

static uint64_t compute_micro_cpus(int64_t quota_us, uint64_t period_us)
{
	uint64_t micro;

	if (quota_us <= 0)
		return 0;
	if (period_us == 0)
		period_us = DEFAULT_PERIOD_US;
	if (__builtin_mul_overflow((uint64_t)quota_us, MICRO, &micro))
		return MICRO_CPUS_MAX;
	micro /= period_us;
	return micro > MICRO_CPUS_MAX ? MICRO_CPUS_MAX : micro > 0 ? micro : 1;
}

static uint64_t compute_mib(uint64_t bytes)
{
	uint64_t mib = (bytes >> MIB_SHIFT) + ((bytes & ((1U << MIB_SHIFT) - 1)) != 0);

	return mib > MEMORY_MAX_MIB ? MEMORY_MAX_MIB : mib;
}

static bool scan_number(const char **at, uint32_t *ret)
{
	const char *s = *at;
	uint32_t n = 0;

	for (; *s >= '0' && *s <= '9' && n < SIZING_CPUS_MAX; s++)
		n = n * 10 + (uint32_t)(*s - '0');
	*ret = n;
	if (s == *at || n >= SIZING_CPUS_MAX)
		return false;
	*at = s;
	return true;
}

static void set_cpus(uint64_t *cpus, uint32_t first, uint32_t last)
{
	for (uint32_t i = first; i <= last; i++)
		cpus[i / WORD_BITS] |= UINT64_C(1) << i % WORD_BITS;
}

/* "0-3,5". Strides, and what is no list, count nothing: it is the guest that has to refuse them. */
static void read_cpuset(const char *text, uint64_t *ret)
{
	uint64_t cpus[SIZING_CPUS_MAX / WORD_BITS] = {0};
	const char *at = text;
	uint32_t first, last;

	while (*at) {
		if (!scan_number(&at, &first))
			return;
		last = first;
		if (*at == '-') {
			at++;
			if (!scan_number(&at, &last))
				return;
		}
		if (*at != '\0' && *at != ',')
			return;
		set_cpus(cpus, first, last);
		at += *at == ',';
	}
	memcpy(ret, cpus, sizeof(cpus));
}

void sizing_read(const Grpc__LinuxResources *resources, struct sizing_need *need)
{
	const Grpc__LinuxCPU *cpu = resources ? resources->cpu : NULL;
	const Grpc__LinuxMemory *memory = resources ? resources->memory : NULL;
	uint64_t huge_mib = 0;

	if (cpu && cpu->has_quota)
		need->micro_cpus =
			compute_micro_cpus(cpu->quota, cpu->has_period ? cpu->period : 0);
	if (cpu && cpu->cpus && *cpu->cpus)
		read_cpuset(cpu->cpus, need->cpus);
	if (memory && memory->has_limit)
		need->memory_mib = memory->limit > 0 ? compute_mib((uint64_t)memory->limit) : 0;
	if (!resources || resources->n_hugepagelimits == 0)
		return;
	for (size_t i = 0; i < resources->n_hugepagelimits; i++)
		huge_mib = add_up_to(
			huge_mib, compute_mib(resources->hugepagelimits[i]->limit), MEMORY_MAX_MIB);
	need->huge_mib = huge_mib;
}

/* A whole number; -1 and 0 say that there is no limit. */
static int read_annotation(const Grpc__Spec *spec, const char *key, uint64_t *ret, struct err *err)
{
	for (size_t i = 0; i < spec->n_annotations; i++) {
		const char *text = spec->annotations[i]->value;
		uint64_t n = 0;

		if (!spec->annotations[i]->key || strcmp(spec->annotations[i]->key, key) != 0)
			continue;
		if (!text || strcmp(text, "-1") == 0)
			return 0;
		for (const char *s = text; *s; s++)
			if (*s < '0' || *s > '9' || __builtin_mul_overflow(n, 10, &n) ||
				__builtin_add_overflow(n, (uint64_t)(*s - '0'), &n))
				return err_set(err, EINVAL, "annotation %s: \"%.64s\" is no number",
					key, text);
		*ret = n;
	}
	return 0;
}

int sizing_read_pod(const Grpc__Spec *spec, struct sizing_need *ret, struct err *err)
{
	uint64_t quota = 0, period = 0, memory = 0;
	int r = read_annotation(spec, "io.kubernetes.cri.sandbox-cpu-quota", &quota, err);

	if (r == 0)
		r = read_annotation(spec, "io.kubernetes.cri.sandbox-cpu-period", &period, err);
	if (r == 0)
		r = read_annotation(spec, "io.kubernetes.cri.sandbox-memory", &memory, err);
	if (r < 0)
		return r;
	*ret = (struct sizing_need){.micro_cpus = compute_micro_cpus(
					    quota > INT64_MAX ? INT64_MAX : (int64_t)quota, period),
		.memory_mib = compute_mib(memory)};
	return 0;
}

/* ---- Computing ---- */

void sizing_add(struct sizing_need *total, const struct sizing_need *one)
{
	total->micro_cpus = add_up_to(total->micro_cpus, one->micro_cpus, MICRO_CPUS_MAX);
	total->memory_mib = add_up_to(total->memory_mib, one->memory_mib, MEMORY_MAX_MIB);
	total->huge_mib = add_up_to(total->huge_mib, one->huge_mib, MEMORY_MAX_MIB);
	for (size_t i = 0; i < ARRAY_SIZE(total->cpus); i++)
		total->cpus[i] |= one->cpus[i];
}

static uint64_t count_cpus(const struct sizing_need *need)
{
	uint64_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(need->cpus); i++)
		n += (uint64_t)__builtin_popcountll(need->cpus[i]);
	return n;
}

static uint64_t to_micro(double vcpus)
{
	return vcpus > 0 ? (uint64_t)(vcpus * MICRO + 0.5) : 0;
}

/* At least one. */
static uint64_t round_up_cpus(uint64_t micro)
{
	uint64_t n = micro / MICRO + (micro % MICRO != 0);

	return n > 0 ? n : 1;
}

static uint64_t at_most(uint64_t n, uint64_t max)
{
	return n < max ? n : max;
}

struct sizing sizing_compute(const struct config_hypervisor *config,
	const struct sizing_need *total, const struct sizing *max)
{
	uint64_t micro = total->micro_cpus > 0 ? total->micro_cpus : count_cpus(total) * MICRO;
	uint64_t vcpus = round_up_cpus(to_micro(config->default_vcpus) + micro);

	return (struct sizing){.vcpus = (uint32_t)at_most(vcpus, max->vcpus),
		.memory_mib =
			at_most(config->default_memory_mib + total->memory_mib, max->memory_mib)};
}

struct sizing sizing_compute_static(
	const struct config_hypervisor *config, const struct sizing_need *total)
{
	uint64_t vcpus = round_up_cpus(to_micro(config->default_vcpus));
	uint64_t memory = config->default_memory_mib;

	if (total->micro_cpus > 0)
		vcpus = round_up_cpus(to_micro(config->overhead_vcpus) + total->micro_cpus);
	if (total->memory_mib > 0)
		memory = config->overhead_memory_mib + total->memory_mib + total->huge_mib;
	memory += memory & 1;
	return (struct sizing){.vcpus = (uint32_t)at_most(vcpus, UINT32_MAX), .memory_mib = memory};
}
