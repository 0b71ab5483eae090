/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/container/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/container/report.h"
#include "base/io.h"
#include "wire/status.h"

enum { TEXT_SIZE = 96 };

struct target {
	int cgroup_fd, report_fd;
	struct err *err;
};

static bool is_default(const char *text)
{
	return strcmp(text, "max") == 0 || strncmp(text, "max ", 4) == 0;
}

static int put(const struct target *t, const char *file, const char *text)
{
	int r = io_write_file(t->cgroup_fd, file, text);

	if (r == 0 || (r == -ENOENT && is_default(text)))
		return 0;
	if (r == -ENOENT)
		return err_set(t->err, ENOENT,
			"cannot limit %s to %s: the cgroup has no such controller", file, text);
	return err_sys(t->err, -r, "write \"%s\" to %s", text, file);
}

static int put_limit(const struct target *t, const char *file, int64_t value)
{
	char text[TEXT_SIZE] = "max";

	if (value == 0)
		return 0;
	if (value > 0)
		snprintf(text, sizeof(text), "%" PRId64, value);
	return put(t, file, text);
}

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

static int put_memory(const struct target *t, const Grpc__LinuxMemory *m)
{
	char text[TEXT_SIZE] = "max";
	int64_t swap;
	int r;

	if (limits_swap(m->limit, m->swap, &swap) < 0)
		return err_status(t->err, EINVAL, WIRE_INVALID_ARGUMENT,
			"memory and swap together cannot be limited to %" PRId64
			" with a memory limit of %" PRId64,
			m->swap, m->limit);
	if (swap >= 0) {
		if (swap != INT64_MAX)
			snprintf(text, sizeof(text), "%" PRId64, swap);
		/* A kernel without swap accounting has no file, and no swap to use beyond 0. */
		r = io_write_file(t->cgroup_fd, "memory.swap.max", text);
		if (r < 0 && !(r == -ENOENT && (swap == 0 || swap == INT64_MAX)))
			return err_sys(t->err, -r, "write \"%s\" to memory.swap.max", text);
	}
	r = put_limit(t, "memory.max", m->limit);
	return r < 0 ? r : put_limit(t, "memory.low", m->reservation);
}

uint64_t limits_cpu_weight(uint64_t shares)
{
	if (shares < 2)
		shares = 2;
	if (shares > 262144)
		shares = 262144;
	return 1 + ((shares - 2) * 9999) / 262142;
}

static int put_cpu(const struct target *t, const Grpc__LinuxCPU *c)
{
	char text[TEXT_SIZE], quota[24] = "max";
	int r = 0;

	if (c->shares > 0) {
		snprintf(text, sizeof(text), "%" PRIu64, limits_cpu_weight(c->shares));
		r = put(t, "cpu.weight", text);
	}
	if (r == 0 && (c->quota != 0 || c->period != 0)) {
		if (c->quota > 0)
			snprintf(quota, sizeof(quota), "%" PRId64, c->quota);
		snprintf(text, sizeof(text), "%s %" PRIu64, quota,
			c->period ? c->period : UINT64_C(100000));
		r = put(t, "cpu.max", text);
	}
	if (r == 0 && c->cpus && *c->cpus) {
		int failed = io_write_file(t->cgroup_fd, "cpuset.cpus", c->cpus);

		/* They are the host's numbers; a guest may have fewer. */
		if (failed < 0)
			report_log(t->report_fd, LOG_WARN, "cpuset.cpus \"%.64s\": %s", c->cpus,
				strerror(-failed));
	}
	if (r == 0 && c->mems && *c->mems)
		r = put(t, "cpuset.mems", c->mems);
	return r;
}

static int put_throttles(
	const struct target *t, const char *key, Grpc__LinuxThrottleDevice *const *list, size_t n)
{
	char text[TEXT_SIZE], rate[24];
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		snprintf(rate, sizeof(rate), "%" PRIu64, list[i]->rate);
		snprintf(text, sizeof(text), "%" PRId64 ":%" PRId64 " %s=%s", list[i]->major,
			list[i]->minor, key, list[i]->rate ? rate : "max");
		r = put(t, "io.max", text);
	}
	return r;
}

static int put_io(const struct target *t, const Grpc__LinuxBlockIO *io)
{
	char text[TEXT_SIZE];
	int r = 0;

	if (io->weight > 0) {
		unsigned int w = io->weight < 10 ? 10 : io->weight > 1000 ? 1000 : io->weight;

		/* BFQ takes blkio's own scale, the others 1 to 10000. */
		snprintf(text, sizeof(text), "%u", w);
		if (io_write_file(t->cgroup_fd, "io.bfq.weight", text) < 0) {
			snprintf(text, sizeof(text), "default %u", 1 + (w - 10) * 9999 / 990);
			r = put(t, "io.weight", text);
		}
	}
	for (size_t i = 0; i < io->n_weightdevice && r == 0; i++) {
		const Grpc__LinuxWeightDevice *d = io->weightdevice[i];

		snprintf(text, sizeof(text), "%" PRId64 ":%" PRId64 " %u", d->major, d->minor,
			d->weight);
		r = put(t, "io.bfq.weight", text);
	}
	if (r == 0)
		r = put_throttles(
			t, "rbps", io->throttlereadbpsdevice, io->n_throttlereadbpsdevice);
	if (r == 0)
		r = put_throttles(
			t, "wbps", io->throttlewritebpsdevice, io->n_throttlewritebpsdevice);
	if (r == 0)
		r = put_throttles(
			t, "riops", io->throttlereadiopsdevice, io->n_throttlereadiopsdevice);
	if (r == 0)
		r = put_throttles(
			t, "wiops", io->throttlewriteiopsdevice, io->n_throttlewriteiopsdevice);
	return r;
}

/* "2MB", "1GB": becomes part of a file name. */
static bool is_page_size(const char *s)
{
	size_t digits = strspn(s, "0123456789");

	return digits > 0 && digits < 8 && strchr("KMG", s[digits]) && s[digits] &&
	       strcmp(s + digits + 1, "B") == 0;
}

static int put_hugepages(const struct target *t, const Grpc__LinuxHugepageLimit *h)
{
	char file[32], text[TEXT_SIZE];

	if (!h->pagesize || !is_page_size(h->pagesize))
		return err_status(t->err, EINVAL, WIRE_INVALID_ARGUMENT, "huge page size \"%.32s\"",
			h->pagesize ? h->pagesize : "");
	snprintf(file, sizeof(file), "hugetlb.%s.max", h->pagesize);
	snprintf(text, sizeof(text), "%" PRIu64, h->limit);
	return put(t, file, text);
}

int limits_apply(
	int cgroup_fd, const Grpc__LinuxResources *resources, int report_fd, struct err *err)
{
	struct target t = {.cgroup_fd = cgroup_fd, .report_fd = report_fd, .err = err};
	int r = 0;

	if (!resources)
		return 0;
	if (resources->memory)
		r = put_memory(&t, resources->memory);
	if (r == 0 && resources->cpu)
		r = put_cpu(&t, resources->cpu);
	if (r == 0 && resources->pids)
		r = put_limit(&t, "pids.max", resources->pids->limit);
	if (r == 0 && resources->blockio)
		r = put_io(&t, resources->blockio);
	for (size_t i = 0; i < resources->n_hugepagelimits && r == 0; i++)
		r = put_hugepages(&t, resources->hugepagelimits[i]);
	return r;
}
