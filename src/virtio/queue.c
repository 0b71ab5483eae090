/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * The driver writes descriptors, then their heads into the available ring, then that ring's index
 * with a release; we load the index with an acquire, so everything up to it is visible. We write
 * used elements, then the used index with a release. Suppression of kicks and interrupts needs
 * more: each side writes its own word and then reads the other's, and only a full fence between the
 * two keeps both from missing the other (Dekker), so vq_flush() and vq_enable_kicks() have one
 * each.
 *
 * Indices run freely through 16 bits; differences are taken modulo 65536 and positions modulo size.
 */
#include "virtio/queue.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include "virtio/queue_layout.h"

static_assert(sizeof(struct vq_desc) == 16 && sizeof(struct vq_used_elem) == 8, "as on the wire");

void vq_init(struct vq *vq, const struct guestmem *gm)
{
	*vq = (struct vq){.gm = gm};
}

static void forget_rings(struct vq *vq)
{
	vq->desc = NULL;
	vq->avail = NULL;
	vq->used = NULL;
	vq->running = false;
}

int vq_set_size(struct vq *vq, uint32_t size)
{
	forget_rings(vq);
	vq->size = 0;
	if (size == 0 || size > VQ_SIZE_MAX || (size & (size - 1)) != 0)
		return -EINVAL;
	vq->size = (uint16_t)size;
	return 0;
}

static bool is_aligned(const void *p, uintptr_t align)
{
	return ((uintptr_t)p & (align - 1)) == 0;
}

int vq_set_rings(struct vq *vq, uint64_t desc_gpa, uint64_t avail_gpa, uint64_t used_gpa)
{
	bool running = vq->running;
	void *desc, *avail, *used;

	forget_rings(vq);
	if (vq->size == 0)
		return -EINVAL;
	desc = gm_ptr(vq->gm, desc_gpa, vq_desc_bytes(vq->size));
	avail = gm_ptr(vq->gm, avail_gpa, vq_avail_bytes(vq->size));
	used = gm_ptr(vq->gm, used_gpa, vq_used_bytes(vq->size));
	if (!desc || !avail || !used)
		return -EFAULT;
	if (!is_aligned(desc, VQ_DESC_ALIGN) || !is_aligned(avail, VQ_AVAIL_ALIGN) ||
		!is_aligned(used, VQ_USED_ALIGN))
		return -EILSEQ;
	vq->desc = desc;
	vq->avail = avail;
	vq->used = used;
	vq->running = running;
	return 0;
}

void vq_set_features(struct vq *vq, uint64_t features)
{
	vq->event_idx = (features & VQ_F_EVENT_IDX) != 0;
	vq->indirect = (features & VQ_F_INDIRECT_DESC) != 0;
}

int vq_start(struct vq *vq, uint16_t base)
{
	if (!vq->desc)
		return -EINVAL;
	vq->broken = NULL;
	vq->last_avail = base;
	vq->used_idx = le16_load_relaxed(&vq->used->idx);
	vq->flushed_idx = vq->used_idx;
	vq->n_in_flight = 0;
	vq->running = true;
	return 0;
}

uint16_t vq_stop(struct vq *vq)
{
	vq->running = false;
	vq->n_in_flight = 0;
	return vq->last_avail;
}

void vq_break(struct vq *vq, const char *why)
{
	if (!vq->broken)
		vq->broken = why;
}

const char *vq_broken(const struct vq *vq)
{
	return vq->broken;
}

static bool is_usable(const struct vq *vq)
{
	return vq->running && !vq->broken;
}

/* Where descriptors come from: the queue's own table, or an indirect one. */
struct desc_table {
	const struct vq_desc *desc;
	uint32_t size;
	bool indirect;
};

/* A copy that stays what it is: the fence keeps the compiler from reading guest memory again. */
static struct vq_desc copy_desc(const struct vq_desc *from)
{
	struct vq_desc copy;

	memcpy(&copy, from, sizeof(copy));
	atomic_signal_fence(memory_order_seq_cst);
	return copy;
}

static const char *add_part(const struct vq *vq, const struct vq_desc *d, struct vq_chain *chain)
{
	uint32_t len = le32_get(d->len);
	bool in = (le16_get(d->flags) & VQ_DESC_F_WRITE) != 0;
	uint32_t *sum = in ? &chain->in_len : &chain->out_len;
	unsigned n = chain->n_out + chain->n_in;
	void *p = gm_ptr(vq->gm, le64_get(d->addr), len);

	if (n == VQ_IOV_MAX)
		return "a chain of too many descriptors";
	if (!p)
		return "a buffer that is empty or not in guest memory";
	if (!in && chain->n_in > 0)
		return "a readable buffer behind a writable one";
	if (len > VQ_LEN_MAX - *sum)
		return "a chain of too many bytes";
	chain->iov[n] = (struct iovec){.iov_base = p, .iov_len = len};
	*sum += len;
	if (in)
		chain->n_in++;
	else
		chain->n_out++;
	return NULL;
}

/* virtio 1.2 s2.7.5.3: one level, behind it no further descriptor, its flags but INDIRECT unused.
 */
static const char *enter_indirect(
	const struct vq *vq, const struct vq_desc *d, struct desc_table *table)
{
	uint32_t len = le32_get(d->len);

	if (!vq->indirect)
		return "an indirect descriptor that was not negotiated";
	if (table->indirect)
		return "an indirect table inside another";
	if ((le16_get(d->flags) & VQ_DESC_F_NEXT) != 0)
		return "a descriptor behind an indirect one";
	if (len == 0 || len % sizeof(struct vq_desc) != 0)
		return "an indirect table of a wrong size";
	table->desc = gm_ptr(vq->gm, le64_get(d->addr), len);
	if (!table->desc)
		return "an indirect table that is not in guest memory";
	table->size = (uint32_t)(len / sizeof(struct vq_desc));
	table->indirect = true;
	return NULL;
}

/* Walks the chain; every turn takes a descriptor of at most table.size + 1, so cycles end. */
static const char *walk(const struct vq *vq, uint32_t index, struct vq_chain *chain)
{
	struct desc_table table = {.desc = vq->desc, .size = vq->size};
	uint32_t n_seen = 0;

	for (;;) {
		struct vq_desc d;
		const char *why;

		if (index >= table.size)
			return "a descriptor index beyond its table";
		if (n_seen++ == table.size)
			return "a chain that goes round in circles";
		d = copy_desc(&table.desc[index]);
		if ((le16_get(d.flags) & VQ_DESC_F_INDIRECT) != 0) {
			why = enter_indirect(vq, &d, &table);
			if (why)
				return why;
			index = 0;
			n_seen = 0;
			continue;
		}
		why = add_part(vq, &d, chain);
		if (why)
			return why;
		if ((le16_get(d.flags) & VQ_DESC_F_NEXT) == 0)
			return NULL;
		index = le16_get(d.next);
	}
}

bool vq_pop(struct vq *vq, struct vq_chain *ret)
{
	uint16_t ready;
	const char *why;

	if (!is_usable(vq))
		return false;
	ready = (uint16_t)(le16_load_acquire(&vq->avail->idx) - vq->last_avail);
	if (ready == 0)
		return false;
	if (ready > vq->size - vq->n_in_flight) {
		vq_break(vq, "more chains than the queue has room for");
		return false;
	}
	ret->n_out = ret->n_in = 0;
	ret->out_len = ret->in_len = 0;
	ret->head = le16_load_relaxed(&vq->avail->ring[vq->last_avail & (vq->size - 1)]);
	why = walk(vq, ret->head, ret);
	if (why) {
		vq_break(vq, why);
		return false;
	}
	vq->last_avail++;
	vq->n_in_flight++;
	return true;
}

void vq_unpop(struct vq *vq, unsigned n)
{
	assert(n <= vq->n_in_flight);
	vq->last_avail = (uint16_t)(vq->last_avail - n);
	vq->n_in_flight = (uint16_t)(vq->n_in_flight - n);
}

void vq_push(struct vq *vq, const struct vq_chain *chain, uint32_t written)
{
	struct vq_used_elem *elem;

	assert(vq->n_in_flight > 0 && written <= chain->in_len);
	if (!vq->running)
		return;
	elem = &vq->used->ring[vq->used_idx & (vq->size - 1)];
	*elem = (struct vq_used_elem){.id = le32_of(chain->head), .len = le32_of(written)};
	vq->used_idx++;
	vq->n_in_flight--;
}

bool vq_flush(struct vq *vq)
{
	uint16_t from = vq->flushed_idx, to = vq->used_idx, event;

	if (!vq->running || from == to)
		return false;
	le16_store_release(&vq->used->idx, to);
	vq->flushed_idx = to;
	/* Pairs with the driver's barrier between writing used_event (or flags) and reading idx. */
	atomic_thread_fence(memory_order_seq_cst);
	if (!vq->event_idx)
		return (le16_load_relaxed(&vq->avail->flags) & VQ_AVAIL_F_NO_INTERRUPT) == 0;
	event = le16_load_relaxed(&vq->avail->ring[vq->size]);
	/* s2.7.7: interrupt when idx passes event + 1. */
	return (uint16_t)(to - event - 1) < (uint16_t)(to - from);
}

bool vq_enable_kicks(struct vq *vq)
{
	if (!is_usable(vq))
		return false;
	if (vq->event_idx)
		le16_store_relaxed((le16 *)(void *)&vq->used->ring[vq->size], vq->last_avail);
	else
		le16_store_relaxed(&vq->used->flags, 0);
	/* Pairs with the driver's barrier between writing idx and reading avail_event (or flags).
	 */
	atomic_thread_fence(memory_order_seq_cst);
	return le16_load_acquire(&vq->avail->idx) != vq->last_avail;
}

void vq_disable_kicks(struct vq *vq)
{
	/* With EVENT_IDX no kick comes until the index passes avail_event again: nothing to write.
	 */
	if (is_usable(vq) && !vq->event_idx)
		le16_store_relaxed(&vq->used->flags, VQ_USED_F_NO_NOTIFY);
}

unsigned vq_iov_slice(
	const struct iovec *iov, unsigned n, size_t offset, size_t len, struct iovec *to)
{
	unsigned n_to = 0;

	for (unsigned i = 0; i < n && len > 0; i++) {
		size_t have = iov[i].iov_len, take;

		if (offset >= have) {
			offset -= have;
			continue;
		}
		take = have - offset < len ? have - offset : len;
		to[n_to++] = (struct iovec){
			.iov_base = (uint8_t *)iov[i].iov_base + offset, .iov_len = take};
		offset = 0;
		len -= take;
	}
	return n_to;
}

static size_t iov_copy(const struct iovec *iov, unsigned n, size_t offset, size_t len, uint8_t *to,
	const uint8_t *from)
{
	size_t done = 0;

	for (unsigned i = 0; i < n && done < len; i++) {
		size_t have = iov[i].iov_len, take;

		if (offset >= have) {
			offset -= have;
			continue;
		}
		take = have - offset < len - done ? have - offset : len - done;
		if (to)
			memcpy(to + done, (uint8_t *)iov[i].iov_base + offset, take);
		else
			memcpy((uint8_t *)iov[i].iov_base + offset, from + done, take);
		offset = 0;
		done += take;
	}
	atomic_signal_fence(memory_order_seq_cst);
	return done;
}

size_t vq_iov_read(const struct iovec *iov, unsigned n, size_t offset, void *to, size_t len)
{
	return iov_copy(iov, n, offset, len, to, NULL);
}

size_t vq_iov_write(
	const struct iovec *iov, unsigned n, size_t offset, const void *from, size_t len)
{
	return iov_copy(iov, n, offset, len, NULL, from);
}
