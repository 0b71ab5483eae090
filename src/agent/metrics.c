/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/metrics.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>

#include "agent/metrics_parts.h"
#include "base/io.h"

/* A mountinfo of 1,000 containers, or a stat with 1,000 interrupts, has some 200 KiB. */
enum { MAX_FILE = 1 << 20, MAX_PATH = 128 };

static const struct {
	const char *file; /* below /proc */
	bool is_of_agent; /* below its directory there */
	metrics_part_fn *add;
} parts[] = {
	[METRICS_AGENT_IO] = {"io", true, metrics_agent_io},
	[METRICS_AGENT_STAT] = {"stat", true, metrics_agent_stat},
	[METRICS_AGENT_STATUS] = {"status", true, metrics_agent_status},
	[METRICS_AGENT_TOTALS] = {"stat", true, metrics_agent_totals},
	[METRICS_CPU] = {"stat", false, metrics_cpu},
	[METRICS_DISKS] = {"diskstats", false, metrics_disks},
	[METRICS_FILESYSTEMS] = {"self/mountinfo", false, metrics_filesystems},
	[METRICS_LOAD] = {"loadavg", false, metrics_load},
	[METRICS_MEMORY] = {"meminfo", false, metrics_memory},
	[METRICS_NETWORK] = {"self/net/dev", false, metrics_network},
	[METRICS_TASKS] = {"loadavg", false, metrics_tasks},
	[METRICS_VM] = {"vmstat", false, metrics_vm},
};
static_assert(ARRAY_SIZE(parts) == METRICS_PART_COUNT, "every part has a file");

const char *metrics_part_file(enum metrics_part part)
{
	return parts[part].file;
}

uint64_t metrics_scale(uint64_t n, uint64_t numerator, uint64_t denominator)
{
	uint64_t whole, part = n % denominator, sum;

	if (__builtin_mul_overflow(n / denominator, numerator, &whole) ||
		__builtin_mul_overflow(part, numerator, &part) ||
		__builtin_add_overflow(whole, part / denominator, &sum))
		return UINT64_MAX;
	return sum;
}

uint64_t metrics_ticks(void)
{
	long n = sysconf(_SC_CLK_TCK);

	return n > 0 ? (uint64_t)n : 100;
}

void metrics_add_part(struct prometheus *p, enum metrics_part part, struct slice text)
{
	if (p->r == 0)
		parts[part].add(p, text);
}

static void add_scrape_count(struct prometheus *p, uint64_t n)
{
	prometheus_begin(p, &(struct prometheus_family){"kata_agent_scrape_count", "counter",
				    "How often these figures were asked for."});
	prometheus_add(p, NULL, 0, n);
}

static int read_part(const struct metrics_config *config, enum metrics_part part, struct buf *text)
{
	char path[MAX_PATH];
	int n;

	if (parts[part].is_of_agent)
		n = snprintf(path, sizeof(path), "%s/%d/%s", config->proc, (int)config->agent_pid,
			parts[part].file);
	else
		n = snprintf(path, sizeof(path), "%s/%s", config->proc, parts[part].file);
	if (n >= (int)sizeof(path))
		return -ENAMETOOLONG;
	return io_read_file(AT_FDCWD, path, MAX_FILE, text);
}

int metrics_collect(
	const struct metrics_config *config, struct buf *out, struct metrics_result *ret)
{
	struct prometheus p = {.out = out};
	unsigned int missing = 0;

	for (unsigned int part = 0; p.r == 0 && part < METRICS_PART_COUNT; part++) {
		auto_buf struct buf text = BUF_INIT;
		int r = read_part(config, part, &text);

		if (r == -ENOMEM)
			return r;
		if (part == METRICS_AGENT_TOTALS)
			add_scrape_count(&p, config->n_scrapes);
		if (r < 0)
			missing |= 1U << part;
		else
			metrics_add_part(&p, part, buf_slice(&text));
	}
	if (p.r < 0)
		return p.r;
	*ret = (struct metrics_result){.missing = missing, .is_cut = p.is_cut};
	return 0;
}
