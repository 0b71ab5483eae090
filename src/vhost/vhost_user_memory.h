/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The guest's memory as a vhost-user front end shares it: files, mapped here by region.
 *
 * The front end is not trusted: a hostile guest may own it. A table is refused if a region is
 * empty, wraps around, is not made of whole pages, overlaps another for the guest or for the front
 * end, or reaches beyond its file, whose pages then would raise SIGBUS. A file that is truncated
 * later still does (QEMU seals its memory files against that); guestmem.h says why nothing is done
 * about it.
 */
#include "guestmem/guestmem.h"
#include "vhost/vhost_user_message.h"

struct vhost_user_memory {
	struct guestmem gm; /* for the queues; changes with vhost_user_memory_set() */
	size_t n_regions;
	struct vhost_user_region regions[VHOST_USER_REGIONS_MAX];
	void *maps[VHOST_USER_REGIONS_MAX]; /* owned, regions[i].size bytes */
};

/* Maps the table's regions from the n fds, which remain the caller's, in place of those there are.
 * On failure nothing has changed. */
int vhost_user_memory_set(struct vhost_user_memory *m, const struct vhost_user_mem_table *table,
	const int *fds, size_t n, struct err *err) must_check;
/* Unmaps everything. */
void vhost_user_memory_fini(struct vhost_user_memory *m);

/* The guest's address of what the front end has at uva. -EFAULT: in no region. */
int vhost_user_memory_find(
	const struct vhost_user_memory *m, uint64_t uva, uint64_t *ret_gpa) must_check;

extern const struct jail_rule vhost_user_memory_rules[];
