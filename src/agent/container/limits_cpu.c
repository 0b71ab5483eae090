/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/container/limits_place.h"
#include "agent/container/report.h"
#include "base/io.h"

uint64_t limits_cpu_weight(uint64_t shares)
{
	if (shares < 2)
		shares = 2;
	if (shares > 262144)
		shares = 262144;
	return 1 + ((shares - 2) * 9999) / 262142;
}

static int put_number(const struct limits_place *p, const char *file, uint64_t number)
{
	char text[LIMITS_TEXT_SIZE];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	return limits_put(p, file, text);
}

static int put_unless_0(const struct limits_place *p, const char *file, uint64_t number)
{
	return number == 0 ? 0 : put_number(p, file, number);
}

/* Without an error text: for what may be tried again. */
static int try_number(const struct limits_place *p, const char *file, uint64_t number)
{
	struct limits_target quiet = *p->target;
	struct limits_place place = *p;

	quiet.err = NULL;
	place.target = &quiet;
	return put_number(&place, file, number);
}

/* A new period keeps the quota; a quota without a period keeps that. */
static int put_max(const struct limits_place *p, const Grpc__LinuxCPU *c)
{
	auto_buf struct buf now = BUF_INIT;
	char text[LIMITS_TEXT_SIZE], quota[24] = "max";

	if (c->quota == 0 && c->period == 0)
		return 0;
	if (c->quota > 0)
		snprintf(quota, sizeof(quota), "%" PRId64, c->quota);
	else if (c->quota == 0 && p->fd >= 0 && io_read_file(p->fd, "cpu.max", 64, &now) == 0 &&
		 *buf_str(&now))
		snprintf(quota, sizeof(quota), "%.*s", (int)strcspn(buf_str(&now), " \n"),
			buf_str(&now));
	if (c->period > 0)
		snprintf(text, sizeof(text), "%s %" PRIu64, quota, c->period);
	else
		snprintf(text, sizeof(text), "%s", quota);
	return limits_put(p, "cpu.max", text);
}

/* Period and quota are two files, and the kernel checks each against what the other still says: one
 * of the two orders works. */
static int put_bandwidth_v1(const struct limits_place *p, const Grpc__LinuxCPU *c)
{
	int r = c->period == 0 ? 0 : try_number(p, "cpu.cfs_period_us", c->period);

	if (r == 0)
		return limits_put_number(p, "cpu.cfs_quota_us", c->quota);
	r = limits_put_number(p, "cpu.cfs_quota_us", c->quota);
	return r < 0 ? r : put_unless_0(p, "cpu.cfs_period_us", c->period);
}

/* A burst is at most the quota: which of the two goes first depends on the direction. */
static int put_bandwidth(const struct limits_place *p, const Grpc__LinuxCPU *c)
{
	const char *file = p->unified ? "cpu.max.burst" : "cpu.cfs_burst_us";
	bool is_put = c->has_burst && try_number(p, file, c->burst) == 0;
	int r = p->unified ? put_max(p, c) : put_bandwidth_v1(p, c);

	return r < 0 || !c->has_burst || is_put ? r : put_number(p, file, c->burst);
}

/* Idle processes have no weight: they get one when they no longer are, and lose it last. */
static int put_weight(const struct limits_place *p, const Grpc__LinuxCPU *c)
{
	int r = c->has_idle && c->idle == 0 ? put_number(p, "cpu.idle", 0) : 0;

	if (r == 0 && c->shares > 0)
		r = p->unified ? put_number(p, "cpu.weight", limits_cpu_weight(c->shares))
			       : put_number(p, "cpu.shares", c->shares);
	if (r == 0 && c->has_idle && c->idle != 0)
		r = limits_put_number(p, "cpu.idle", c->idle);
	return r;
}

static int put_cpuset(const struct limits_target *t, const Grpc__LinuxCPU *c)
{
	struct limits_place p = limits_find(t, CGROUP_CPUSET);
	struct limits_target quiet = *t;
	int r = 0;

	if (c->cpus && *c->cpus && t->use == LIMITS_CREATE) {
		quiet.err = NULL;
		p.target = &quiet;
		r = limits_put(&p, "cpuset.cpus", c->cpus);
		/* They are the host's numbers; a guest may have fewer. */
		if (r < 0)
			report_log(t->report_fd, LOG_WARN, "cpuset.cpus \"%.64s\": %s", c->cpus,
				strerror(-r));
		p.target = t;
		r = 0;
	} else if (c->cpus && *c->cpus) {
		r = limits_put(&p, "cpuset.cpus", c->cpus);
	}
	if (r == 0 && c->mems && *c->mems)
		r = limits_put(&p, "cpuset.mems", c->mems);
	return r;
}

int limits_put_cpu(const struct limits_target *t, const Grpc__LinuxCPU *c)
{
	struct limits_place p = limits_find(t, CGROUP_CPU);
	int r = put_weight(&p, c);

	if (r == 0)
		r = put_bandwidth(&p, c);
	if (r == 0 && !p.unified)
		r = put_unless_0(&p, "cpu.rt_period_us", c->realtimeperiod);
	if (r == 0 && !p.unified)
		r = limits_put_number(&p, "cpu.rt_runtime_us", c->realtimeruntime);
	return r < 0 ? r : put_cpuset(t, c);
}
