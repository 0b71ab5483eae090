/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/cgroup_stats.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"

enum { FILE_MAX = 1 << 20 };

/* "" if it cannot be read. */
static const char *read_text(int dir_fd, const char *file, struct buf *b)
{
	buf_clear(b);
	if (io_read_file(dir_fd, file, FILE_MAX, b) < 0)
		buf_clear(b);
	return buf_str(b);
}

static uint64_t read_number(int dir_fd, const char *file)
{
	auto_buf struct buf b = BUF_INIT;
	uint64_t n = 0;

	(void)cgroup_text_number(read_text(dir_fd, file, &b), &n);
	return n;
}

/* Makes room for one more element: capacities are powers of two. array: the address of a pointer. */
static int grow(void *array, size_t n, size_t size)
{
	void *old, *new;

	memcpy(&old, array, sizeof(old));
	if (n & (n - 1) || n == 1)
		return 0;
	new = reallocarray(old, n ? 2 * n : 2, size);
	if (!new)
		return -ENOMEM;
	memcpy(array, &new, sizeof(new));
	return 0;
}

static int read_percpu(int dir_fd, struct cgroup_cpu_stats *cpu)
{
	auto_buf struct buf b = BUF_INIT;
	const char *at = read_text(dir_fd, "cpuacct.usage_percpu", &b);
	uint64_t ns;

	while (cpu->n_percpu < CGROUP_PERCPU_MAX && cgroup_text_next_number(&at, &ns)) {
		if (grow(&cpu->percpu_ns, cpu->n_percpu, sizeof(ns)) < 0)
			return -ENOMEM;
		cpu->percpu_ns[cpu->n_percpu++] = ns;
	}
	return 0;
}

static int read_cpuacct(int dir_fd, struct cgroup_cpu_stats *cpu)
{
	auto_buf struct buf b = BUF_INIT;
	const char *text = read_text(dir_fd, "cpuacct.stat", &b);
	uint64_t tick_ns = NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);

	cpu->total_ns = read_number(dir_fd, "cpuacct.usage");
	cpu->user_ns = cgroup_text_find_key(text, "user") * tick_ns;
	cpu->kernel_ns = cgroup_text_find_key(text, "system") * tick_ns;
	return read_percpu(dir_fd, cpu);
}

static void read_throttling(const char *text, bool unified, struct cgroup_cpu_stats *cpu)
{
	cpu->n_periods = cgroup_text_find_key(text, "nr_periods");
	cpu->n_throttled = cgroup_text_find_key(text, "nr_throttled");
	cpu->throttled_ns = unified ? cgroup_text_find_key(text, "throttled_usec") * NS_PER_US
				    : cgroup_text_find_key(text, "throttled_time");
}

static int read_cpu(const struct cgroup *c, struct cgroup_stats *s)
{
	auto_buf struct buf b = BUF_INIT;
	bool cpu_unified = false, acct_unified = false;
	int cpu_fd = cgroup_fd_of(c, CGROUP_CPU, &cpu_unified),
	    acct_fd = cgroup_fd_of(c, CGROUP_CPUACCT, &acct_unified);
	const char *text;

	s->has_cpu = cpu_fd >= 0 || acct_fd >= 0;
	if (cpu_fd >= 0)
		read_throttling(read_text(cpu_fd, "cpu.stat", &b), cpu_unified, &s->cpu);
	if (acct_fd >= 0 && !acct_unified)
		return read_cpuacct(acct_fd, &s->cpu);
	if (acct_fd < 0)
		return 0;
	text = read_text(acct_fd, "cpu.stat", &b);
	s->cpu.total_ns = cgroup_text_find_key(text, "usage_usec") * NS_PER_US;
	s->cpu.user_ns = cgroup_text_find_key(text, "user_usec") * NS_PER_US;
	s->cpu.kernel_ns = cgroup_text_find_key(text, "system_usec") * NS_PER_US;
	return 0;
}

/* prefix: "memory", "memory.memsw" or "memory.kmem" */
static struct cgroup_memory_data read_memory_v1(int dir_fd, const char *prefix)
{
	static const char *const names[] = {
		"usage_in_bytes", "max_usage_in_bytes", "failcnt", "limit_in_bytes"};
	uint64_t values[ARRAY_SIZE(names)];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char file[64];

		snprintf(file, sizeof(file), "%s.%s", prefix, names[i]);
		values[i] = read_number(dir_fd, file);
	}
	return (struct cgroup_memory_data){.usage = values[0],
		.max_usage = values[1],
		.failcnt = values[2],
		.limit = values[3]};
}

static void read_memory_v2(int dir_fd, struct cgroup_memory_stats *m)
{
	auto_buf struct buf b = BUF_INIT;

	m->usage.usage = read_number(dir_fd, "memory.current");
	m->usage.max_usage = read_number(dir_fd, "memory.peak");
	m->usage.limit = read_number(dir_fd, "memory.max");
	m->usage.failcnt = cgroup_text_find_key(read_text(dir_fd, "memory.events", &b), "max");
	m->swap.usage = read_number(dir_fd, "memory.swap.current");
	m->swap.max_usage = read_number(dir_fd, "memory.swap.peak");
	m->swap.limit = read_number(dir_fd, "memory.swap.max");
	m->swap.failcnt = cgroup_text_find_key(read_text(dir_fd, "memory.swap.events", &b), "fail");
}

static int read_keys(const char *text, struct cgroup_memory_stats *m)
{
	struct cgroup_key key;

	while (m->n_keys < CGROUP_KEYS_MAX && cgroup_text_next_key(&text, &key)) {
		if (grow(&m->keys, m->n_keys, sizeof(key)) < 0)
			return -ENOMEM;
		m->keys[m->n_keys++] = key;
	}
	return 0;
}

static int read_memory(const struct cgroup *c, struct cgroup_stats *s)
{
	struct cgroup_memory_stats *m = &s->memory;
	auto_buf struct buf b = BUF_INIT;
	bool unified = false;
	int fd = cgroup_fd_of(c, CGROUP_MEMORY, &unified);
	const char *text;

	/* v2's directory is there also when the controller is not. */
	s->has_memory = fd >= 0 && faccessat(fd, "memory.stat", F_OK, 0) == 0;
	if (!s->has_memory)
		return 0;
	text = read_text(fd, "memory.stat", &b);
	m->cache = cgroup_text_find_key(text, unified ? "file" : "cache");
	if (unified) {
		read_memory_v2(fd, m);
		m->kernel.usage = cgroup_text_find_key(text, "kernel");
		m->use_hierarchy = true;
	} else {
		m->usage = read_memory_v1(fd, "memory");
		m->swap = read_memory_v1(fd, "memory.memsw");
		m->kernel = read_memory_v1(fd, "memory.kmem");
		m->use_hierarchy = read_number(fd, "memory.use_hierarchy") == 1;
	}
	return read_keys(text, m);
}

static void read_pids(const struct cgroup *c, struct cgroup_stats *s)
{
	bool unified;
	int fd = cgroup_fd_of(c, CGROUP_PIDS, &unified);

	s->has_pids = fd >= 0 && faccessat(fd, "pids.current", F_OK, 0) == 0;
	if (!s->has_pids)
		return;
	s->pids.current = read_number(fd, "pids.current");
	s->pids.limit = read_number(fd, "pids.max");
	if (s->pids.limit == UINT64_MAX)
		s->pids.limit = 0;
}

static int add_io(struct cgroup_io_stats *list, const struct cgroup_io *io)
{
	if (grow(&list->entries, list->n_entries, sizeof(*io)) < 0)
		return -ENOMEM;
	list->entries[list->n_entries++] = *io;
	return 0;
}

static int read_io_v2(int dir_fd, struct cgroup_io_stats *list)
{
	auto_buf struct buf b = BUF_INIT;
	const char *at = read_text(dir_fd, "io.stat", &b);
	struct cgroup_io_line line = {.inside = false};
	struct cgroup_io io;
	int r = 0;

	while (r == 0 && list->n_entries < CGROUP_IO_MAX &&
		cgroup_text_next_io_pair(&at, &line, &io)) {
		if (strcmp(io.op, "rbytes") == 0)
			snprintf(io.op, sizeof(io.op), "read");
		else if (strcmp(io.op, "wbytes") == 0)
			snprintf(io.op, sizeof(io.op), "write");
		r = add_io(list, &io);
	}
	return r;
}

/* Which of them there are depends on the kernel's schedulers; the first with content is taken. */
static const char *const io_files[CGROUP_IO_KIND_COUNT][3] = {
	[CGROUP_IO_SERVICE_BYTES] = {"blkio.io_service_bytes_recursive",
		"blkio.bfq.io_service_bytes_recursive",
		"blkio.throttle.io_service_bytes_recursive"},
	[CGROUP_IO_SERVICED] = {"blkio.io_serviced_recursive", "blkio.bfq.io_serviced_recursive",
		"blkio.throttle.io_serviced_recursive"},
	[CGROUP_IO_QUEUED] = {"blkio.io_queued_recursive", "blkio.bfq.io_queued_recursive"},
	[CGROUP_IO_SERVICE_TIME] = {"blkio.io_service_time_recursive",
		"blkio.bfq.io_service_time_recursive"},
	[CGROUP_IO_WAIT_TIME] = {"blkio.io_wait_time_recursive",
		"blkio.bfq.io_wait_time_recursive"},
	[CGROUP_IO_MERGED] = {"blkio.io_merged_recursive", "blkio.bfq.io_merged_recursive"},
	[CGROUP_IO_TIME] = {"blkio.time_recursive", "blkio.bfq.time_recursive"},
	[CGROUP_IO_SECTORS] = {"blkio.sectors_recursive", "blkio.bfq.sectors_recursive"},
};

static int read_io_kind(int dir_fd, const char *const files[3], struct cgroup_io_stats *list)
{
	auto_buf struct buf b = BUF_INIT;
	struct cgroup_io io;
	int r = 0;

	for (size_t i = 0; i < 3 && files[i] && list->n_entries == 0; i++) {
		const char *at = read_text(dir_fd, files[i], &b);

		while (r == 0 && list->n_entries < CGROUP_IO_MAX && cgroup_text_next_io(&at, &io))
			r = add_io(list, &io);
	}
	return r;
}

static int read_io(const struct cgroup *c, struct cgroup_stats *s)
{
	bool unified = false;
	int fd = cgroup_fd_of(c, CGROUP_BLKIO, &unified), r = 0;

	s->has_io = fd >= 0 && (!unified || faccessat(fd, "io.stat", F_OK, 0) == 0);
	if (!s->has_io)
		return 0;
	if (unified)
		return read_io_v2(fd, &s->io[CGROUP_IO_SERVICE_BYTES]);
	for (size_t i = 0; i < CGROUP_IO_KIND_COUNT && r == 0; i++)
		r = read_io_kind(fd, io_files[i], &s->io[i]);
	return r;
}

static void read_hugetlb_size(int dir_fd, bool unified, struct cgroup_hugetlb_stats *h)
{
	auto_buf struct buf b = BUF_INIT;
	char file[64];

	snprintf(file, sizeof(file), "hugetlb.%s.%s", h->size,
		unified ? "current" : "usage_in_bytes");
	h->usage = read_number(dir_fd, file);
	snprintf(file, sizeof(file), "hugetlb.%s.%s", h->size, unified ? "events" : "failcnt");
	h->failcnt = unified ? cgroup_text_find_key(read_text(dir_fd, file, &b), "max")
			     : read_number(dir_fd, file);
	snprintf(file, sizeof(file), "hugetlb.%s.max_usage_in_bytes", h->size);
	h->max_usage = unified ? 0 : read_number(dir_fd, file);
}

/* The sizes are the kernel's, and known by the files: "hugetlb.2MB.current". */
static void read_hugetlb(const struct cgroup *c, struct cgroup_stats *s)
{
	bool unified = false;
	int fd = cgroup_fd_of(c, CGROUP_HUGETLB, &unified);
	int own_fd = fd < 0 ? -1 : openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = own_fd < 0 ? NULL : fdopendir(own_fd);
	struct dirent *entry;

	if (!dir)
		close_fd(own_fd);
	while (dir && s->n_hugetlb < CGROUP_HUGETLB_MAX && (entry = readdir(dir))) {
		struct cgroup_hugetlb_stats h = {.usage = 0};
		const char *name = entry->d_name + strlen("hugetlb."), *end;

		if (strncmp(entry->d_name, "hugetlb.", strlen("hugetlb.")) != 0)
			continue;
		end = strchr(name, '.');
		if (!end || (size_t)(end - name) >= sizeof(h.size) ||
			strcmp(end, unified ? ".current" : ".usage_in_bytes") != 0)
			continue;
		memcpy(h.size, name, (size_t)(end - name));
		read_hugetlb_size(fd, unified, &h);
		s->hugetlb[s->n_hugetlb++] = h;
	}
	if (dir)
		closedir(dir);
}

int cgroup_stats_read(const struct cgroup *c, struct cgroup_stats *ret)
{
	struct cgroup_stats s = {.has_cpu = false};
	int r = read_cpu(c, &s);

	if (r == 0)
		r = read_memory(c, &s);
	if (r == 0)
		r = read_io(c, &s);
	read_pids(c, &s);
	read_hugetlb(c, &s);
	if (r < 0)
		cgroup_stats_fini(&s);
	else
		*ret = s;
	return r;
}

void cgroup_stats_fini(struct cgroup_stats *s)
{
	own_free(&s->cpu.percpu_ns);
	own_free(&s->memory.keys);
	for (size_t i = 0; i < CGROUP_IO_KIND_COUNT; i++)
		own_free(&s->io[i].entries);
	*s = (struct cgroup_stats){.has_cpu = false};
}
