/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/meminfo: the one file whose names the families do not take over. */
#include "agent/metrics_parts.h"
#include "linux/proctext.h"

static const struct {
	const char *key, *item;
} fields[] = {
	{"MemTotal", "mem_total"},
	{"MemFree", "mem_free"},
	{"MemAvailable", "mem_available"},
	{"Buffers", "buffers"},
	{"Cached", "cached"},
	{"SwapCached", "swap_cached"},
	{"Active", "active"},
	{"Inactive", "inactive"},
	{"Active(anon)", "active_anon"},
	{"Inactive(anon)", "inactive_anon"},
	{"Active(file)", "active_file"},
	{"Inactive(file)", "inactive_file"},
	{"Unevictable", "unevictable"},
	{"Mlocked", "mlocked"},
	{"HighTotal", "high_total"},
	{"HighFree", "high_free"},
	{"LowTotal", "low_total"},
	{"LowFree", "low_free"},
	{"MmapCopy", "mmap_copy"},
	{"SwapTotal", "swap_total"},
	{"SwapFree", "swap_free"},
	{"Dirty", "dirty"},
	{"Writeback", "writeback"},
	{"AnonPages", "anon_pages"},
	{"Mapped", "mapped"},
	{"Shmem", "shmem"},
	{"Slab", "slab"},
	{"SReclaimable", "s_reclaimable"},
	{"SUnreclaim", "s_unreclaim"},
	{"KernelStack", "kernel_stack"},
	{"PageTables", "page_tables"},
	{"Quicklists", "quicklists"},
	{"NFS_Unstable", "nfs_unstable"},
	{"Bounce", "bounce"},
	{"WritebackTmp", "writeback_tmp"},
	{"CommitLimit", "commit_limit"},
	{"Committed_AS", "committed_as"},
	{"VmallocTotal", "vmalloc_total"},
	{"VmallocUsed", "vmalloc_used"},
	{"VmallocChunk", "vmalloc_chunk"},
	{"HardwareCorrupted", "hardware_corrupted"},
	{"AnonHugePages", "anon_hugepages"},
	{"ShmemHugePages", "shmem_hugepages"},
	{"ShmemPmdMapped", "shmem_pmd_mapped"},
	{"CmaTotal", "cma_total"},
	{"CmaFree", "cma_free"},
	{"HugePages_Total", "hugepages_total"},
	{"HugePages_Free", "hugepages_free"},
	{"HugePages_Rsvd", "hugepages_rsvd"},
	{"HugePages_Surp", "hugepages_surp"},
	{"Hugepagesize", "hugepagesize"},
	{"DirectMap4k", "direct_map_4k"},
	{"DirectMap4M", "direct_map_4M"},
	{"DirectMap2M", "direct_map_2M"},
	{"DirectMap1G", "direct_map_1G"},
	{"Hugetlb", "hugetlb"},
	{"Percpu", "per_cpu"},
	{"KReclaimable", "k_reclaimable"},
};

/* 0 if the kernel does not tell it, as upstream has it. */
static uint64_t find_value(struct slice text, const char *name)
{
	struct slice line, key, rest, unit;
	uint64_t value;

	while (proctext_next_line(&text, &line)) {
		if (!proctext_cut_key(line, &key, &rest) || !slice_is(key, name) ||
			!proctext_next_u64(&rest, &value))
			continue;
		/* Numbers of pages have no unit. */
		return proctext_next_word(&rest, &unit) ? metrics_scale(value, 1024, 1) : value;
	}
	return 0;
}

void metrics_memory(struct prometheus *p, struct slice text)
{
	prometheus_begin(p, &(struct prometheus_family){"kata_guest_meminfo", "gauge",
				    "The guest's memory, in bytes or numbers of pages."});
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		process_metrics_add_item(p, fields[i].item, find_value(text, fields[i].key));
}
