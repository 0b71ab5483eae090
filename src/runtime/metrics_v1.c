/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each part is encoded on its own, one behind the other: that is one message, and nothing has to
 * be allocated but the lists of block devices.
 */
#include <stdlib.h>

#include "cgroup_metrics_v1.pb-c.h"
#include "runtime/metrics_private.h"

enum {
	FIELD_HUGETLB = 1,
	FIELD_PIDS = 2,
	FIELD_CPU = 3,
	FIELD_MEMORY = 4,
	FIELD_BLKIO = 5,
	FIELD_NETWORK = 7
};

#define ROW(key, field) METRICS_ROW(Io__Containerd__Cgroups__V1__MemoryStat, key, field)

static const struct metrics_row memory_rows[] = {
	ROW("cache", cache),
	ROW("rss", rss),
	ROW("rss_huge", rss_huge),
	ROW("mapped_file", mapped_file),
	ROW("dirty", dirty),
	ROW("writeback", writeback),
	ROW("pgpgin", pg_pg_in),
	ROW("pgpgout", pg_pg_out),
	ROW("pgfault", pg_fault),
	ROW("pgmajfault", pg_maj_fault),
	ROW("inactive_anon", inactive_anon),
	ROW("active_anon", active_anon),
	ROW("inactive_file", inactive_file),
	ROW("active_file", active_file),
	ROW("unevictable", unevictable),
	ROW("hierarchical_memory_limit", hierarchical_memory_limit),
	ROW("hierarchical_memsw_limit", hierarchical_swap_limit),
	ROW("total_cache", total_cache),
	ROW("total_rss", total_rss),
	ROW("total_rss_huge", total_rss_huge),
	ROW("total_mapped_file", total_mapped_file),
	ROW("total_dirty", total_dirty),
	ROW("total_writeback", total_writeback),
	ROW("total_pgpgin", total_pg_pg_in),
	ROW("total_pgpgout", total_pg_pg_out),
	ROW("total_pgfault", total_pg_fault),
	ROW("total_pgmajfault", total_pg_maj_fault),
	ROW("total_inactive_anon", total_inactive_anon),
	ROW("total_active_anon", total_active_anon),
	ROW("total_inactive_file", total_inactive_file),
	ROW("total_active_file", total_active_file),
	ROW("total_unevictable", total_unevictable),
};

static int put_pids(const Grpc__PidsStats *from, struct buf *b)
{
	Io__Containerd__Cgroups__V1__PidsStat pids = IO__CONTAINERD__CGROUPS__V1__PIDS_STAT__INIT;

	METRICS_COPY(&pids, current, from, current);
	METRICS_COPY(&pids, limit, from, limit);
	return message_encode_field(FIELD_PIDS, &pids.base, b);
}

static int put_cpu(const Grpc__CpuStats *from, struct buf *b)
{
	Io__Containerd__Cgroups__V1__CPUStat cpu = IO__CONTAINERD__CGROUPS__V1__CPUSTAT__INIT;
	Io__Containerd__Cgroups__V1__CPUUsage usage = IO__CONTAINERD__CGROUPS__V1__CPUUSAGE__INIT;
	Io__Containerd__Cgroups__V1__Throttle throttle =
		IO__CONTAINERD__CGROUPS__V1__THROTTLE__INIT;
	const Grpc__ThrottlingData *t = from->throttling_data;

	if (from->cpu_usage) {
		METRICS_COPY(&usage, total, from->cpu_usage, total_usage);
		METRICS_COPY(&usage, kernel, from->cpu_usage, usage_in_kernelmode);
		METRICS_COPY(&usage, user, from->cpu_usage, usage_in_usermode);
		usage.per_cpu = from->cpu_usage->percpu_usage;
		usage.n_per_cpu = from->cpu_usage->n_percpu_usage;
		cpu.usage = &usage;
	}
	if (t) {
		METRICS_COPY(&throttle, periods, t, periods);
		METRICS_COPY(&throttle, throttled_periods, t, throttled_periods);
		METRICS_COPY(&throttle, throttled_time, t, throttled_time);
		cpu.throttling = &throttle;
	}
	return message_encode_field(FIELD_CPU, &cpu.base, b);
}

/* NULL stays NULL. */
static Io__Containerd__Cgroups__V1__MemoryEntry *copy_entry(
	const Grpc__MemoryData *from, Io__Containerd__Cgroups__V1__MemoryEntry *to)
{
	if (!from)
		return NULL;
	io__containerd__cgroups__v1__memory_entry__init(to);
	METRICS_COPY(to, limit, from, limit);
	METRICS_COPY(to, usage, from, usage);
	METRICS_COPY(to, max, from, max_usage);
	METRICS_COPY(to, failcnt, from, failcnt);
	return to;
}

static int put_memory(const Grpc__MemoryStats *from, struct buf *b)
{
	Io__Containerd__Cgroups__V1__MemoryStat memory =
		IO__CONTAINERD__CGROUPS__V1__MEMORY_STAT__INIT;
	Io__Containerd__Cgroups__V1__MemoryEntry usage, swap, kernel;

	METRICS_COPY(&memory, cache, from, cache);
	metrics_fill(from, memory_rows, ARRAY_SIZE(memory_rows), &memory.base);
	memory.usage = copy_entry(from->usage, &usage);
	memory.swap = copy_entry(from->swap_usage, &swap);
	memory.kernel = copy_entry(from->kernel_usage, &kernel);
	return message_encode_field(FIELD_MEMORY, &memory.base, b);
}

typedef Io__Containerd__Cgroups__V1__BlkIOEntry blkio_entry;

/* The pointers, and behind them what they point to: one block. */
static int copy_list(
	Grpc__BlkioStatsEntry *const *from, size_t n, size_t *ret_n, blkio_entry ***ret)
{
	blkio_entry **list, *entries;
	size_t kept = 0;

	if (n == 0)
		return 0;
	list = calloc(n, sizeof(*list) + sizeof(**list));
	if (!list)
		return -ENOMEM;
	entries = (void *)(list + n);
	for (size_t i = 0; i < n; i++) {
		blkio_entry *to = &entries[kept];

		if (from[i]->op && !metrics_is_text(from[i]->op))
			continue;
		io__containerd__cgroups__v1__blk_ioentry__init(to);
		to->op = from[i]->op;
		METRICS_COPY(to, major, from[i], major);
		METRICS_COPY(to, minor, from[i], minor);
		METRICS_COPY(to, value, from[i], value);
		list[kept++] = to;
	}
	*ret_n = kept;
	*ret = list;
	return 0;
}

static int put_blkio(const Grpc__BlkioStats *from, struct buf *b)
{
	Io__Containerd__Cgroups__V1__BlkIOStat io = IO__CONTAINERD__CGROUPS__V1__BLK_IOSTAT__INIT;
	int r = 0;

#define LIST(field) \
	if (r == 0) \
	r = copy_list(from->field, from->n_##field, &io.n_##field, &io.field)
	LIST(io_service_bytes_recursive);
	LIST(io_serviced_recursive);
	LIST(io_queued_recursive);
	LIST(io_service_time_recursive);
	LIST(io_wait_time_recursive);
	LIST(io_merged_recursive);
	LIST(io_time_recursive);
	LIST(sectors_recursive);
#undef LIST
	if (r == 0)
		r = message_encode_field(FIELD_BLKIO, &io.base, b);
	free(io.io_service_bytes_recursive);
	free(io.io_serviced_recursive);
	free(io.io_queued_recursive);
	free(io.io_service_time_recursive);
	free(io.io_wait_time_recursive);
	free(io.io_merged_recursive);
	free(io.io_time_recursive);
	free(io.sectors_recursive);
	return r;
}

static int put_hugetlb(const Grpc__CgroupStats__HugetlbStatsEntry *from, struct buf *b)
{
	Io__Containerd__Cgroups__V1__HugetlbStat huge =
		IO__CONTAINERD__CGROUPS__V1__HUGETLB_STAT__INIT;

	if (!metrics_is_text(from->key))
		return 0;
	huge.pagesize = from->key;
	METRICS_COPY(&huge, usage, from->value, usage);
	METRICS_COPY(&huge, max, from->value, max_usage);
	METRICS_COPY(&huge, failcnt, from->value, failcnt);
	return message_encode_field(FIELD_HUGETLB, &huge.base, b);
}

static int put_network(const Grpc__NetworkStats *from, struct buf *b)
{
	Io__Containerd__Cgroups__V1__NetworkStat net =
		IO__CONTAINERD__CGROUPS__V1__NETWORK_STAT__INIT;

	if (!metrics_is_text(from->name))
		return 0;
	METRICS_COPY_NETWORK(&net, from);
	return message_encode_field(FIELD_NETWORK, &net.base, b);
}

int metrics_encode_v1(const Grpc__StatsContainerResponse *stats, struct buf *b)
{
	const Grpc__CgroupStats *cgroup = stats->cgroup_stats;
	int r = 0;

	if (cgroup && cgroup->pids_stats)
		r = put_pids(cgroup->pids_stats, b);
	if (r == 0 && cgroup && cgroup->cpu_stats)
		r = put_cpu(cgroup->cpu_stats, b);
	if (r == 0 && cgroup && cgroup->memory_stats)
		r = put_memory(cgroup->memory_stats, b);
	if (r == 0 && cgroup && cgroup->blkio_stats)
		r = put_blkio(cgroup->blkio_stats, b);
	for (size_t i = 0; r == 0 && cgroup && i < cgroup->n_hugetlb_stats; i++)
		r = put_hugetlb(cgroup->hugetlb_stats[i], b);
	for (size_t i = 0; r == 0 && i < stats->n_network_stats; i++)
		r = put_network(stats->network_stats[i], b);
	return r;
}
