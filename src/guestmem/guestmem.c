/* SPDX-License-Identifier: Apache-2.0 */
#include "guestmem/guestmem.h"

#include <stdatomic.h>
#include <string.h>

/* The number of regions that begin at or below gpa: the region of gpa, if any, is the one before.
 */
static size_t upper_bound(const struct guestmem *gm, uint64_t gpa)
{
	size_t low = 0, high = gm->n_regions;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (gm->regions[middle].gpa <= gpa)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int gm_add_region(struct guestmem *gm, uint64_t gpa, uint64_t size, void *hva)
{
	size_t at = upper_bound(gm, gpa);
	uint64_t last;
	uintptr_t last_hva;

	if (size == 0 || !hva || __builtin_add_overflow(gpa, size - 1, &last) ||
		__builtin_add_overflow((uintptr_t)hva, size - 1, &last_hva))
		return -EINVAL;
	if (at > 0 && gpa - gm->regions[at - 1].gpa < gm->regions[at - 1].size)
		return -EEXIST;
	if (at < gm->n_regions && gm->regions[at].gpa <= last)
		return -EEXIST;
	if (gm->n_regions == GM_REGIONS_MAX)
		return -ENOSPC;
	memmove(&gm->regions[at + 1], &gm->regions[at],
		(gm->n_regions - at) * sizeof(gm->regions[0]));
	gm->regions[at] = (struct gm_region){.gpa = gpa, .size = size, .hva = hva};
	gm->n_regions++;
	return 0;
}

void gm_clear(struct guestmem *gm)
{
	gm->n_regions = 0;
}

void *gm_ptr(const struct guestmem *gm, uint64_t gpa, uint64_t len)
{
	size_t at = upper_bound(gm, gpa);
	const struct gm_region *region;
	uint64_t offset;

	if (at == 0 || len == 0)
		return NULL;
	region = &gm->regions[at - 1];
	offset = gpa - region->gpa;
	/* No sum of guest values: both sides stay below the region's size. */
	if (offset >= region->size || len > region->size - offset)
		return NULL;
	return region->hva + offset;
}

int gm_read(const struct guestmem *gm, uint64_t gpa, void *to, size_t len)
{
	const void *from = gm_ptr(gm, gpa, len);

	if (len == 0)
		return 0;
	if (!from)
		return -EFAULT;
	memcpy(to, from, len);
	/* The compiler may not read the guest's bytes a second time instead of keeping the copy. */
	atomic_signal_fence(memory_order_seq_cst);
	return 0;
}

int gm_write(const struct guestmem *gm, uint64_t gpa, const void *from, size_t len)
{
	void *to = gm_ptr(gm, gpa, len);

	if (len == 0)
		return 0;
	if (!to)
		return -EFAULT;
	memcpy(to, from, len);
	return 0;
}
