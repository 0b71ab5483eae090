/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's figures. */
#include <string.h>
#include <sys/statvfs.h>

#include "agent/filesystems.h"
#include "agent/metrics_parts.h"
#include "linux/netdev.h"
#include "linux/proctext.h"

static void begin(struct prometheus *p, const char *name, const char *help)
{
	prometheus_begin(p, &(struct prometheus_family){name, "gauge", help});
}

static void add_labelled(struct prometheus *p, const char *label, struct slice value,
	const char *item, uint64_t sample)
{
	struct prometheus_label labels[] = {{label, value}, {"item", slice_of_str(item)}};

	prometheus_add(p, labels, ARRAY_SIZE(labels), sample);
}

/* "cpu0" is "0", "cpu" is "total". */
static bool parse_cpu(struct slice word, struct slice *ret)
{
	if (word.len < 3 || memcmp(word.p, "cpu", 3) != 0)
		return false;
	*ret = word.len == 3 ? slice_of_str("total") : slice_of(word.p + 3, word.len - 3);
	return true;
}

void metrics_cpu(struct prometheus *p, struct slice text)
{
	static const char *const items[] = {"user", "nice", "system", "idle", "iowait", "irq",
		"softirq", "steal", "guest", "guest_nice"};
	struct slice line, word, cpu;
	uint64_t ticks;

	begin(p, "kata_guest_cpu_time", "What the guest's processors did, in milliseconds.");
	while (proctext_next_line(&text, &line)) {
		if (!proctext_next_word(&line, &word) || !parse_cpu(word, &cpu))
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(items) && proctext_next_u64(&line, &ticks); i++)
			add_labelled(p, "cpu", cpu, items[i],
				metrics_scale(ticks, 1000, metrics_ticks()));
	}
}

void metrics_disks(struct prometheus *p, struct slice text)
{
	/* Older kernels have the first 11 or 15. */
	static const char *const items[] = {"reads", "merged", "sectors_read", "time_reading",
		"writes", "writes_merged", "sectors_written", "time_writing", "in_progress",
		"time_in_progress", "weighted_time_in_progress", "discards", "discards_merged",
		"sectors_discarded", "time_discarding", "flushes", "time_flushing"};
	struct slice line, name;
	uint64_t n;

	begin(p, "kata_guest_diskstat", "Operations, sectors and milliseconds of the disks.");
	while (proctext_next_line(&text, &line)) {
		/* Major and minor number come first. */
		if (!proctext_next_u64(&line, &n) || !proctext_next_u64(&line, &n) ||
			!proctext_next_word(&line, &name))
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(items) && proctext_next_u64(&line, &n); i++)
			add_labelled(p, "disk", name, items[i], n);
	}
}

static void add_usage(struct prometheus *p, const struct filesystem *fs, uint64_t total,
	uint64_t used, uint64_t available)
{
	const struct {
		const char *item;
		uint64_t value;
	} rows[] = {{"total", total}, {"used", used}, {"available", available}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct prometheus_label labels[] = {{"mount", slice_of_str(fs->mount_point)},
			{"device", slice_of_str(fs->source)}, {"item", slice_of_str(rows[i].item)}};

		prometheus_add(p, labels, ARRAY_SIZE(labels), rows[i].value);
	}
}

void metrics_filesystems(struct prometheus *p, struct slice text)
{
	auto_free struct filesystem *list = calloc(FILESYSTEMS_MAX, sizeof(*list));
	auto_free char *copy = NULL;
	struct statvfs fs;
	size_t n;

	/* A mountinfo holds no NUL. */
	if (!list || slice_to_cstr(text, text.len, &copy) == -ENOMEM) {
		p->r = -ENOMEM;
		return;
	}
	n = copy ? filesystems_list(copy, list) : 0;
	begin(p, "kata_guest_filesystem_bytes", "How full file systems are, in bytes.");
	for (size_t i = 0; i < n; i++)
		if (statvfs(list[i].mount_point, &fs) == 0)
			add_usage(p, &list[i], metrics_scale(fs.f_blocks, fs.f_frsize, 1),
				metrics_scale(fs.f_blocks - fs.f_bfree, fs.f_frsize, 1),
				metrics_scale(fs.f_bavail, fs.f_frsize, 1));
	begin(p, "kata_guest_filesystem_inodes", "How full file systems are, in inodes.");
	for (size_t i = 0; i < n; i++)
		if (statvfs(list[i].mount_point, &fs) == 0)
			add_usage(p, &list[i], fs.f_files, fs.f_files - fs.f_ffree, fs.f_favail);
}

/* "0.05": what the kernel writes, and what the format takes as it is. */
static bool is_decimal(struct slice word)
{
	size_t n_points = 0;

	for (size_t i = 0; i < word.len; i++) {
		if (word.p[i] == '.' && i > 0 && i + 1 < word.len)
			n_points++;
		else if (word.p[i] < '0' || word.p[i] > '9')
			return false;
	}
	return word.len > 0 && n_points <= 1;
}

void metrics_load(struct prometheus *p, struct slice text)
{
	static const char *const items[] = {"load1", "load5", "load15"};
	struct slice line, word;

	begin(p, "kata_guest_load", "Tasks that ran or waited to, on average.");
	if (!proctext_next_line(&text, &line))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
		struct prometheus_label label = {"item", slice_of_str(items[i])};

		if (!proctext_next_word(&line, &word) || !is_decimal(word))
			return;
		prometheus_add_text(p, &label, 1, word);
	}
}

/* The fourth word of loadavg is "running/all". */
void metrics_tasks(struct prometheus *p, struct slice text)
{
	struct slice line, word = {NULL, 0};
	uint64_t running, all;
	size_t slash = 0;

	begin(p, "kata_guest_tasks", "Tasks of the guest: running (cur) and all (max).");
	if (!proctext_next_line(&text, &line))
		return;
	for (int i = 0; i < 4; i++)
		if (!proctext_next_word(&line, &word))
			return;
	while (slash < word.len && word.p[slash] != '/')
		slash++;
	if (slash == word.len || !proctext_parse_u64(slice_of(word.p, slash), &running) ||
		!proctext_parse_u64(slice_of(word.p + slash + 1, word.len - slash - 1), &all))
		return;
	process_metrics_add_item(p, "cur", running);
	process_metrics_add_item(p, "max", all);
}

void metrics_network(struct prometheus *p, struct slice text)
{
	static const char *const items[] = {"recv_bytes", "recv_packets", "recv_errs", "recv_drop",
		"recv_fifo", "recv_frame", "recv_compressed", "recv_multicast", "sent_bytes",
		"sent_packets", "sent_errs", "sent_drop", "sent_fifo", "sent_colls", "sent_carrier",
		"sent_compressed"};
	struct netdev dev;

	begin(p, "kata_guest_netdev_stat", "Traffic of the network interfaces.");
	while (netdev_next(&text, &dev))
		for (size_t i = 0; i < ARRAY_SIZE(items) && i < dev.n; i++)
			add_labelled(p, "interface", dev.name, items[i], dev.counts[i]);
}

void metrics_vm(struct prometheus *p, struct slice text)
{
	struct slice line, key;
	uint64_t n;

	begin(p, "kata_guest_vm_stat", "Counters of the guest's memory management.");
	while (proctext_next_line(&text, &line)) {
		struct prometheus_label label = {"item", {NULL, 0}};

		if (!proctext_next_word(&line, &key) || !proctext_next_u64(&line, &n))
			continue;
		label.value = key;
		prometheus_add(p, &label, 1, n);
	}
}
