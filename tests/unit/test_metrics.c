/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each number of the agent's reply is found again in the field that containerd reads it from, by
 * the field's name; numbers are all different, so nothing can stand in for anything else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <string.h>

#include "cgroup_metrics_v1.pb-c.h"
#include "cgroup_metrics_v2.pb-c.h"
#include "oom.h"
#include "runtime/metrics.h"
#include "wire/message.h"

enum { MAX_STATS = 64, N_LISTS = 8, FIRST = 1000 };

typedef Io__Containerd__Cgroups__V1__Metrics v1_metrics;
typedef Io__Containerd__Cgroups__V2__Metrics v2_metrics;

/* A reply with everything in it. */
struct reply {
	Grpc__StatsContainerResponse r;
	Grpc__CgroupStats cgroup;
	Grpc__CpuStats cpu;
	Grpc__CpuUsage cpu_usage;
	Grpc__ThrottlingData throttling;
	Grpc__PidsStats pids;
	Grpc__MemoryStats memory;
	Grpc__MemoryData usage, swap, kernel;
	Grpc__MemoryStats__StatsEntry stats[MAX_STATS], *stats_list[MAX_STATS];
	Grpc__BlkioStats blkio;
	Grpc__BlkioStatsEntry io[4], *io_list[4];
	Grpc__HugetlbStats huge;
	Grpc__CgroupStats__HugetlbStatsEntry huge_entry, *huge_list[1];
	Grpc__NetworkStats net, *net_list[1];
	uint64_t percpu[2];
};

struct pair {
	const char *key, *field;
};

static const struct pair v1_pairs[] = {
	{"cache", "cache"},
	{"rss", "rss"},
	{"rss_huge", "rss_huge"},
	{"mapped_file", "mapped_file"},
	{"dirty", "dirty"},
	{"writeback", "writeback"},
	{"pgpgin", "pg_pg_in"},
	{"pgpgout", "pg_pg_out"},
	{"pgfault", "pg_fault"},
	{"pgmajfault", "pg_maj_fault"},
	{"inactive_anon", "inactive_anon"},
	{"active_anon", "active_anon"},
	{"inactive_file", "inactive_file"},
	{"active_file", "active_file"},
	{"unevictable", "unevictable"},
	{"hierarchical_memory_limit", "hierarchical_memory_limit"},
	{"hierarchical_memsw_limit", "hierarchical_swap_limit"},
	{"total_cache", "total_cache"},
	{"total_rss", "total_rss"},
	{"total_rss_huge", "total_rss_huge"},
	{"total_mapped_file", "total_mapped_file"},
	{"total_dirty", "total_dirty"},
	{"total_writeback", "total_writeback"},
	{"total_pgpgin", "total_pg_pg_in"},
	{"total_pgpgout", "total_pg_pg_out"},
	{"total_pgfault", "total_pg_fault"},
	{"total_pgmajfault", "total_pg_maj_fault"},
	{"total_inactive_anon", "total_inactive_anon"},
	{"total_active_anon", "total_active_anon"},
	{"total_inactive_file", "total_inactive_file"},
	{"total_active_file", "total_active_file"},
	{"total_unevictable", "total_unevictable"},
};

/* These are named as memory.stat names them. */
static const char *const v2_names[] = {"anon", "file", "kernel_stack", "slab", "sock", "shmem",
	"file_mapped", "file_dirty", "file_writeback", "anon_thp", "inactive_anon", "active_anon",
	"inactive_file", "active_file", "unevictable", "slab_reclaimable", "slab_unreclaimable",
	"pgfault", "pgmajfault", "workingset_refault", "workingset_activate",
	"workingset_nodereclaim", "pgrefill", "pgscan", "pgsteal", "pgactivate", "pgdeactivate",
	"pglazyfree", "pglazyfreed", "thp_fault_alloc", "thp_collapse_alloc",
	"workingset_refault_anon", "workingset_refault_file", "workingset_activate_anon",
	"workingset_activate_file"};

static void add_stat(struct reply *r, const char *key, uint64_t value)
{
	Grpc__MemoryStats__StatsEntry *e = &r->stats[r->memory.n_stats];

	assert_true(r->memory.n_stats < MAX_STATS);
	grpc__memory_stats__stats_entry__init(e);
	e->key = message_text(key);
	MESSAGE_SET(e, value, value);
	r->stats_list[r->memory.n_stats++] = e;
}

static void add_io(struct reply *r, size_t i, char *op, uint64_t minor, uint64_t value)
{
	grpc__blkio_stats_entry__init(&r->io[i]);
	r->io[i].op = op;
	MESSAGE_SET(&r->io[i], major, 253);
	MESSAGE_SET(&r->io[i], minor, minor);
	MESSAGE_SET(&r->io[i], value, value);
	r->io_list[i] = &r->io[i];
}

static void fill_data(Grpc__MemoryData *d, uint64_t first)
{
	grpc__memory_data__init(d);
	MESSAGE_SET(d, usage, first);
	MESSAGE_SET(d, max_usage, first + 1);
	MESSAGE_SET(d, failcnt, first + 2);
	MESSAGE_SET(d, limit, first + 3);
}

static void fill_cpu(struct reply *r)
{
	grpc__cpu_stats__init(&r->cpu);
	grpc__cpu_usage__init(&r->cpu_usage);
	grpc__throttling_data__init(&r->throttling);
	MESSAGE_SET(&r->cpu_usage, total_usage, 7000000);
	MESSAGE_SET(&r->cpu_usage, usage_in_kernelmode, 3000000);
	MESSAGE_SET(&r->cpu_usage, usage_in_usermode, 4000000);
	r->percpu[0] = 5000000;
	r->percpu[1] = 2000000;
	r->cpu_usage.percpu_usage = r->percpu;
	r->cpu_usage.n_percpu_usage = 2;
	MESSAGE_SET(&r->throttling, periods, 31);
	MESSAGE_SET(&r->throttling, throttled_periods, 32);
	MESSAGE_SET(&r->throttling, throttled_time, 33000);
	r->cpu.cpu_usage = &r->cpu_usage;
	r->cpu.throttling_data = &r->throttling;
	r->cgroup.cpu_stats = &r->cpu;
}

static void fill_memory(struct reply *r)
{
	grpc__memory_stats__init(&r->memory);
	fill_data(&r->usage, 100);
	fill_data(&r->swap, 200);
	fill_data(&r->kernel, 300);
	r->memory.usage = &r->usage;
	r->memory.swap_usage = &r->swap;
	r->memory.kernel_usage = &r->kernel;
	r->memory.stats = r->stats_list;
	r->cgroup.memory_stats = &r->memory;
}

static void fill_rest(struct reply *r)
{
	static char size[] = "2MB", name[] = "eth0";
	uint64_t *numbers[] = {&r->net.rx_bytes, &r->net.rx_packets, &r->net.rx_errors,
		&r->net.rx_dropped, &r->net.tx_bytes, &r->net.tx_packets, &r->net.tx_errors,
		&r->net.tx_dropped};

	grpc__pids_stats__init(&r->pids);
	MESSAGE_SET(&r->pids, current, 11);
	MESSAGE_SET(&r->pids, limit, 12);
	r->cgroup.pids_stats = &r->pids;
	grpc__hugetlb_stats__init(&r->huge);
	MESSAGE_SET(&r->huge, usage, 21);
	MESSAGE_SET(&r->huge, max_usage, 22);
	MESSAGE_SET(&r->huge, failcnt, 23);
	grpc__cgroup_stats__hugetlb_stats_entry__init(&r->huge_entry);
	r->huge_entry.key = size;
	r->huge_entry.value = &r->huge;
	r->huge_list[0] = &r->huge_entry;
	r->cgroup.hugetlb_stats = r->huge_list;
	r->cgroup.n_hugetlb_stats = 1;
	grpc__network_stats__init(&r->net);
	r->net.name = name;
	r->net.has_rx_bytes = r->net.has_rx_packets = r->net.has_rx_errors = 1;
	r->net.has_rx_dropped = r->net.has_tx_bytes = r->net.has_tx_packets = 1;
	r->net.has_tx_errors = r->net.has_tx_dropped = 1;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		*numbers[i] = 41 + i;
	r->net_list[0] = &r->net;
	r->r.network_stats = r->net_list;
	r->r.n_network_stats = 1;
}

static struct reply *new_reply(void)
{
	struct reply *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	grpc__stats_container_response__init(&r->r);
	grpc__cgroup_stats__init(&r->cgroup);
	r->r.cgroup_stats = &r->cgroup;
	fill_cpu(r);
	fill_memory(r);
	fill_rest(r);
	grpc__blkio_stats__init(&r->blkio);
	r->cgroup.blkio_stats = &r->blkio;
	return r;
}

/* Owned by the caller: message_free(.., NULL). */
static void *convert(const struct reply *r, const ProtobufCMessageDescriptor *expected)
{
	struct metrics m = {0};
	ProtobufCMessage *message;

	assert_int_equal(metrics_encode(&r->r, &m), 0);
	assert_string_equal(m.type, expected->name);
	assert_int_equal(message_decode(expected, buf_slice(&m.bytes), NULL, &message, NULL), 0);
	buf_fini(&m.bytes);
	return message;
}

static void *convert_v1(const struct reply *r)
{
	return convert(r, &io__containerd__cgroups__v1__metrics__descriptor);
}

static void *convert_v2(const struct reply *r)
{
	return convert(r, &io__containerd__cgroups__v2__metrics__descriptor);
}

static void assert_field(const ProtobufCMessage *m, const char *name, uint64_t value)
{
	const ProtobufCFieldDescriptor *f =
		protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
	const char *at = (const char *)m;

	assert_non_null(f);
	if (!*(const protobuf_c_boolean *)(at + f->quantifier_offset))
		fail_msg("%s is not set", name);
	if (*(const uint64_t *)(const void *)(at + f->offset) != value)
		fail_msg("%s is %ju", name,
			(uintmax_t) * (const uint64_t *)(const void *)(at + f->offset));
}

static void assert_network(const ProtobufCMessage *net)
{
	static const char *const names[] = {"rx_bytes", "rx_packets", "rx_errors", "rx_dropped",
		"tx_bytes", "tx_packets", "tx_errors", "tx_dropped"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_field(net, names[i], 41 + i);
}

static void assert_entry(const Io__Containerd__Cgroups__V1__MemoryEntry *e, uint64_t first)
{
	assert_field(&e->base, "usage", first);
	assert_field(&e->base, "max", first + 1);
	assert_field(&e->base, "failcnt", first + 2);
	assert_field(&e->base, "limit", first + 3);
}

static void version_1_has_every_field(void **state)
{
	struct reply *r = new_reply();
	v1_metrics *m;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v1_pairs); i++)
		add_stat(r, v1_pairs[i].key, FIRST + i);
	m = convert_v1(r);
	for (size_t i = 0; i < ARRAY_SIZE(v1_pairs); i++)
		assert_field(&m->memory->base, v1_pairs[i].field, FIRST + i);
	assert_entry(m->memory->usage, 100);
	assert_entry(m->memory->swap, 200);
	assert_entry(m->memory->kernel, 300);
	assert_field(&m->pids->base, "current", 11);
	assert_field(&m->pids->base, "limit", 12);
	assert_field(&m->cpu->usage->base, "total", 7000000);
	assert_field(&m->cpu->usage->base, "kernel", 3000000);
	assert_field(&m->cpu->usage->base, "user", 4000000);
	assert_int_equal(m->cpu->usage->n_per_cpu, 2);
	assert_true(m->cpu->usage->per_cpu[1] == 2000000);
	assert_field(&m->cpu->throttling->base, "periods", 31);
	assert_field(&m->cpu->throttling->base, "throttled_periods", 32);
	assert_field(&m->cpu->throttling->base, "throttled_time", 33000);
	assert_int_equal(m->n_hugetlb, 1);
	assert_string_equal(m->hugetlb[0]->pagesize, "2MB");
	assert_field(&m->hugetlb[0]->base, "usage", 21);
	assert_field(&m->hugetlb[0]->base, "max", 22);
	assert_field(&m->hugetlb[0]->base, "failcnt", 23);
	assert_int_equal(m->n_network, 1);
	assert_string_equal(m->network[0]->name, "eth0");
	assert_network(&m->network[0]->base);
	message_free(&m->base, NULL);
	free(r);
}

static void version_2_has_every_field(void **state)
{
	struct reply *r = new_reply();
	v2_metrics *m;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v2_names); i++)
		add_stat(r, v2_names[i], FIRST + i);
	m = convert_v2(r);
	for (size_t i = 0; i < ARRAY_SIZE(v2_names); i++)
		assert_field(&m->memory->base, v2_names[i], FIRST + i);
	assert_field(&m->memory->base, "usage", 100);
	assert_field(&m->memory->base, "max_usage", 101);
	assert_field(&m->memory->base, "usage_limit", 103);
	assert_field(&m->memory->base, "swap_usage", 200);
	assert_field(&m->memory->base, "swap_max_usage", 201);
	assert_field(&m->memory->base, "swap_limit", 203);
	assert_field(&m->pids->base, "current", 11);
	assert_field(&m->pids->base, "limit", 12);
	assert_field(&m->cpu->base, "usage_usec", 7000);
	assert_field(&m->cpu->base, "system_usec", 3000);
	assert_field(&m->cpu->base, "user_usec", 4000);
	assert_field(&m->cpu->base, "nr_periods", 31);
	assert_field(&m->cpu->base, "nr_throttled", 32);
	assert_field(&m->cpu->base, "throttled_usec", 33);
	assert_string_equal(m->hugetlb[0]->pagesize, "2MB");
	assert_field(&m->hugetlb[0]->base, "current", 21);
	assert_field(&m->hugetlb[0]->base, "max", 22);
	assert_field(&m->hugetlb[0]->base, "failcnt", 23);
	assert_string_equal(m->network[0]->name, "eth0");
	assert_network(&m->network[0]->base);
	message_free(&m->base, NULL);
	free(r);
}

static void no_limit_of_pids_is_said_in_either_language(void **state)
{
	struct reply *r = new_reply();
	v1_metrics *m1;
	v2_metrics *m2;

	(void)state;
	r->pids.limit = 0;
	m1 = convert_v1(r);
	assert_field(&m1->pids->base, "limit", 0);
	message_free(&m1->base, NULL);
	add_stat(r, "anon", 1);
	m2 = convert_v2(r);
	assert_field(&m2->pids->base, "limit", UINT64_MAX);
	message_free(&m2->base, NULL);
	free(r);
}

static void version_1_has_every_list_of_block_devices(void **state)
{
	static char op[] = "Read";

	(void)state;
	for (size_t list = 0; list < N_LISTS; list++) {
		struct reply *r = new_reply();
		Grpc__BlkioStatsEntry ***lists[N_LISTS] = {&r->blkio.io_service_bytes_recursive,
			&r->blkio.io_serviced_recursive, &r->blkio.io_queued_recursive,
			&r->blkio.io_service_time_recursive, &r->blkio.io_wait_time_recursive,
			&r->blkio.io_merged_recursive, &r->blkio.io_time_recursive,
			&r->blkio.sectors_recursive};
		size_t *counts[N_LISTS] = {&r->blkio.n_io_service_bytes_recursive,
			&r->blkio.n_io_serviced_recursive, &r->blkio.n_io_queued_recursive,
			&r->blkio.n_io_service_time_recursive, &r->blkio.n_io_wait_time_recursive,
			&r->blkio.n_io_merged_recursive, &r->blkio.n_io_time_recursive,
			&r->blkio.n_sectors_recursive};
		Io__Containerd__Cgroups__V1__BlkIOEntry *e;
		const ProtobufCFieldDescriptor *field;
		v1_metrics *m;

		add_io(r, 0, op, 7, 77);
		*lists[list] = r->io_list;
		*counts[list] = 1;
		m = convert_v1(r);
		/* The lists have the numbers 1 to 8 on both sides. */
		field = &m->blkio->base.descriptor->fields[list];
		assert_int_equal(
			*(size_t *)(void *)((char *)m->blkio + field->quantifier_offset), 1);
		e = (*(Io__Containerd__Cgroups__V1__BlkIOEntry ***)(void *)((char *)m->blkio +
									    field->offset))[0];
		assert_string_equal(e->op, op);
		assert_field(&e->base, "major", 253);
		assert_field(&e->base, "minor", 7);
		assert_field(&e->base, "value", 77);
		message_free(&m->base, NULL);
		free(r);
	}
}

/* Ours counts operations in a list of their own, upstream's among the bytes. */
static void version_2_has_one_entry_for_each_block_device(void **state)
{
	static char read[] = "Read", write[] = "write", rios[] = "rios", wios[] = "wios";
	struct reply *r = new_reply();
	v2_metrics *m;

	(void)state;
	add_stat(r, "anon", 1);
	add_io(r, 0, read, 0, 51);
	add_io(r, 1, write, 0, 52);
	add_io(r, 2, rios, 0, 53);
	add_io(r, 3, wios, 1, 54);
	r->blkio.io_service_bytes_recursive = r->io_list;
	r->blkio.n_io_service_bytes_recursive = 4;
	m = convert_v2(r);
	assert_int_equal(m->io->n_usage, 2);
	assert_field(&m->io->usage[0]->base, "major", 253);
	assert_field(&m->io->usage[0]->base, "minor", 0);
	assert_field(&m->io->usage[0]->base, "rbytes", 51);
	assert_field(&m->io->usage[0]->base, "wbytes", 52);
	assert_field(&m->io->usage[0]->base, "rios", 53);
	assert_false(m->io->usage[0]->has_wios);
	assert_field(&m->io->usage[1]->base, "minor", 1);
	assert_field(&m->io->usage[1]->base, "wios", 54);
	message_free(&m->base, NULL);
	r->blkio.n_io_service_bytes_recursive = 0;
	r->blkio.io_serviced_recursive = r->io_list;
	r->blkio.n_io_serviced_recursive = 2;
	m = convert_v2(r);
	assert_int_equal(m->io->n_usage, 1);
	assert_field(&m->io->usage[0]->base, "rios", 51);
	assert_field(&m->io->usage[0]->base, "wios", 52);
	message_free(&m->base, NULL);
	free(r);
}

static void devices_beyond_any_guests_are_left_out(void **state)
{
	enum { N = 4096, KEPT = 128 };
	static char read[] = "read";
	struct reply *r = new_reply();
	Grpc__BlkioStatsEntry *entries = calloc(N, sizeof(*entries));
	Grpc__BlkioStatsEntry **list = calloc(N, sizeof(*list));
	v2_metrics *m;

	(void)state;
	for (size_t i = 0; i < N; i++) {
		grpc__blkio_stats_entry__init(&entries[i]);
		entries[i].op = read;
		MESSAGE_SET(&entries[i], minor, i);
		list[i] = &entries[i];
	}
	add_stat(r, "anon", 1);
	r->blkio.io_service_bytes_recursive = list;
	r->blkio.n_io_service_bytes_recursive = N;
	m = convert_v2(r);
	assert_int_equal(m->io->n_usage, KEPT);
	message_free(&m->base, NULL);
	free(list);
	free(entries);
	free(r);
}

/* Go refuses a whole message for one of them: one guest would silence a node's statistics. */
static void names_that_are_not_utf_8_are_left_out(void **state)
{
	static char bad[] = "et\xff", op[] = "read";
	struct reply *r = new_reply();
	v1_metrics *m1;
	v2_metrics *m2;

	(void)state;
	r->net.name = bad;
	r->huge_entry.key = bad;
	add_io(r, 0, bad, 0, 1);
	add_io(r, 1, op, 0, 2);
	r->blkio.io_queued_recursive = r->io_list;
	r->blkio.n_io_queued_recursive = 2;
	m1 = convert_v1(r);
	assert_int_equal(m1->n_network + m1->n_hugetlb, 0);
	assert_int_equal(m1->blkio->n_io_queued_recursive, 1);
	assert_field(&m1->blkio->io_queued_recursive[0]->base, "value", 2);
	assert_field(&m1->pids->base, "current", 11);
	message_free(&m1->base, NULL);
	add_stat(r, "anon", 1);
	add_stat(r, bad, 1);
	m2 = convert_v2(r);
	assert_int_equal(m2->n_network + m2->n_hugetlb, 0);
	message_free(&m2->base, NULL);
	free(r);
}

static void what_is_missing_is_not_made_up(void **state)
{
	struct reply *r = new_reply();
	v1_metrics *m1;
	v2_metrics *m2;

	(void)state;
	r->net.name = NULL;
	grpc__cgroup_stats__init(&r->cgroup);
	m1 = convert_v1(r);
	assert_true(!m1->pids && !m1->cpu && !m1->memory && !m1->blkio && m1->n_network == 0);
	message_free(&m1->base, NULL);
	r->r.cgroup_stats = NULL;
	m1 = convert_v1(r);
	assert_null(m1->memory);
	message_free(&m1->base, NULL);
	/* Only what tells the version. */
	r->r.cgroup_stats = &r->cgroup;
	grpc__memory_stats__init(&r->memory);
	r->memory.stats = r->stats_list;
	r->cgroup.memory_stats = &r->memory;
	add_stat(r, "anon", 9);
	m2 = convert_v2(r);
	assert_true(!m2->pids && !m2->cpu && !m2->io);
	assert_field(&m2->memory->base, "anon", 9);
	assert_false(m2->memory->has_usage || m2->memory->has_file || m2->memory->has_usage_limit);
	message_free(&m2->base, NULL);
	free(r);
}

static void every_allocation_may_fail(void **state)
{
	static char op[] = "read";

	(void)state;
	for (int version = 1; version <= 2; version++) {
		struct reply *r = new_reply();

		add_io(r, 0, op, 0, 1);
		r->blkio.io_service_bytes_recursive = r->blkio.sectors_recursive = r->io_list;
		r->blkio.n_io_service_bytes_recursive = r->blkio.n_sectors_recursive = 1;
		if (version == 2)
			add_stat(r, "anon", 1);
		OOM_SWEEP(n)
		{
			struct metrics m = {0};
			int e;

			oom_arm(n);
			e = metrics_encode(&r->r, &m);
			oom_disarm();
			assert_int_equal(e, oom_has_struck() ? -ENOMEM : 0);
			buf_fini(&m.bytes);
		}
		free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_1_has_every_field),
		cmocka_unit_test(version_2_has_every_field),
		cmocka_unit_test(no_limit_of_pids_is_said_in_either_language),
		cmocka_unit_test(version_1_has_every_list_of_block_devices),
		cmocka_unit_test(version_2_has_one_entry_for_each_block_device),
		cmocka_unit_test(devices_beyond_any_guests_are_left_out),
		cmocka_unit_test(names_that_are_not_utf_8_are_left_out),
		cmocka_unit_test(what_is_missing_is_not_made_up),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
