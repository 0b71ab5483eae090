/* SPDX-License-Identifier: Apache-2.0 */
/* The agent speaks v1's language: times come in nanoseconds, and "no limit" of pids as 0. */
#include <stdlib.h>
#include <strings.h>

#include "base/clock.h"
#include "cgroup_metrics_v2.pb-c.h"
#include "runtime/metrics_private.h"

enum {
	FIELD_PIDS = 1,
	FIELD_CPU = 2,
	FIELD_MEMORY = 4,
	FIELD_IO = 6,
	FIELD_HUGETLB = 7,
	FIELD_NETWORK = 9,
	MAX_DEVICES = 128, /* a guest has tens of disks; more are left out */
};

#define ROW(field) METRICS_ROW(Io__Containerd__Cgroups__V2__MemoryStat, #field, field)

static const struct metrics_row memory_rows[] = {
	ROW(anon),
	ROW(file),
	ROW(kernel_stack),
	ROW(slab),
	ROW(sock),
	ROW(shmem),
	ROW(file_mapped),
	ROW(file_dirty),
	ROW(file_writeback),
	ROW(anon_thp),
	ROW(inactive_anon),
	ROW(active_anon),
	ROW(inactive_file),
	ROW(active_file),
	ROW(unevictable),
	ROW(slab_reclaimable),
	ROW(slab_unreclaimable),
	ROW(pgfault),
	ROW(pgmajfault),
	ROW(workingset_refault),
	ROW(workingset_activate),
	ROW(workingset_nodereclaim),
	ROW(pgrefill),
	ROW(pgscan),
	ROW(pgsteal),
	ROW(pgactivate),
	ROW(pgdeactivate),
	ROW(pglazyfree),
	ROW(pglazyfreed),
	ROW(thp_fault_alloc),
	ROW(thp_collapse_alloc),
	ROW(workingset_refault_anon),
	ROW(workingset_refault_file),
	ROW(workingset_activate_anon),
	ROW(workingset_activate_file),
};

static int put_pids(const Grpc__PidsStats *from, struct buf *b)
{
	Io__Containerd__Cgroups__V2__PidsStat pids = IO__CONTAINERD__CGROUPS__V2__PIDS_STAT__INIT;

	METRICS_COPY(&pids, current, from, current);
	MESSAGE_SET(&pids, limit, from->limit ? from->limit : UINT64_MAX);
	return message_encode_field(FIELD_PIDS, &pids.base, b);
}

static int put_cpu(const Grpc__CpuStats *from, struct buf *b)
{
	Io__Containerd__Cgroups__V2__CPUStat cpu = IO__CONTAINERD__CGROUPS__V2__CPUSTAT__INIT;
	const Grpc__CpuUsage *usage = from->cpu_usage;
	const Grpc__ThrottlingData *t = from->throttling_data;

	if (usage) {
		MESSAGE_SET(&cpu, usage_usec, usage->total_usage / NS_PER_US);
		MESSAGE_SET(&cpu, user_usec, usage->usage_in_usermode / NS_PER_US);
		MESSAGE_SET(&cpu, system_usec, usage->usage_in_kernelmode / NS_PER_US);
	}
	if (t) {
		METRICS_COPY(&cpu, nr_periods, t, periods);
		METRICS_COPY(&cpu, nr_throttled, t, throttled_periods);
		MESSAGE_SET(&cpu, throttled_usec, t->throttled_time / NS_PER_US);
	}
	return message_encode_field(FIELD_CPU, &cpu.base, b);
}

static int put_memory(const Grpc__MemoryStats *from, struct buf *b)
{
	Io__Containerd__Cgroups__V2__MemoryStat memory =
		IO__CONTAINERD__CGROUPS__V2__MEMORY_STAT__INIT;

	metrics_fill(from, memory_rows, ARRAY_SIZE(memory_rows), &memory.base);
	if (from->usage) {
		METRICS_COPY(&memory, usage, from->usage, usage);
		METRICS_COPY(&memory, usage_limit, from->usage, limit);
		METRICS_COPY(&memory, max_usage, from->usage, max_usage);
	}
	if (from->swap_usage) {
		METRICS_COPY(&memory, swap_usage, from->swap_usage, usage);
		METRICS_COPY(&memory, swap_limit, from->swap_usage, limit);
		METRICS_COPY(&memory, swap_max_usage, from->swap_usage, max_usage);
	}
	return message_encode_field(FIELD_MEMORY, &memory.base, b);
}

typedef Io__Containerd__Cgroups__V2__IOEntry io_entry;

struct devices {
	io_entry entries[MAX_DEVICES], *list[MAX_DEVICES];
	size_t n;
};

/* The entry of that device, a new one if need be; NULL if there are too many. */
static io_entry *find_device(struct devices *d, const Grpc__BlkioStatsEntry *of)
{
	io_entry *e;

	for (size_t i = 0; i < d->n; i++)
		if (d->entries[i].major == of->major && d->entries[i].minor == of->minor)
			return &d->entries[i];
	if (d->n == MAX_DEVICES)
		return NULL;
	e = d->list[d->n] = &d->entries[d->n];
	d->n++;
	io__containerd__cgroups__v2__ioentry__init(e);
	MESSAGE_SET(e, major, of->major);
	MESSAGE_SET(e, minor, of->minor);
	return e;
}

static bool is_op(const Grpc__BlkioStatsEntry *e, const char *op)
{
	return e->op && strcasecmp(e->op, op) == 0;
}

/* Upstream's agent puts bytes and operations into one list, under names of their own. */
static void add_bytes(struct devices *d, const Grpc__BlkioStatsEntry *from)
{
	io_entry *to = find_device(d, from);

	if (to && is_op(from, "read"))
		MESSAGE_SET(to, rbytes, from->value);
	else if (to && is_op(from, "write"))
		MESSAGE_SET(to, wbytes, from->value);
	else if (to && is_op(from, "rios"))
		MESSAGE_SET(to, rios, from->value);
	else if (to && is_op(from, "wios"))
		MESSAGE_SET(to, wios, from->value);
}

static void add_operations(struct devices *d, const Grpc__BlkioStatsEntry *from)
{
	io_entry *to = find_device(d, from);

	if (to && is_op(from, "read"))
		MESSAGE_SET(to, rios, from->value);
	else if (to && is_op(from, "write"))
		MESSAGE_SET(to, wios, from->value);
}

static int put_io(const Grpc__BlkioStats *from, struct buf *b)
{
	Io__Containerd__Cgroups__V2__IOStat io = IO__CONTAINERD__CGROUPS__V2__IOSTAT__INIT;
	auto_free struct devices *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	for (size_t i = 0; i < from->n_io_service_bytes_recursive; i++)
		add_bytes(d, from->io_service_bytes_recursive[i]);
	for (size_t i = 0; i < from->n_io_serviced_recursive; i++)
		add_operations(d, from->io_serviced_recursive[i]);
	io.usage = d->list;
	io.n_usage = d->n;
	return message_encode_field(FIELD_IO, &io.base, b);
}

static int put_hugetlb(const Grpc__CgroupStats__HugetlbStatsEntry *from, struct buf *b)
{
	Io__Containerd__Cgroups__V2__HugeTlbStat huge =
		IO__CONTAINERD__CGROUPS__V2__HUGE_TLB_STAT__INIT;

	if (!metrics_is_text(from->key))
		return 0;
	huge.pagesize = from->key;
	METRICS_COPY(&huge, current, from->value, usage);
	METRICS_COPY(&huge, max, from->value, max_usage);
	METRICS_COPY(&huge, failcnt, from->value, failcnt);
	return message_encode_field(FIELD_HUGETLB, &huge.base, b);
}

static int put_network(const Grpc__NetworkStats *from, struct buf *b)
{
	Io__Containerd__Cgroups__V2__NetworkStat net =
		IO__CONTAINERD__CGROUPS__V2__NETWORK_STAT__INIT;

	if (!metrics_is_text(from->name))
		return 0;
	METRICS_COPY_NETWORK(&net, from);
	return message_encode_field(FIELD_NETWORK, &net.base, b);
}

int metrics_encode_v2(const Grpc__StatsContainerResponse *stats, struct buf *b)
{
	const Grpc__CgroupStats *cgroup = stats->cgroup_stats;
	int r = 0;

	if (cgroup->pids_stats)
		r = put_pids(cgroup->pids_stats, b);
	if (r == 0 && cgroup->cpu_stats)
		r = put_cpu(cgroup->cpu_stats, b);
	if (r == 0)
		r = put_memory(cgroup->memory_stats, b);
	if (r == 0 && cgroup->blkio_stats)
		r = put_io(cgroup->blkio_stats, b);
	for (size_t i = 0; r == 0 && i < cgroup->n_hugetlb_stats; i++)
		r = put_hugetlb(cgroup->hugetlb_stats[i], b);
	for (size_t i = 0; r == 0 && i < stats->n_network_stats; i++)
		r = put_network(stats->network_stats[i], b);
	return r;
}
