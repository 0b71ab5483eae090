/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "agent/container/limits_place.h"
#include "base/io.h"
#include "wire/status.h"

static const char memsw_file[] = "memory.memsw.limit_in_bytes";

int limits_swap(int64_t memory, int64_t swap, int64_t *ret)
{
	if (swap < 0 || (swap == 0 && memory < 0)) {
		/* Unlimited memory without a word about swap: as in cgroup v1, no limit either. */
		*ret = INT64_MAX;
		return 0;
	}
	if (swap == 0) {
		*ret = -1;
		return 0;
	}
	if (memory <= 0 || swap < memory)
		return -EINVAL;
	*ret = swap - memory;
	return 0;
}

/* A kernel without swap accounting has no file, and no swap to use beyond 0. beyond: as limits_swap
 * gives it. */
static int put_swap(
	const struct limits_place *p, const char *file, const char *text, int64_t beyond)
{
	int r = p->fd < 0 ? -ENOENT : io_write_file(p->fd, file, text);

	if (r < 0 && !(r == -ENOENT && (beyond == 0 || beyond == INT64_MAX)))
		return err_sys(p->target->err, -r, "write \"%s\" to %s", text, file);
	return 0;
}

static int put_v2(const struct limits_place *p, const Grpc__LinuxMemory *m, int64_t swap)
{
	char text[LIMITS_TEXT_SIZE] = "max";
	int r = 0;

	if (swap >= 0 && swap != INT64_MAX)
		snprintf(text, sizeof(text), "%" PRId64, swap);
	if (swap >= 0)
		r = put_swap(p, "memory.swap.max", text, swap);
	if (r == 0)
		r = limits_put_number(p, "memory.max", m->limit);
	return r < 0 ? r : limits_put_number(p, "memory.low", m->reservation);
}

/* What memory and swap together are limited to now; INT64_MAX if that cannot be read. */
static int64_t read_memsw(const struct limits_place *p)
{
	auto_buf struct buf b = BUF_INIT;
	int64_t now;

	if (p->fd < 0 || io_read_file(p->fd, memsw_file, 64, &b) < 0 ||
		sscanf(buf_str(&b), "%" SCNd64, &now) != 1)
		return INT64_MAX;
	return now;
}

/* The kernel keeps memory's limit at or below that of both: the order is that of the direction. */
static int put_limits_v1(const struct limits_place *p, const Grpc__LinuxMemory *m, int64_t swap)
{
	static const char file[] = "memory.limit_in_bytes";
	char text[LIMITS_TEXT_SIZE] = "-1";
	int r;

	if (swap < 0)
		return limits_put_number(p, file, m->limit);
	if (swap != INT64_MAX)
		snprintf(text, sizeof(text), "%" PRId64, m->swap);
	if (swap == INT64_MAX || read_memsw(p) < m->swap) {
		r = put_swap(p, memsw_file, text, swap);
		return r < 0 ? r : limits_put_number(p, file, m->limit);
	}
	r = limits_put_number(p, file, m->limit);
	return r < 0 ? r : put_swap(p, memsw_file, text, swap);
}

static int put_swappiness(const struct limits_place *p, const Grpc__LinuxMemory *m)
{
	char text[LIMITS_TEXT_SIZE];

	if (!m->has_swappiness && m->swappiness == 0)
		return 0;
	snprintf(text, sizeof(text), "%" PRIu64, m->swappiness);
	return limits_put(p, "memory.swappiness", text);
}

/* A new cgroup has one. */
static int put_oom_control(const struct limits_place *p, const Grpc__LinuxMemory *m)
{
	if (!m->disableoomkiller && !(m->has_disableoomkiller && p->target->use == LIMITS_UPDATE))
		return 0;
	return limits_put(p, "memory.oom_control", m->disableoomkiller ? "1" : "0");
}

static int put_v1(const struct limits_place *p, const Grpc__LinuxMemory *m, int64_t swap)
{
	int r = put_limits_v1(p, m, swap);

	if (r == 0)
		r = limits_put_number(p, "memory.soft_limit_in_bytes", m->reservation);
	if (r == 0)
		r = limits_put_number(p, "memory.kmem.tcp.limit_in_bytes", m->kerneltcp);
	if (r == 0 && m->swappiness > 100)
		return err_status(p->target->err, EINVAL, WIRE_INVALID_ARGUMENT,
			"memory swappiness %" PRIu64 " is not in 0 to 100", m->swappiness);
	if (r == 0)
		r = put_swappiness(p, m);
	return r < 0 ? r : put_oom_control(p, m);
}

int limits_refuse_swap(const Grpc__LinuxMemory *m, struct err *err)
{
	return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
		"memory and swap together cannot be limited to %" PRId64
		" with a memory limit of %" PRId64,
		m->swap, m->limit);
}

/* v2 would kill for a limit that is below what is used, v1 refuses it. */
static int check_usage(const struct limits_place *p, const Grpc__LinuxMemory *m, struct err *err)
{
	auto_buf struct buf b = BUF_INIT;
	int64_t now;

	if (m->limit <= 0 || p->fd < 0 ||
		io_read_file(p->fd, p->unified ? "memory.current" : "memory.usage_in_bytes", 64,
			&b) < 0 ||
		sscanf(buf_str(&b), "%" SCNd64, &now) != 1 || now <= m->limit)
		return 0;
	return err_status(err, EBUSY, WIRE_FAILED_PRECONDITION,
		"memory cannot be limited to %" PRId64 ": %" PRId64 " are in use", m->limit, now);
}

int limits_put_memory(const struct limits_target *t, const Grpc__LinuxMemory *m)
{
	struct limits_place p = limits_find(t, CGROUP_MEMORY);
	int64_t swap;
	int r;

	if (limits_swap(m->limit, m->swap, &swap) < 0)
		return limits_refuse_swap(m, t->err);
	r = t->use == LIMITS_UPDATE && m->checkbeforeupdate ? check_usage(&p, m, t->err) : 0;
	if (r < 0)
		return r;
	return p.unified ? put_v2(&p, m, swap) : put_v1(&p, m, swap);
}
