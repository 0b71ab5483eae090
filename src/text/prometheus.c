/* SPDX-License-Identifier: Apache-2.0 */
#include "text/prometheus.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/utf8.h"

void prometheus_begin(struct prometheus *p, const struct prometheus_family *family)
{
	p->family = *family;
	p->start = buf_len(p->out);
	p->has_header = false;
}

/* The format, and the string it travels in, are UTF-8 without NUL. */
static int append_value(struct buf *b, struct slice s)
{
	size_t n;
	int r = 0;

	for (size_t i = 0; r == 0 && i < s.len; i += n) {
		n = utf8_sequence(s.p + i, s.len - i);
		if (n == 0 || s.p[i] == '\0') {
			n = 1;
			r = buf_append_str(b, "\xef\xbf\xbd");
		} else if (s.p[i] == '\n') {
			r = buf_append_str(b, "\\n");
		} else if (s.p[i] == '"' || s.p[i] == '\\') {
			r = buf_printf(b, "\\%c", s.p[i]);
		} else {
			r = buf_append(b, s.p + i, n);
		}
	}
	return r;
}

static int append_labels(struct buf *b, const struct prometheus_label *labels, size_t n_labels)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n_labels; i++) {
		r = buf_printf(b, "%c%s=\"", i == 0 ? '{' : ',', labels[i].name);
		if (r == 0)
			r = append_value(b, labels[i].value);
		if (r == 0)
			r = buf_append_str(b, "\"");
	}
	return r == 0 && n_labels ? buf_append_str(b, "}") : r;
}

static int append_header(struct prometheus *p)
{
	const struct prometheus_family *f = &p->family;

	if (p->has_header)
		return 0;
	p->has_header = true;
	return buf_printf(
		p->out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name, f->type);
}

void prometheus_add_text(struct prometheus *p, const struct prometheus_label *labels,
	size_t n_labels, struct slice value)
{
	struct buf *b = p->out;

	if (p->r < 0)
		return;
	if (buf_len(b) - p->start >= PROMETHEUS_FAMILY_MAX) {
		p->is_cut = true;
		return;
	}
	p->r = append_header(p);
	if (p->r == 0)
		p->r = buf_append_str(b, p->family.name);
	if (p->r == 0)
		p->r = append_labels(b, labels, n_labels);
	if (p->r == 0)
		p->r = buf_append_str(b, " ");
	if (p->r == 0)
		p->r = buf_append(b, value.p, value.len);
	if (p->r == 0)
		p->r = buf_append_str(b, "\n");
}

void prometheus_add(struct prometheus *p, const struct prometheus_label *labels, size_t n_labels,
	uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	prometheus_add_text(p, labels, n_labels, slice_of_str(text));
}
