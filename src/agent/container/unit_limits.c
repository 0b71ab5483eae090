/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/container/unit_limits.h"

#include <string.h>

#include "agent/container/limits.h"
#include "wire/status.h"

enum { MASK_SIZE = 1024 /* of 8192 processors, the most that Linux has */ };

static const uint64_t us_per_s = 1000000, quota_step_us = 10000;

uint64_t unit_limits_quota(int64_t quota_us, uint64_t period_us)
{
	uint64_t quota = (uint64_t)quota_us, product, per_s;

	if (quota_us <= 0 || period_us == 0 || __builtin_mul_overflow(quota, us_per_s, &product))
		return UINT64_MAX;
	per_s = product / period_us;
	return (per_s + quota_step_us - 1) / quota_step_us * quota_step_us;
}

static bool take_number(const char **at, size_t max, size_t *ret)
{
	size_t n = 0;

	if (**at < '0' || **at > '9')
		return false;
	for (; **at >= '0' && **at <= '9'; (*at)++) {
		n = n * 10 + (size_t)(**at - '0');
		if (n >= max)
			return false;
	}
	*ret = n;
	return true;
}

bool unit_limits_mask(const char *list, uint8_t *mask, size_t size, size_t *ret_len)
{
	size_t first, last, len = 0;

	memset(mask, 0, size);
	do {
		if (!take_number(&list, size * 8, &first))
			return false;
		last = first;
		if (*list == '-' && (list++, !take_number(&list, size * 8, &last)))
			return false;
		if (last < first)
			return false;
		for (size_t i = first; i <= last; i++)
			mask[i / 8] |= (uint8_t)(1 << i % 8);
		if (last / 8 >= len)
			len = last / 8 + 1;
	} while (*list == ',' && list++);
	*ret_len = len;
	return *list == '\0' || *list == '\n';
}

/* A list of another form is left to the cgroup's file. */
static void add_mask(struct systemd_properties *p, const char *name, const char *list)
{
	uint8_t mask[MASK_SIZE];
	size_t len;

	if (list && *list && unit_limits_mask(list, mask, sizeof(mask), &len))
		systemd_add_bytes(p, name, mask, len);
}

static void add_cpu(struct systemd_properties *p, const Grpc__LinuxCPU *c, uint64_t period_us)
{
	if (c->shares > 0)
		systemd_add_number(p, "CPUWeight", limits_cpu_weight(c->shares));
	if (c->period > 0)
		systemd_add_number(p, "CPUQuotaPeriodUSec", c->period);
	if (c->quota != 0)
		systemd_add_number(p, "CPUQuotaPerSecUSec",
			unit_limits_quota(c->quota, c->period > 0 ? c->period : period_us));
	add_mask(p, "AllowedCPUs", c->cpus);
	add_mask(p, "AllowedMemoryNodes", c->mems);
}

/* Nothing for 0; no limit for negative numbers. */
static void add_limit(struct systemd_properties *p, const char *name, int64_t limit)
{
	if (limit != 0)
		systemd_add_number(p, name, limit < 0 ? UINT64_MAX : (uint64_t)limit);
}

static int add_memory(struct systemd_properties *p, const Grpc__LinuxMemory *m, struct err *err)
{
	int64_t swap;

	if (limits_swap(m->limit, m->swap, &swap) < 0)
		return limits_refuse_swap(m, err);
	if (swap >= 0)
		systemd_add_number(
			p, "MemorySwapMax", swap == INT64_MAX ? UINT64_MAX : (uint64_t)swap);
	add_limit(p, "MemoryMax", m->limit);
	add_limit(p, "MemoryLow", m->reservation);
	return 0;
}

int unit_limits_add(struct systemd_properties *p, const Grpc__LinuxResources *resources,
	uint64_t period_us, struct err *err)
{
	int r = 0;

	if (!resources)
		return 0;
	if (resources->memory)
		r = add_memory(p, resources->memory, err);
	if (resources->cpu)
		add_cpu(p, resources->cpu, period_us);
	if (resources->pids)
		add_limit(p, "TasksMax", resources->pids->limit);
	if (resources->blockio && resources->blockio->weight > 0)
		systemd_add_number(p, "IOWeight", limits_io_weight(resources->blockio->weight));
	return r;
}
