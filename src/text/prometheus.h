/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Writing metrics in Prometheus' text format, version 0.0.4.
 *
 *	struct prometheus p = {.out = &buf};
 *
 *	prometheus_begin(&p, &(struct prometheus_family){"kata_guest_load", "gauge", "Load."});
 *	prometheus_add(&p, labels, 1, 42);
 *	return p.r;
 *
 * A family without samples leaves nothing behind. Names of families and labels are our own; label
 * values may be any bytes.
 */
#include "base/buf.h"

/* With some 20 families the whole stays well below what one message holds (4 MiB). It suffices for
 * the times of 200 processors, 80 disks or network interfaces; what is more is left out. */
enum { PROMETHEUS_FAMILY_MAX = 128 << 10 };

struct prometheus_family {
	const char *name, *type, *help;
};

struct prometheus {
	struct buf *out;		 /* borrowed */
	struct prometheus_family family; /* its strings borrowed */
	size_t start;			 /* of the family in out */
	bool has_header;
	bool is_cut; /* samples have been left out */
	int r;	     /* 0, or -ENOMEM: out is of no use */
};

struct prometheus_label {
	const char *name;
	struct slice value;
};

void prometheus_begin(struct prometheus *p, const struct prometheus_family *family);
void prometheus_add(struct prometheus *p, const struct prometheus_label *labels, size_t n_labels,
	uint64_t value);
/* value: a decimal number as text. */
void prometheus_add_text(struct prometheus *p, const struct prometheus_label *labels,
	size_t n_labels, struct slice value);
