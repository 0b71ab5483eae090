/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/sandbox_metrics.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/io.h"
#include "linux/process_metrics.h"
#include "linux/procstat.h"
#include "linux/proctext.h"

enum { MAX_FILE = 64 << 10, PATH_SIZE = 128, NAME_SIZE = 64 };

struct subject {
	struct process_metrics names;
	const char *proc;
	pid_t pid;
};

/* false: there is no such file, or it is no longer what it was. */
static bool read_file(const struct subject *s, const char *file, struct buf *text)
{
	char path[PATH_SIZE];

	buf_clear(text);
	snprintf(path, sizeof(path), "%s/%d/%s", s->proc, (int)s->pid, file);
	return io_read_file(AT_FDCWD, path, MAX_FILE, text) == 0;
}

static void add_gauge(struct prometheus *p, const struct subject *s, const char *name,
	const char *help, uint64_t value)
{
	char full[NAME_SIZE];

	snprintf(full, sizeof(full), "%s_%s", s->names.prefix, name);
	prometheus_begin(p, &(struct prometheus_family){full, "gauge", help});
	prometheus_add(p, NULL, 0, value);
}

static void add_fds(struct prometheus *p, const struct subject *s)
{
	char path[PATH_SIZE];
	uint64_t n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%d/fd", s->proc, (int)s->pid);
	d = opendir(path);
	if (!d)
		return;
	for (const struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	add_gauge(p, s, "fds", "Open file descriptors.", n);
}

static void add_threads(struct prometheus *p, const struct subject *s, struct slice text)
{
	struct procstat stat;

	if (procstat_parse(text, &stat) == 0)
		add_gauge(p, s, "threads", "Threads.", stat.n_threads);
}

/* "  eth0: 1 2 3 ...", in the order of the columns. */
static void add_interface(struct prometheus *p, struct slice line)
{
	static const char *const items[] = {"recv_bytes", "recv_packets", "recv_errs", "recv_drop",
		"recv_fifo", "recv_frame", "recv_compressed", "recv_multicast", "sent_bytes",
		"sent_packets", "sent_errs", "sent_drop", "sent_fifo", "sent_colls", "sent_carrier",
		"sent_compressed"};
	struct prometheus_label labels[] = {{"interface", {0}}, {"item", {0}}};
	struct slice rest;
	uint64_t value;

	while (line.len > 0 && line.p[0] == ' ')
		line = slice_of(line.p + 1, line.len - 1);
	if (!proctext_cut_key(line, &labels[0].value, &rest))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(items) && proctext_next_u64(&rest, &value); i++) {
		labels[1].value = slice_of_str(items[i]);
		prometheus_add(p, labels, ARRAY_SIZE(labels), value);
	}
}

static void add_network(struct prometheus *p, const struct subject *s, struct slice text)
{
	char name[NAME_SIZE];
	struct slice line;

	snprintf(name, sizeof(name), "%s_netdev", s->names.prefix);
	prometheus_begin(p, &(struct prometheus_family){
				    name, "gauge", "Counters of the network interfaces it sees."});
	/* Two lines of headings. */
	for (int i = 0; i < 2; i++)
		(void)!proctext_next_line(&text, &line);
	while (proctext_next_line(&text, &line))
		add_interface(p, line);
}

static int add_subject(const struct subject *s, struct buf *out)
{
	struct prometheus p = {.out = out};
	auto_buf struct buf text = BUF_INIT;

	add_fds(&p, s);
	if (read_file(s, "io", &text))
		process_metrics_io(&s->names, &p, buf_slice(&text));
	if (read_file(s, "net/dev", &text))
		add_network(&p, s, buf_slice(&text));
	if (read_file(s, "stat", &text)) {
		process_metrics_stat(&s->names, &p, buf_slice(&text));
		add_threads(&p, s, buf_slice(&text));
	}
	if (read_file(s, "status", &text))
		process_metrics_status(&s->names, &p, buf_slice(&text));
	return p.r;
}

int sandbox_metrics_write(const struct sandbox_metrics *m, struct buf *out)
{
	const struct subject shim = {
		{"kata_shim", "the shim"}, .proc = m->proc, .pid = m->shim_pid};
	const struct subject vmm = {
		{"kata_hypervisor", "the VMM"}, .proc = m->proc, .pid = m->vmm_pid};
	int r = add_subject(&shim, out);

	return r == 0 && m->vmm_pid > 0 ? add_subject(&vmm, out) : r;
}
