/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Guest-physical addresses to pointers of this process, always with a length.
 *
 * A struct guestmem is a small table of regions; it borrows the memory behind them and never maps
 * or unmaps. A zeroed one is valid and empty. Regions do not overlap. One access lies in one
 * region: a range that crosses from a region into its neighbour is refused even where both are
 * contiguous for the guest, because nothing makes them contiguous here. Linux guests give no such
 * buffer: memory is divided at the PCI hole and at memory devices.
 *
 * The guest writes to its memory at any time, so whatever is read through gm_ptr() may differ when
 * it is read again. What is checked must be copied first (gm_read) and only the copy used.
 *
 * A region whose file is truncated under us raises SIGBUS on access. No handler is installed: the
 * process that maps guest memory serves that one guest only, and dying is the right answer to a VMM
 * that takes its memory away.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/own.h"

/* vhost-user passes at most 8 regions in one message; the built-in VMM needs low, high and
 * hotplugged memory and DAX windows. */
enum { GM_REGIONS_MAX = 32 };

struct gm_region {
	uint64_t gpa;
	uint64_t size; /* bytes */
	uint8_t *hva;  /* borrowed */
};

struct guestmem {
	struct gm_region regions[GM_REGIONS_MAX]; /* sorted by gpa */
	size_t n_regions;
};

/* -EINVAL: empty, no pointer, or the range wraps around; -EEXIST: overlaps a region; -ENOSPC. */
int gm_add_region(struct guestmem *gm, uint64_t gpa, uint64_t size, void *hva) must_check;
/* Forgets all regions. Pointers got before are the caller's worry. */
void gm_clear(struct guestmem *gm);

/* The len bytes at gpa, or NULL if they do not lie in one region or len is 0. */
void *gm_ptr(const struct guestmem *gm, uint64_t gpa, uint64_t len);

/* Copy out of and into guest memory. -EFAULT: not all of the range is guest memory (nothing was
 * copied). A len of 0 succeeds. */
int gm_read(const struct guestmem *gm, uint64_t gpa, void *to, size_t len) must_check;
int gm_write(const struct guestmem *gm, uint64_t gpa, const void *from, size_t len) must_check;
