/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A vhost-user front end for tests of the back end: shared memory with two queues in it, their
 * eventfds, and a device that gives every chain back. There is one, f.
 */
#include "vhost/vhost_user_backend.h"
#include "virtio_driver.h"

enum { QUEUE_SIZE = 16, N_QUEUES = 2 };
/* Where the front end claims to have guest memory. */
#define UVA UINT64_C(0x7f0000000000)

struct front {
	struct loop *loop;
	struct vhost_user_backend *backend;
	int fd;	    /* the front end's end */
	int mem_fd; /* DRIVER_MEM_SIZE bytes, the second half of the file */
	struct driver driver;
	struct driver_queue queues[N_QUEUES];
	int kick[N_QUEUES], call[N_QUEUES];
	unsigned n_processed[N_QUEUES], n_restarts, n_ends;
	bool more; /* what process() says */
	bool failed;
	struct err err;
};

extern struct front f;
/* What the device's configuration space holds. */
extern const uint64_t front_config;
/* The whole of guest memory. */
extern const struct vhost_user_mem_table one_region;

int front_setup(void **state);
int front_teardown(void **state);
/* A new connection, with the same memory. */
void start_backend(void);
void stop_backend(void);
/* Handles every event that is ready. */
void run(void);

/* Bytes and descriptors as they are; a message; messages with one word, one descriptor, one vring.
 */
void send_raw(const void *p, size_t len, const int *fds, size_t n_fds);
void send_message(uint32_t request, uint32_t flags, const void *payload, uint32_t size,
	const int *fds, size_t n_fds);
void send_u64(uint32_t request, uint64_t value);
void send_fd(uint32_t request, uint64_t index, int fd);
void send_state(uint32_t request, uint32_t index, uint32_t num);
void send_table(const struct vhost_user_mem_table *t, const int *fds, size_t n_fds);
void send_addr(uint32_t i);
/* The reply, or nothing. */
bool receive_reply(struct vhost_user_message *m);
uint64_t ask_u64(uint32_t request);
uint32_t ask_base(uint32_t index);

/* Everything about queue i but to enable it. */
void start_queue(uint32_t i, uint16_t base);
/* What QEMU says to begin with. */
void start_device(void);
void kick(uint32_t i);
/* Whether the eventfd was signalled since it was asked last. */
bool is_called(int fd);
/* One chain goes to the device and comes back. */
void assert_works(uint32_t i);
/* Open descriptors of this process. */
size_t count_fds(void);
