/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A split virtqueue seen from the device (virtio 1.2 s2.7), for guests that do their worst.
 *
 *	struct vq_chain chain;
 *
 *	while (vq_pop(vq, &chain)) {		// > 0: a chain
 *		...use chain.iov...
 *		vq_push(vq, &chain, n_written);
 *	}
 *	if (vq_flush(vq))
 *		...interrupt the guest...
 *
 * What holds for every chain that vq_pop() returns:
 *  - each descriptor was copied out of guest memory once and then checked; only the copy was used;
 *  - iov[0 .. n_out) are the parts the device may only read, iov[n_out .. n_out + n_in) those it
 * may only write, and every one of them lies in one guest memory region and is not empty;
 *  - out_len and in_len are their sums, at most VQ_LEN_MAX;
 *  - the bytes themselves belong to a hostile guest that may change them at any time.
 *
 * What a guest can do wrong - an index beyond the queue, a `next` beyond it or going round in
 * circles, an empty or unmapped buffer, a readable part behind a writable one, an indirect table
 * that is empty, misshapen, nested or not last, more chains made available than the queue has room
 * for, a chain of more than VQ_IOV_MAX parts - breaks the queue: vq_pop() returns 0 from then on,
 * vq_broken() says what was wrong, and nothing more is written to guest memory except what was
 * pushed before. It stays broken until vq_start() is called again. The transport tells the driver
 * (NEEDS_RESET, or the vhost-user error fd).
 *
 * Queues are single-threaded. Pointers in a chain are good until the memory table changes, so a
 * device pops, uses and pushes (or unpops) before it returns to its loop.
 */
#include <stdbool.h>
#include <sys/uio.h>

#include "guestmem/guestmem.h"

enum {
	VQ_SIZE_MAX = 32768, /* virtio 1.2 s2.7 */
	/* Parts of one chain. Linux's virtio-vsock uses at most 1 + MAX_SKB_FRAGS (17). */
	VQ_IOV_MAX = 64,
	VQ_LEN_MAX = 1 << 30, /* far above any device's request; keeps sums in 32 bits */
};

/* Feature bits that belong to the queue (virtio 1.2 s6). */
#define VQ_F_INDIRECT_DESC (UINT64_C(1) << 28)
#define VQ_F_EVENT_IDX (UINT64_C(1) << 29)

struct vq_desc;
struct vq_avail;
struct vq_used;

struct vq {
	const struct guestmem *gm; /* borrowed */
	const char *broken;	   /* why, a string constant; NULL: in order */
	bool running;
	bool event_idx, indirect; /* negotiated */
	uint16_t size;		  /* entries; a power of two */
	uint16_t last_avail;	  /* next entry of the available ring to look at */
	uint16_t used_idx;	  /* next entry of the used ring to fill */
	uint16_t flushed_idx;	  /* what the guest was last told used_idx is */
	uint16_t n_in_flight;	  /* popped and not yet pushed */
	/* In guest memory, untrusted; NULL until vq_set_rings(). */
	const struct vq_desc *desc;
	struct vq_avail *avail;
	struct vq_used *used;
};

struct vq_chain {
	uint16_t head; /* what vq_push() gives back */
	unsigned n_out, n_in;
	uint32_t out_len, in_len; /* bytes */
	struct iovec iov[VQ_IOV_MAX];
};

/* A stopped queue without rings. */
void vq_init(struct vq *vq, const struct guestmem *gm);

/*
 * How the driver set the queue up, before vq_start(). The transport calls them as the driver's
 * registers or messages say, in any order and repeatedly, except that vq_set_size() comes before
 * vq_set_rings(). vq_set_rings() may also be called on a running queue, after the memory table has
 * changed.
 * -EINVAL: size 0, not a power of two or above VQ_SIZE_MAX; -EFAULT: a ring is not in guest memory;
 * -EILSEQ: it is misaligned (s2.7: 16, 2 and 4 bytes). After a failure the queue has no rings and
 * is stopped.
 */
int vq_set_size(struct vq *vq, uint32_t size) must_check;
int vq_set_rings(
	struct vq *vq, uint64_t desc_gpa, uint64_t avail_gpa, uint64_t used_gpa) must_check;
/* features: the negotiated ones; other bits than the two above are ignored. */
void vq_set_features(struct vq *vq, uint64_t features);

/* Starts at entry `base` of the available ring (0 for a fresh driver), taking the used index from
 * the ring. -EINVAL: there are no rings. */
int vq_start(struct vq *vq, uint16_t base) must_check;
/* Returns the base to start from again. Chains that were popped and not pushed are forgotten. */
uint16_t vq_stop(struct vq *vq);

/* True: *ret is the next chain. False: there is none, or the queue is stopped or broken. */
bool vq_pop(struct vq *vq, struct vq_chain *ret) must_check;
/* Takes back the last n pops, newest first, as if they had not been; none of them may have been
 * pushed. */
void vq_unpop(struct vq *vq, unsigned n);
/* Gives the chain back to the guest with written bytes in its writable part (at most in_len). The
 * guest sees it at the next vq_flush(). */
void vq_push(struct vq *vq, const struct vq_chain *chain, uint32_t written);
/* Publishes what was pushed. True: the guest wants an interrupt for it. */
bool vq_flush(struct vq *vq) must_check;

/*
 * Whether the guest should kick when it makes chains available. After vq_enable_kicks() returned
 * true there are chains already, for which no kick may come: pop again before waiting.
 */
bool vq_enable_kicks(struct vq *vq) must_check;
void vq_disable_kicks(struct vq *vq);

/* Marks the queue broken because of what a chain held; why is a string constant. */
void vq_break(struct vq *vq, const char *why);
/* Why the queue is broken, or NULL. */
const char *vq_broken(const struct vq *vq);

/*
 * Bytes scattered over n parts: copies len bytes that begin `offset` bytes into them, out of or
 * into them. Returns how many there were to copy, less than len only if the parts end before.
 */
size_t vq_iov_read(const struct iovec *iov, unsigned n, size_t offset, void *to, size_t len);
size_t vq_iov_write(
	const struct iovec *iov, unsigned n, size_t offset, const void *from, size_t len);
/* Writes to `to` (room for n) the parts of [offset, offset + len), and returns how many they are.
 */
unsigned vq_iov_slice(
	const struct iovec *iov, unsigned n, size_t offset, size_t len, struct iovec *to);
