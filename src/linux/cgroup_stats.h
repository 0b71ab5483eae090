/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a cgroup has used, from the files of v1 or v2 by controller, in one form. Files that are
 * missing or hold something else count as 0; a part whose controller the machine does not have is
 * not there (has_*).
 */
#include "linux/cgroup.h"
#include "linux/cgroup_text.h"

enum {
	CGROUP_PERCPU_MAX = 4096,
	CGROUP_KEYS_MAX = 256, /* Linux 6 has 60 in memory.stat */
	CGROUP_IO_MAX = 4096,  /* devices times operations */
	CGROUP_HUGETLB_MAX = 16,
};

struct cgroup_cpu_stats {
	uint64_t total_ns, kernel_ns, user_ns;
	uint64_t *percpu_ns; /* owned; v1 only */
	size_t n_percpu;
	uint64_t n_periods, n_throttled, throttled_ns;
};

struct cgroup_memory_data {
	uint64_t usage, max_usage, failcnt;
	uint64_t limit; /* UINT64_MAX: "max" */
};

struct cgroup_memory_stats {
	struct cgroup_memory_data usage; /* limit etc. of memory itself */
	struct cgroup_memory_data swap;	 /* v1: memory and swap together; v2: swap alone */
	struct cgroup_memory_data kernel;
	uint64_t cache;		 /* v2: "file" */
	bool use_hierarchy;	 /* v2: always */
	struct cgroup_key *keys; /* owned: memory.stat */
	size_t n_keys;
};

struct cgroup_pids_stats {
	uint64_t current;
	uint64_t limit; /* 0: none */
};

/* As v1 has them; v2 puts all it knows in SERVICE_BYTES, with the ops of its io.stat (rbytes is
 * "read", wbytes "write"). */
enum cgroup_io_kind {
	CGROUP_IO_SERVICE_BYTES,
	CGROUP_IO_SERVICED,
	CGROUP_IO_QUEUED,
	CGROUP_IO_SERVICE_TIME,
	CGROUP_IO_WAIT_TIME,
	CGROUP_IO_MERGED,
	CGROUP_IO_TIME,
	CGROUP_IO_SECTORS,
	CGROUP_IO_KIND_COUNT,
};

struct cgroup_io_stats {
	struct cgroup_io *entries; /* owned */
	size_t n_entries;
};

struct cgroup_hugetlb_stats {
	char size[CGROUP_OP_SIZE]; /* "2MB" */
	uint64_t usage, max_usage, failcnt;
};

struct cgroup_stats {
	bool has_cpu, has_memory, has_pids, has_io;
	struct cgroup_cpu_stats cpu;
	struct cgroup_memory_stats memory;
	struct cgroup_pids_stats pids;
	struct cgroup_io_stats io[CGROUP_IO_KIND_COUNT];
	struct cgroup_hugetlb_stats hugetlb[CGROUP_HUGETLB_MAX];
	size_t n_hugetlb;
};

/* Fails with -ENOMEM only. */
int cgroup_stats_read(const struct cgroup *c, struct cgroup_stats *ret) must_check;
/* Also of a zeroed one. */
void cgroup_stats_fini(struct cgroup_stats *s);
