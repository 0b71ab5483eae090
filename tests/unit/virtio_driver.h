/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The driver's side of virtqueues in a piece of fake guest memory, for tests of devices. It keeps
 * to the rules by itself; driver_desc() and the raw ring let a test break them.
 */
#include "virtio/queue.h"
#include "virtio/queue_layout.h"

enum { DRIVER_MEM_SIZE = 4 << 20, DRIVER_GPA = 0x100000 };

struct driver {
	uint8_t *mem; /* owned; DRIVER_MEM_SIZE bytes at DRIVER_GPA */
	bool shared;  /* mem is a mapping */
	uint64_t next_gpa;
	struct guestmem gm;
};

struct driver_queue {
	struct driver *driver;
	struct vq vq; /* the device's side */
	uint64_t desc_gpa, avail_gpa, used_gpa;
	uint16_t size, last_used;
	uint16_t free_head, n_free; /* free descriptors, linked by next */
};

struct driver_part {
	uint64_t gpa;
	uint32_t len;
	bool write; /* the device writes it */
};

void driver_init(struct driver *d);
/* The same in the file fd, DRIVER_MEM_SIZE bytes from offset. */
void driver_init_shared(struct driver *d, int fd, off_t offset);
void driver_fini(struct driver *d);
/* len bytes of guest memory, zeroed, aligned to 16. */
uint64_t driver_alloc(struct driver *d, size_t len);
uint8_t *driver_ptr(struct driver *d, uint64_t gpa);

/* A queue with its rings, started at 0. */
void driver_queue_init(struct driver *d, struct driver_queue *q, uint16_t size, uint64_t features);
struct vq_desc *driver_desc(struct driver_queue *q, uint16_t i);
struct vq_avail *driver_avail(struct driver_queue *q);
struct vq_used *driver_used(struct driver_queue *q);
void driver_set_desc(struct driver_queue *q, uint16_t i, uint64_t gpa, uint32_t len, uint16_t flags,
	uint16_t next);
/* Makes descriptor head available, whatever it is. */
void driver_offer(struct driver_queue *q, uint16_t head);
/* Builds a chain of free descriptors and offers it; returns its head. */
uint16_t driver_add(struct driver_queue *q, const struct driver_part *parts, unsigned n);
/* Takes the next used chain and frees its descriptors. */
bool driver_take(struct driver_queue *q, uint16_t *ret_head, uint32_t *ret_len);
