/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The split virtqueue as it lies in guest memory: virtio 1.2 s2.7.5 to s2.7.8. For queue.c and for
 * tests that play the driver. */
#include "guestmem/le.h"

enum { VQ_DESC_F_NEXT = 1, VQ_DESC_F_WRITE = 2, VQ_DESC_F_INDIRECT = 4 };
enum { VQ_AVAIL_F_NO_INTERRUPT = 1, VQ_USED_F_NO_NOTIFY = 1 };
enum { VQ_DESC_ALIGN = 16, VQ_AVAIL_ALIGN = 2, VQ_USED_ALIGN = 4 };

struct vq_desc {
	le64 addr;
	le32 len;
	le16 flags;
	le16 next;
};

struct vq_avail {
	le16 flags;
	le16 idx;
	le16 ring[]; /* size entries, then used_event */
};

struct vq_used_elem {
	le32 id;
	le32 len;
};

struct vq_used {
	le16 flags;
	le16 idx;
	struct vq_used_elem ring[]; /* size entries, then avail_event (le16) */
};

/* Bytes of each part for a queue of n entries, the event words included. */
static inline uint64_t vq_desc_bytes(unsigned n)
{
	return sizeof(struct vq_desc) * (uint64_t)n;
}

static inline uint64_t vq_avail_bytes(unsigned n)
{
	return sizeof(struct vq_avail) + sizeof(le16) * ((uint64_t)n + 1);
}

static inline uint64_t vq_used_bytes(unsigned n)
{
	return sizeof(struct vq_used) + sizeof(struct vq_used_elem) * (uint64_t)n + sizeof(le16);
}
