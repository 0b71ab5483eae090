/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/stats.h"

#include "agent.pb-c.h"
#include "agent/network/statistics.h"
#include "agent/rpc.h"

/* The messages of an answer; what they point to is in stats, or in one of the lists. */
struct answer {
	struct cgroup_stats *stats; /* borrowed */
	Grpc__StatsContainerResponse response;
	Grpc__CgroupStats cgroup;
	Grpc__CpuStats cpu;
	Grpc__CpuUsage cpu_usage;
	Grpc__ThrottlingData throttling;
	Grpc__MemoryStats memory;
	Grpc__MemoryData memory_data[3];
	Grpc__PidsStats pids;
	Grpc__BlkioStats blkio;
	void *keys, *hugetlb, *hugetlb_values, *io[CGROUP_IO_KIND_COUNT]; /* owned */
};

/* n pointers, followed by what they point to; NULL without memory. */
static void *make_list(size_t n, size_t size)
{
	char *block = calloc(n + 1, sizeof(void *) + size);
	void **pointers = (void **)(void *)block;

	for (size_t i = 0; block && i < n; i++)
		pointers[i] = block + n * sizeof(void *) + i * size;
	return block;
}

static void add_cpu(struct answer *a)
{
	struct cgroup_cpu_stats *s = &a->stats->cpu;

	if (!a->stats->has_cpu)
		return;
	grpc__cpu_usage__init(&a->cpu_usage);
	a->cpu_usage.has_total_usage = a->cpu_usage.has_usage_in_kernelmode =
		a->cpu_usage.has_usage_in_usermode = 1;
	a->cpu_usage.total_usage = s->total_ns;
	a->cpu_usage.usage_in_kernelmode = s->kernel_ns;
	a->cpu_usage.usage_in_usermode = s->user_ns;
	a->cpu_usage.n_percpu_usage = s->n_percpu;
	a->cpu_usage.percpu_usage = s->percpu_ns;
	grpc__throttling_data__init(&a->throttling);
	a->throttling.has_periods = a->throttling.has_throttled_periods =
		a->throttling.has_throttled_time = 1;
	a->throttling.periods = s->n_periods;
	a->throttling.throttled_periods = s->n_throttled;
	a->throttling.throttled_time = s->throttled_ns;
	grpc__cpu_stats__init(&a->cpu);
	a->cpu.cpu_usage = &a->cpu_usage;
	a->cpu.throttling_data = &a->throttling;
	a->cgroup.cpu_stats = &a->cpu;
}

static Grpc__MemoryData *fill_data(Grpc__MemoryData *to, const struct cgroup_memory_data *from)
{
	grpc__memory_data__init(to);
	to->has_usage = to->has_max_usage = to->has_failcnt = to->has_limit = 1;
	to->usage = from->usage;
	to->max_usage = from->max_usage;
	to->failcnt = from->failcnt;
	to->limit = from->limit;
	return to;
}

static int add_memory(struct answer *a)
{
	struct cgroup_memory_stats *s = &a->stats->memory;
	Grpc__MemoryStats__StatsEntry **entries;

	if (!a->stats->has_memory)
		return 0;
	a->keys = entries = make_list(s->n_keys, sizeof(**entries));
	if (!entries)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_keys; i++) {
		grpc__memory_stats__stats_entry__init(entries[i]);
		entries[i]->key = s->keys[i].name;
		entries[i]->has_value = 1;
		entries[i]->value = s->keys[i].value;
	}
	grpc__memory_stats__init(&a->memory);
	a->memory.has_cache = a->memory.has_use_hierarchy = 1;
	a->memory.cache = s->cache;
	a->memory.use_hierarchy = s->use_hierarchy;
	a->memory.usage = fill_data(&a->memory_data[0], &s->usage);
	a->memory.swap_usage = fill_data(&a->memory_data[1], &s->swap);
	a->memory.kernel_usage = fill_data(&a->memory_data[2], &s->kernel);
	a->memory.n_stats = s->n_keys;
	a->memory.stats = entries;
	a->cgroup.memory_stats = &a->memory;
	return 0;
}

static void add_pids(struct answer *a)
{
	if (!a->stats->has_pids)
		return;
	grpc__pids_stats__init(&a->pids);
	a->pids.has_current = a->pids.has_limit = 1;
	a->pids.current = a->stats->pids.current;
	a->pids.limit = a->stats->pids.limit;
	a->cgroup.pids_stats = &a->pids;
}

static Grpc__BlkioStatsEntry **make_io_list(struct cgroup_io_stats *s)
{
	Grpc__BlkioStatsEntry **entries = make_list(s->n_entries, sizeof(**entries));

	for (size_t i = 0; entries && i < s->n_entries; i++) {
		struct cgroup_io *from = &s->entries[i];

		grpc__blkio_stats_entry__init(entries[i]);
		entries[i]->has_major = entries[i]->has_minor = entries[i]->has_value = 1;
		entries[i]->major = from->major;
		entries[i]->minor = from->minor;
		entries[i]->op = from->op;
		entries[i]->value = from->value;
	}
	return entries;
}

static int add_io(struct answer *a)
{
	const struct {
		Grpc__BlkioStatsEntry ***list;
		size_t *n;
	} fields[CGROUP_IO_KIND_COUNT] = {
#define FIELD(name) {&a->blkio.name, &a->blkio.n_##name}
		[CGROUP_IO_SERVICE_BYTES] = FIELD(io_service_bytes_recursive),
		[CGROUP_IO_SERVICED] = FIELD(io_serviced_recursive),
		[CGROUP_IO_QUEUED] = FIELD(io_queued_recursive),
		[CGROUP_IO_SERVICE_TIME] = FIELD(io_service_time_recursive),
		[CGROUP_IO_WAIT_TIME] = FIELD(io_wait_time_recursive),
		[CGROUP_IO_MERGED] = FIELD(io_merged_recursive),
		[CGROUP_IO_TIME] = FIELD(io_time_recursive),
		[CGROUP_IO_SECTORS] = FIELD(sectors_recursive),
#undef FIELD
	};

	if (!a->stats->has_io)
		return 0;
	grpc__blkio_stats__init(&a->blkio);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		a->io[i] = *fields[i].list = make_io_list(&a->stats->io[i]);
		if (!a->io[i])
			return -ENOMEM;
		*fields[i].n = a->stats->io[i].n_entries;
	}
	a->cgroup.blkio_stats = &a->blkio;
	return 0;
}

static int add_hugetlb(struct answer *a)
{
	size_t n = a->stats->n_hugetlb;
	Grpc__CgroupStats__HugetlbStatsEntry **entries = make_list(n, sizeof(**entries));
	Grpc__HugetlbStats *values = calloc(n + 1, sizeof(*values));

	a->hugetlb = entries;
	a->hugetlb_values = values;
	if (!entries || !values)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct cgroup_hugetlb_stats *from = &a->stats->hugetlb[i];

		grpc__hugetlb_stats__init(&values[i]);
		values[i].has_usage = values[i].has_max_usage = values[i].has_failcnt = 1;
		values[i].usage = from->usage;
		values[i].max_usage = from->max_usage;
		values[i].failcnt = from->failcnt;
		grpc__cgroup_stats__hugetlb_stats_entry__init(entries[i]);
		entries[i]->key = from->size;
		entries[i]->value = &values[i];
	}
	a->cgroup.n_hugetlb_stats = n;
	a->cgroup.hugetlb_stats = entries;
	return 0;
}

void stats_reply(struct ttrpc_call *call, struct cgroup_stats *stats)
{
	struct answer a = {.stats = stats};
	struct network_statistics network = {.n = 0};
	struct err err = ERR_INIT;
	int r;

	grpc__cgroup_stats__init(&a.cgroup);
	add_cpu(&a);
	add_pids(&a);
	r = add_memory(&a);
	if (r == 0)
		r = add_io(&a);
	if (r == 0)
		r = add_hugetlb(&a);
	if (r == 0)
		r = network_statistics_read(&network);
	if (r < 0) {
		err_sys(&err, -r, "statistics");
		rpc_fail(call, &err);
	} else {
		grpc__stats_container_response__init(&a.response);
		a.response.cgroup_stats = &a.cgroup;
		a.response.network_stats = network.list;
		a.response.n_network_stats = network.n;
		ttrpc_call_reply(call, &a.response.base);
	}
	network_statistics_fini(&network);
	free(a.keys);
	free(a.hugetlb);
	free(a.hugetlb_values);
	for (size_t i = 0; i < ARRAY_SIZE(a.io); i++)
		free(a.io[i]);
}
