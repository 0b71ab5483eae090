/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/container/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/container/limits_place.h"
#include "agent/container/report.h"
#include "base/io.h"
#include "wire/status.h"

struct limits_place limits_find(const struct limits_target *t, enum cgroup_controller controller)
{
	struct limits_place p = {.target = t, .controller = controller};

	p.fd = cgroup_fd_of(t->cgroup, controller, &p.unified);
	return p;
}

static bool is_default(const char *text)
{
	return strcmp(text, "max") == 0 || strncmp(text, "max ", 4) == 0 || strcmp(text, "-1") == 0;
}

int limits_put(const struct limits_place *p, const char *file, const char *text)
{
	int r = p->fd < 0 ? -ENOENT : io_write_file(p->fd, file, text);

	if (r == 0 || (r == -ENOENT && is_default(text)))
		return 0;
	if (r == -ENOENT)
		return err_set(p->target->err, ENOENT,
			"cannot limit %s to %s: the cgroup has no such controller", file, text);
	return err_sys(p->target->err, -r, "write \"%s\" to %s", text, file);
}

int limits_put_number(const struct limits_place *p, const char *file, int64_t value)
{
	char text[LIMITS_TEXT_SIZE];

	if (value == 0)
		return 0;
	/* pids.max is spelled alike in both. */
	if (value < 0)
		return limits_put(
			p, file, p->unified || p->controller == CGROUP_PIDS ? "max" : "-1");
	snprintf(text, sizeof(text), "%" PRId64, value);
	return limits_put(p, file, text);
}

uint64_t limits_cpu_weight(uint64_t shares)
{
	if (shares < 2)
		shares = 2;
	if (shares > 262144)
		shares = 262144;
	return 1 + ((shares - 2) * 9999) / 262142;
}

static int put_cpu_v2(const struct limits_place *p, const Grpc__LinuxCPU *c)
{
	char text[LIMITS_TEXT_SIZE], quota[24] = "max";
	int r = 0;

	if (c->shares > 0) {
		snprintf(text, sizeof(text), "%" PRIu64, limits_cpu_weight(c->shares));
		r = limits_put(p, "cpu.weight", text);
	}
	if (r < 0 || (c->quota == 0 && c->period == 0))
		return r;
	if (c->quota > 0)
		snprintf(quota, sizeof(quota), "%" PRId64, c->quota);
	snprintf(
		text, sizeof(text), "%s %" PRIu64, quota, c->period ? c->period : UINT64_C(100000));
	return limits_put(p, "cpu.max", text);
}

static int put_period(const struct limits_place *p, const char *file, uint64_t period)
{
	char text[LIMITS_TEXT_SIZE];

	if (period == 0)
		return 0;
	snprintf(text, sizeof(text), "%" PRIu64, period);
	return limits_put(p, file, text);
}

/* Period and quota are two files, and the kernel checks each against what the other still says: one
 * of the two orders works. */
static int put_bandwidth_v1(const struct limits_place *p, const Grpc__LinuxCPU *c)
{
	struct limits_target quiet = *p->target;
	struct limits_place first = *p;
	int r;

	quiet.err = NULL;
	first.target = &quiet;
	r = put_period(&first, "cpu.cfs_period_us", c->period);
	if (r == 0)
		return limits_put_number(p, "cpu.cfs_quota_us", c->quota);
	r = limits_put_number(p, "cpu.cfs_quota_us", c->quota);
	return r < 0 ? r : put_period(p, "cpu.cfs_period_us", c->period);
}

static int put_cpu_v1(const struct limits_place *p, const Grpc__LinuxCPU *c)
{
	int r = put_period(p, "cpu.shares", c->shares);

	if (r == 0)
		r = put_bandwidth_v1(p, c);
	if (r == 0)
		r = put_period(p, "cpu.rt_period_us", c->realtimeperiod);
	return r < 0 ? r : limits_put_number(p, "cpu.rt_runtime_us", c->realtimeruntime);
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

static int put_cpu(const struct limits_target *t, const Grpc__LinuxCPU *c)
{
	struct limits_place p = limits_find(t, CGROUP_CPU);
	int r = p.unified ? put_cpu_v2(&p, c) : put_cpu_v1(&p, c);

	return r < 0 ? r : put_cpuset(t, c);
}

/* "2MB", "1GB": becomes part of a file name. */
static bool is_page_size(const char *s)
{
	size_t digits = strspn(s, "0123456789");

	return digits > 0 && digits < 8 && strchr("KMG", s[digits]) && s[digits] &&
	       strcmp(s + digits + 1, "B") == 0;
}

static int put_hugepages(const struct limits_target *t, const Grpc__LinuxHugepageLimit *h)
{
	struct limits_place p = limits_find(t, CGROUP_HUGETLB);
	char file[48], text[LIMITS_TEXT_SIZE];

	if (!h->pagesize || !is_page_size(h->pagesize))
		return err_status(t->err, EINVAL, WIRE_INVALID_ARGUMENT, "huge page size \"%.32s\"",
			h->pagesize ? h->pagesize : "");
	snprintf(file, sizeof(file), "hugetlb.%s.%s", h->pagesize,
		p.unified ? "max" : "limit_in_bytes");
	snprintf(text, sizeof(text), "%" PRIu64, h->limit);
	return limits_put(&p, file, text);
}

static int put_network(const struct limits_target *t, const Grpc__LinuxNetwork *n)
{
	struct limits_place class = limits_find(t, CGROUP_NET_CLS),
			    priority = limits_find(t, CGROUP_NET_PRIO);
	char text[LIMITS_TEXT_SIZE];
	int r = 0;

	if (n->classid > 0 && !class.unified) {
		snprintf(text, sizeof(text), "%" PRIu32, n->classid);
		r = limits_put(&class, "net_cls.classid", text);
	}
	for (size_t i = 0; i < n->n_priorities && r == 0 && !priority.unified; i++) {
		const Grpc__LinuxInterfacePriority *p = n->priorities[i];

		snprintf(text, sizeof(text), "%.64s %" PRIu32, p->name ? p->name : "", p->priority);
		r = limits_put(&priority, "net_prio.ifpriomap", text);
	}
	return r;
}

int limits_apply(const struct cgroup *cgroup, const Grpc__LinuxResources *resources,
	enum limits_use use, int report_fd, struct err *err)
{
	struct limits_target t = {.cgroup = cgroup, .use = use, .report_fd = report_fd, .err = err};
	struct limits_place pids = limits_find(&t, CGROUP_PIDS);
	int r = 0;

	if (!resources)
		return 0;
	if (resources->memory)
		r = limits_put_memory(&t, resources->memory);
	if (r == 0 && resources->cpu)
		r = put_cpu(&t, resources->cpu);
	if (r == 0 && resources->pids)
		r = limits_put_number(&pids, "pids.max", resources->pids->limit);
	if (r == 0 && resources->blockio)
		r = limits_put_io(&t, resources->blockio);
	for (size_t i = 0; i < resources->n_hugepagelimits && r == 0; i++)
		r = put_hugepages(&t, resources->hugepagelimits[i]);
	if (r == 0 && resources->network)
		r = put_network(&t, resources->network);
	return r;
}
