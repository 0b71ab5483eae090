/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A virtio device of ours offered to another VMM over vhost-user: the protocol's back end, with the
 * virtqueues in guest memory that it maps. It knows no device; the device knows queues only.
 *
 *	vhost_user_backend_new(loop, fd, &device, &backend, err);
 *	...make the device on vhost_user_backend_queue(backend, i)...
 *	vhost_user_backend_start(backend, on_end, err);
 *	loop_run(loop);
 *
 * The front end says where memory and rings are, passes an eventfd to be woken by (kick) and one to
 * interrupt the guest with (call, replaced at any time: the newest counts), and enables the queue.
 * From then on device.process() is called when the guest kicks. A queue that breaks
 * (virtio/queue.h) is not processed any more; the front end learns it by the queue's error eventfd,
 * and the queue is in order again after the driver has reset the device.
 *
 * The front end is not trusted. A message that is malformed, out of order or not supported ends the
 * connection with an error; there is no way back, and the process should exit.
 */
#include "loop/loop.h"
#include "vhost/vhost_user_memory.h"
#include "virtio/queue.h"

enum { VHOST_USER_QUEUES_MAX = 8 };

struct vhost_user_device {
	uint64_t features;  /* virtio feature bits; VERSION_1 and the queues' own are added */
	unsigned n_queues;  /* at most VHOST_USER_QUEUES_MAX */
	const void *config; /* the configuration space, read-only; borrowed */
	uint32_t config_size;
	/* Queue i was kicked, or has been started. True: more work than one turn; call again soon.
	 */
	bool (*process)(void *data, unsigned i);
	/* A queue starts from its beginning after it had run: the guest was reset. */
	void (*restart)(void *data);
	void *data; /* borrowed */
};

struct vhost_user_backend;

/* err NULL: the front end has closed the connection. Called once; the backend does nothing more and
 * may not be freed from inside. */
typedef void vhost_user_end_fn(void *data, const struct err *err);

/* fd: a connected stream socket; taken, also on failure. device is copied. */
int vhost_user_backend_new(struct loop *loop, int fd, const struct vhost_user_device *device,
	struct vhost_user_backend **ret) must_check;
/* Unmaps guest memory. NULL is fine. */
void vhost_user_backend_free(struct vhost_user_backend *b);
/* Begins to listen to the front end. data is the device's. */
int vhost_user_backend_start(struct vhost_user_backend *b, vhost_user_end_fn *on_end) must_check;

/* Queue i, borrowed; stopped until the front end starts it. */
struct vq *vhost_user_backend_queue(struct vhost_user_backend *b, unsigned i);
/* Interrupts the guest for vq. */
void vhost_user_backend_notify(struct vhost_user_backend *b, const struct vq *vq);
/* Tells the front end that vq is broken; repeated calls do nothing. True: told now, so log it. */
bool vhost_user_backend_report_broken(struct vhost_user_backend *b, const struct vq *vq);

extern const struct jail_rule vhost_user_backend_rules[];
