/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio_driver.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

void driver_init(struct driver *d)
{
	*d = (struct driver){.mem = calloc(1, DRIVER_MEM_SIZE), .next_gpa = DRIVER_GPA};
	if (!d->mem || gm_add_region(&d->gm, DRIVER_GPA, DRIVER_MEM_SIZE, d->mem) < 0)
		abort();
}

void driver_init_shared(struct driver *d, int fd, off_t offset)
{
	*d = (struct driver){.next_gpa = DRIVER_GPA, .shared = true};
	d->mem = mmap(NULL, DRIVER_MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
	if (d->mem == MAP_FAILED || gm_add_region(&d->gm, DRIVER_GPA, DRIVER_MEM_SIZE, d->mem) < 0)
		abort();
}

void driver_fini(struct driver *d)
{
	if (d->shared)
		munmap(d->mem, DRIVER_MEM_SIZE);
	else
		free(d->mem);
}

uint64_t driver_alloc(struct driver *d, size_t len)
{
	uint64_t gpa = d->next_gpa;

	d->next_gpa += (len + 15) & ~(size_t)15;
	assert(d->next_gpa <= DRIVER_GPA + DRIVER_MEM_SIZE);
	return gpa;
}

uint8_t *driver_ptr(struct driver *d, uint64_t gpa)
{
	return d->mem + (gpa - DRIVER_GPA);
}

struct vq_desc *driver_desc(struct driver_queue *q, uint16_t i)
{
	return (struct vq_desc *)(void *)driver_ptr(q->driver, q->desc_gpa) + i;
}

struct vq_avail *driver_avail(struct driver_queue *q)
{
	return (struct vq_avail *)(void *)driver_ptr(q->driver, q->avail_gpa);
}

struct vq_used *driver_used(struct driver_queue *q)
{
	return (struct vq_used *)(void *)driver_ptr(q->driver, q->used_gpa);
}

void driver_queue_init(struct driver *d, struct driver_queue *q, uint16_t size, uint64_t features)
{
	*q = (struct driver_queue){.driver = d, .size = size, .n_free = size};
	q->desc_gpa = driver_alloc(d, vq_desc_bytes(size));
	q->avail_gpa = driver_alloc(d, vq_avail_bytes(size));
	q->used_gpa = driver_alloc(d, vq_used_bytes(size));
	for (uint16_t i = 0; i < size; i++)
		driver_set_desc(q, i, 0, 0, 0, (uint16_t)(i + 1));
	vq_init(&q->vq, &d->gm);
	vq_set_features(&q->vq, features);
	if (vq_set_size(&q->vq, size) < 0 ||
		vq_set_rings(&q->vq, q->desc_gpa, q->avail_gpa, q->used_gpa) < 0 ||
		vq_start(&q->vq, 0) < 0)
		abort();
}

void driver_set_desc(struct driver_queue *q, uint16_t i, uint64_t gpa, uint32_t len, uint16_t flags,
	uint16_t next)
{
	*driver_desc(q, i) = (struct vq_desc){.addr = le64_of(gpa),
		.len = le32_of(len),
		.flags = le16_of(flags),
		.next = le16_of(next)};
}

void driver_offer(struct driver_queue *q, uint16_t head)
{
	struct vq_avail *avail = driver_avail(q);
	uint16_t idx = le16_load_relaxed(&avail->idx);

	avail->ring[idx & (q->size - 1)] = le16_of(head);
	le16_store_release(&avail->idx, (uint16_t)(idx + 1));
}

uint16_t driver_add(struct driver_queue *q, const struct driver_part *parts, unsigned n)
{
	uint16_t head = q->free_head, at = head;

	assert(n > 0 && n <= q->n_free);
	for (unsigned i = 0; i < n; i++) {
		uint16_t next = le16_get(driver_desc(q, at)->next);
		uint16_t flags =
			(parts[i].write ? VQ_DESC_F_WRITE : 0) | (i + 1 < n ? VQ_DESC_F_NEXT : 0);

		driver_set_desc(q, at, parts[i].gpa, parts[i].len, flags, next);
		at = next;
	}
	q->free_head = at;
	q->n_free = (uint16_t)(q->n_free - n);
	driver_offer(q, head);
	return head;
}

bool driver_take(struct driver_queue *q, uint16_t *ret_head, uint32_t *ret_len)
{
	struct vq_used *used = driver_used(q);
	const struct vq_used_elem *elem = &used->ring[q->last_used & (q->size - 1)];
	uint16_t at;

	if (le16_load_acquire(&used->idx) == q->last_used)
		return false;
	q->last_used++;
	*ret_head = at = (uint16_t)le32_get(elem->id);
	*ret_len = le32_get(elem->len);
	q->n_free++;
	while ((le16_get(driver_desc(q, at)->flags) & VQ_DESC_F_NEXT) != 0) {
		at = le16_get(driver_desc(q, at)->next);
		q->n_free++;
	}
	driver_desc(q, at)->next = le16_of(q->free_head);
	q->free_head = *ret_head;
	return true;
}
