/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * A queue is *started* between SET_VRING_KICK and GET_VRING_BASE and *enabled* by SET_VRING_ENABLE
 * (from the beginning if protocol features were not negotiated); it runs while it is both. Messages
 * that describe a queue (size, addresses, base) arrive before it runs and are only remembered; they
 * take effect together in run_queue(). A new memory table while queues run moves their rings.
 */
#include "vhost/vhost_user_backend.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/io.h"

#define VIRTIO_F_VERSION_1 (UINT64_C(1) << 32)
#define PROTOCOL_FEATURES (UINT64_C(1) << VHOST_USER_F_PROTOCOL_FEATURES)

static const uint64_t offered_protocol = UINT64_C(1) << VHOST_USER_PROTOCOL_F_MQ |
					 UINT64_C(1) << VHOST_USER_PROTOCOL_F_REPLY_ACK |
					 UINT64_C(1) << VHOST_USER_PROTOCOL_F_CONFIG;

/* clang-format off */
const struct jail_rule vhost_user_backend_rules[] = {
	{.nr = SYS_read},	/* kick */
	{.nr = SYS_write},	/* call, error */
	{.nr = SYS_fcntl, .arg = 1, .mask = UINT64_MAX, .value = F_GETFL},
	{.nr = SYS_fcntl, .arg = 1, .mask = UINT64_MAX, .value = F_SETFL},
	JAIL_RULES_END,
};
/* clang-format on */

struct queue {
	struct vhost_user_backend *backend; /* borrowed */
	struct vq vq;
	struct vhost_user_vring_addr addr;
	uint32_t size;
	uint16_t base;
	bool started, enabled, running;
	bool has_run;		      /* since the guest's last reset */
	bool reported;		      /* that it is broken */
	int kick_fd, call_fd, err_fd; /* owned; -1: none */
	struct source *kick;
};

struct vhost_user_backend {
	struct loop *loop; /* borrowed */
	int fd;		   /* owned */
	struct source *source;
	struct vhost_user_device device;
	vhost_user_end_fn *on_end;
	struct vhost_user_receiver receiver;
	struct vhost_user_memory memory;
	uint64_t features, protocol; /* negotiated */
	struct queue queues[VHOST_USER_QUEUES_MAX];
};

static uint64_t offered_features(const struct vhost_user_backend *b)
{
	return b->device.features | VIRTIO_F_VERSION_1 | PROTOCOL_FEATURES | VQ_F_INDIRECT_DESC |
	       VQ_F_EVENT_IDX;
}

/* ---- life ---- */

int vhost_user_backend_new(struct loop *loop, int fd, const struct vhost_user_device *device,
	struct vhost_user_backend **ret)
{
	auto_fd int owned = fd;
	struct vhost_user_backend *b = calloc(1, sizeof(*b));

	assert(device->n_queues <= VHOST_USER_QUEUES_MAX &&
		device->config_size <= VHOST_USER_CONFIG_MAX);
	if (!b)
		return -ENOMEM;
	b->loop = loop;
	b->fd = take_fd(&owned);
	b->device = *device;
	for (unsigned i = 0; i < device->n_queues; i++) {
		struct queue *q = &b->queues[i];

		q->backend = b;
		q->kick_fd = q->call_fd = q->err_fd = -1;
		q->enabled = true;
		vq_init(&q->vq, &b->memory.gm);
	}
	*ret = b;
	return 0;
}

static void close_kick(struct queue *q)
{
	source_free(q->kick);
	q->kick = NULL;
	close_fd(take_fd(&q->kick_fd));
}

void vhost_user_backend_free(struct vhost_user_backend *b)
{
	if (!b)
		return;
	for (unsigned i = 0; i < b->device.n_queues; i++) {
		close_kick(&b->queues[i]);
		close_fd(b->queues[i].call_fd);
		close_fd(b->queues[i].err_fd);
	}
	source_free(b->source);
	vhost_user_receiver_next(&b->receiver);
	vhost_user_memory_fini(&b->memory);
	close_fd(b->fd);
	free(b);
}

struct vq *vhost_user_backend_queue(struct vhost_user_backend *b, unsigned i)
{
	assert(i < b->device.n_queues);
	return &b->queues[i].vq;
}

static void end(struct vhost_user_backend *b, const struct err *err)
{
	source_free(b->source);
	b->source = NULL;
	for (unsigned i = 0; i < b->device.n_queues; i++) {
		close_kick(&b->queues[i]);
		(void)vq_stop(&b->queues[i].vq);
	}
	b->on_end(b->device.data, err);
}

/* ---- queues ---- */

static struct queue *queue_of(struct vhost_user_backend *b, const struct vq *vq)
{
	unsigned i = 0;

	while (i + 1 < b->device.n_queues && &b->queues[i].vq != vq)
		i++;
	assert(&b->queues[i].vq == vq);
	return &b->queues[i];
}

/* Adds 1 to an eventfd. It fails if the counter is full, when the reader has enough to wake up for,
 * or if it never was an eventfd, which is the front end's loss. */
static void signal_fd(int fd)
{
	const uint64_t one = 1;

	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0)
		return;
}

void vhost_user_backend_notify(struct vhost_user_backend *b, const struct vq *vq)
{
	signal_fd(queue_of(b, vq)->call_fd);
}

bool vhost_user_backend_report_broken(struct vhost_user_backend *b, const struct vq *vq)
{
	struct queue *q = queue_of(b, vq);

	if (q->reported)
		return false;
	q->reported = true;
	signal_fd(q->err_fd);
	return true;
}

static void process(struct queue *q)
{
	struct vhost_user_backend *b = q->backend;
	unsigned i = (unsigned)(q - b->queues);

	/* The eventfd stays readable for what one turn could not do. */
	if (q->running && b->device.process(b->device.data, i))
		signal_fd(q->kick_fd);
}

static void on_kick(void *data, int fd, uint32_t events)
{
	struct queue *q = data;
	struct err err = ERR_INIT;
	uint64_t count;
	ssize_t n = read(fd, &count, sizeof(count));

	(void)events;
	if (n == (ssize_t)sizeof(count)) {
		process(q);
	} else if (n >= 0 || (errno != EAGAIN && errno != EINTR)) {
		/* Not an eventfd: it would stay readable for ever. */
		err_set(&err, EPROTO, "the kick descriptor of queue %u is not an eventfd",
			(unsigned)(q - q->backend->queues));
		end(q->backend, &err);
	}
}

static int set_rings(struct queue *q, struct err *err)
{
	const struct vhost_user_memory *memory = &q->backend->memory;
	uint64_t desc, avail, used;
	int r = 0;

	if (vhost_user_memory_find(memory, q->addr.desc, &desc) < 0 ||
		vhost_user_memory_find(memory, q->addr.avail, &avail) < 0 ||
		vhost_user_memory_find(memory, q->addr.used, &used) < 0)
		r = -EFAULT;
	if (r == 0)
		r = vq_set_rings(&q->vq, desc, avail, used);
	return r < 0 ? err_sys(err, -r, "the rings of queue %u", (unsigned)(q - q->backend->queues))
		     : 0;
}

/*
 * Whether the guest was reset. The protocol does not say; but then every queue that ran before is
 * about to start from 0, while after a mere pause each goes on from where it stood. (That each
 * stood at a multiple of 65536 by chance ends connections that need not have ended, nothing worse.)
 */
static bool begins_anew(const struct vhost_user_backend *b)
{
	bool has_run = false;

	for (unsigned i = 0; i < b->device.n_queues; i++) {
		const struct queue *q = &b->queues[i];

		if (q->running || (q->has_run && q->base != 0))
			return false;
		has_run |= q->has_run;
	}
	return has_run;
}

static int run_queue(struct queue *q, struct err *err)
{
	struct vhost_user_backend *b = q->backend;
	int r = vq_set_size(&q->vq, q->size);

	if (r < 0)
		return err_set(
			err, -r, "queue %u: a size of %u", (unsigned)(q - b->queues), q->size);
	vq_set_features(&q->vq, b->features);
	r = set_rings(q, err);
	if (r < 0)
		return r;
	if (begins_anew(b)) {
		for (unsigned i = 0; i < b->device.n_queues; i++)
			b->queues[i].has_run = false;
		b->device.restart(b->device.data);
	}
	r = vq_start(&q->vq, q->base);
	assert(r == 0);
	q->running = q->has_run = true;
	q->reported = false;
	process(q);
	return 0;
}

static void halt_queue(struct queue *q)
{
	if (q->running)
		q->base = vq_stop(&q->vq);
	q->running = false;
}

/* Makes q run or stand still as `started` and `enabled` say. */
static int update_queue(struct queue *q, struct err *err)
{
	bool wanted = q->started && q->enabled;

	if (wanted && !q->running)
		return run_queue(q, err);
	if (!wanted)
		halt_queue(q);
	return 0;
}

/* ---- requests ---- */

static struct queue *find_queue(struct vhost_user_backend *b, uint32_t i, struct err *err)
{
	if (i < b->device.n_queues)
		return &b->queues[i];
	err_set(err, EPROTO, "there is no queue %u", i);
	return NULL;
}

/* The same for what may only be set while the queue stands still. */
static struct queue *find_idle_queue(struct vhost_user_backend *b, uint32_t i, struct err *err)
{
	struct queue *q = find_queue(b, i, err);

	if (!q || !q->running)
		return q;
	err_set(err, EBUSY, "queue %u is running", i);
	return NULL;
}

static int set_features(struct vhost_user_backend *b, uint64_t features, struct err *err)
{
	if ((features & ~offered_features(b)) != 0)
		return err_set(err, EPROTO, "features 0x%llx were not offered",
			(unsigned long long)(features & ~offered_features(b)));
	b->features = features;
	for (unsigned i = 0; i < b->device.n_queues; i++)
		if (b->queues[i].running)
			vq_set_features(&b->queues[i].vq, features);
	return 0;
}

static int set_protocol_features(struct vhost_user_backend *b, uint64_t features, struct err *err)
{
	if ((features & ~offered_protocol) != 0)
		return err_set(err, EPROTO, "protocol features 0x%llx were not offered",
			(unsigned long long)(features & ~offered_protocol));
	b->protocol = features;
	/* With them, queues start disabled. */
	for (unsigned i = 0; i < b->device.n_queues; i++)
		if (!b->queues[i].started)
			b->queues[i].enabled = false;
	return 0;
}

static int set_mem_table(
	struct vhost_user_backend *b, struct vhost_user_message *m, struct err *err)
{
	int r = vhost_user_memory_set(&b->memory, &m->payload.mem, m->fds, m->n_fds, err);

	for (unsigned i = 0; r == 0 && i < b->device.n_queues; i++)
		if (b->queues[i].running)
			r = set_rings(&b->queues[i], err);
	return r;
}

static int set_vring_num(
	struct vhost_user_backend *b, const struct vhost_user_vring_state *s, struct err *err)
{
	struct queue *q = find_idle_queue(b, s->index, err);

	if (!q)
		return -EPROTO;
	q->size = s->num;
	return 0;
}

static int set_vring_base(
	struct vhost_user_backend *b, const struct vhost_user_vring_state *s, struct err *err)
{
	struct queue *q = find_idle_queue(b, s->index, err);

	if (!q)
		return -EPROTO;
	if (s->num > UINT16_MAX)
		return err_set(err, EPROTO, "queue %u: a base of %u", s->index, s->num);
	q->base = (uint16_t)s->num;
	return 0;
}

static int set_vring_addr(
	struct vhost_user_backend *b, const struct vhost_user_vring_addr *a, struct err *err)
{
	struct queue *q = find_queue(b, a->index, err);

	if (!q)
		return -EPROTO;
	if (a->flags != 0)
		return err_set(
			err, EPROTO, "queue %u: flags 0x%x were not offered", a->index, a->flags);
	q->addr = *a;
	return q->running ? set_rings(q, err) : 0;
}

static int get_vring_base(
	struct vhost_user_backend *b, struct vhost_user_vring_state *s, struct err *err)
{
	struct queue *q = find_queue(b, s->index, err);

	if (!q)
		return -EPROTO;
	q->started = false;
	halt_queue(q);
	close_kick(q);
	close_fd(take_fd(&q->call_fd));
	s->num = q->base;
	return 0;
}

static int set_vring_enable(
	struct vhost_user_backend *b, const struct vhost_user_vring_state *s, struct err *err)
{
	struct queue *q = find_queue(b, s->index, err);

	if (!q)
		return -EPROTO;
	if (s->num > 1)
		return err_set(err, EPROTO, "queue %u: enable is 0 or 1, not %u", s->index, s->num);
	q->enabled = s->num == 1;
	return update_queue(q, err);
}

/* Takes the message's fd out of it: -1 if it says it has none. */
static int take_vring_fd(struct vhost_user_message *m, int *ret_fd, struct err *err)
{
	bool none = (m->payload.u64 & VHOST_USER_VRING_NO_FD) != 0;
	int r;

	if ((m->payload.u64 & ~(uint64_t)(VHOST_USER_VRING_MASK | VHOST_USER_VRING_NO_FD)) != 0 ||
		none != (m->n_fds == 0))
		return err_set(err, EPROTO, "0x%llx with %zu descriptors",
			(unsigned long long)m->payload.u64, m->n_fds);
	/* A descriptor that waits would stop the whole device. */
	r = none ? 0 : io_set_nonblock(m->fds[0], true);
	if (r < 0)
		return err_sys(err, -r, "make a descriptor non-blocking");
	*ret_fd = vhost_user_take_fd(m);
	return 0;
}

static int set_vring_kick(
	struct vhost_user_backend *b, struct vhost_user_message *m, struct err *err)
{
	struct queue *q = find_queue(b, (uint32_t)m->payload.u64 & VHOST_USER_VRING_MASK, err);
	auto_fd int fd = -1;
	int r;

	if (!q)
		return -EPROTO;
	r = take_vring_fd(m, &fd, err);
	if (r < 0)
		return r;
	if (fd < 0)
		return err_set(err, ENOTSUP, "a queue without kick descriptor is not supported");
	close_kick(q);
	r = loop_add_io(b->loop, fd, EPOLLIN, on_kick, q, &q->kick);
	if (r < 0)
		return err_sys(err, -r, "wait for kicks");
	q->kick_fd = take_fd(&fd);
	q->started = true;
	return update_queue(q, err);
}

static int set_vring_fd(struct vhost_user_backend *b, struct vhost_user_message *m, struct err *err)
{
	struct queue *q = find_queue(b, (uint32_t)m->payload.u64 & VHOST_USER_VRING_MASK, err);
	int *place, fd = -1, r;

	if (!q)
		return -EPROTO;
	r = take_vring_fd(m, &fd, err);
	if (r < 0)
		return r;
	place = m->header.request == VHOST_USER_SET_VRING_CALL ? &q->call_fd : &q->err_fd;
	close_fd(*place);
	*place = fd;
	/* What the old one was told may not have been heard; an interrupt too many does no harm. */
	if (q->running && place == &q->call_fd)
		signal_fd(fd);
	return 0;
}

/* The protocol's way to say "no such bytes" is a reply without payload. */
static void get_config(const struct vhost_user_backend *b, struct vhost_user_message *m)
{
	struct vhost_user_config *c = &m->payload.config;
	const uint32_t size = b->device.config_size;

	if (c->offset > size || c->size > size - c->offset ||
		m->header.size != offsetof(struct vhost_user_config, bytes) + c->size)
		m->header.size = 0;
	else
		memcpy(c->bytes, (const uint8_t *)b->device.config + c->offset, c->size);
}

static void reply_u64(struct vhost_user_message *m, uint64_t value)
{
	m->payload.u64 = value;
	m->header.size = sizeof(value);
}

/* Does what m asks for, leaving its reply in m if it has one. */
static int handle(struct vhost_user_backend *b, struct vhost_user_message *m, struct err *err)
{
	switch ((enum vhost_user_request)m->header.request) {
	case VHOST_USER_GET_FEATURES:
		reply_u64(m, offered_features(b));
		return 0;
	case VHOST_USER_SET_FEATURES:
		return set_features(b, m->payload.u64, err);
	case VHOST_USER_GET_PROTOCOL_FEATURES:
		reply_u64(m, offered_protocol);
		return 0;
	case VHOST_USER_SET_PROTOCOL_FEATURES:
		return set_protocol_features(b, m->payload.u64, err);
	case VHOST_USER_GET_QUEUE_NUM:
		reply_u64(m, b->device.n_queues);
		return 0;
	case VHOST_USER_SET_OWNER:
	case VHOST_USER_RESET_OWNER: /* "no longer used": nothing to do */
		return 0;
	case VHOST_USER_SET_MEM_TABLE:
		return set_mem_table(b, m, err);
	case VHOST_USER_SET_VRING_NUM:
		return set_vring_num(b, &m->payload.state, err);
	case VHOST_USER_SET_VRING_ADDR:
		return set_vring_addr(b, &m->payload.addr, err);
	case VHOST_USER_SET_VRING_BASE:
		return set_vring_base(b, &m->payload.state, err);
	case VHOST_USER_GET_VRING_BASE:
		return get_vring_base(b, &m->payload.state, err);
	case VHOST_USER_SET_VRING_ENABLE:
		return set_vring_enable(b, &m->payload.state, err);
	case VHOST_USER_SET_VRING_KICK:
		return set_vring_kick(b, m, err);
	case VHOST_USER_SET_VRING_CALL:
	case VHOST_USER_SET_VRING_ERR:
		return set_vring_fd(b, m, err);
	case VHOST_USER_GET_CONFIG:
		get_config(b, m);
		return 0;
	}
	return err_set(err, ENOTSUP, "not supported");
}

static int handle_and_reply(
	struct vhost_user_backend *b, struct vhost_user_message *m, struct err *err)
{
	bool ack = (m->header.flags & VHOST_USER_FLAG_NEED_REPLY) != 0 &&
		   (b->protocol & UINT64_C(1) << VHOST_USER_PROTOCOL_F_REPLY_ACK) != 0 &&
		   !vhost_user_has_reply(m->header.request);
	int r = handle(b, m, err);

	if (r < 0)
		err_wrap(err, "%s", vhost_user_request_name(m->header.request));
	if (ack)
		reply_u64(m, r < 0);
	if (ack || (r == 0 && vhost_user_has_reply(m->header.request))) {
		int sent = vhost_user_reply(b->fd, m, r < 0 ? NULL : err);

		r = r < 0 ? r : sent;
	}
	return r;
}

static void on_message(void *data, int fd, uint32_t events)
{
	struct vhost_user_backend *b = data;
	struct err err = ERR_INIT;
	int r = vhost_user_receive(fd, &b->receiver, &err);

	(void)events;
	if (r == 0)
		return;
	if (r > 0) {
		r = handle_and_reply(b, &b->receiver.message, &err);
		vhost_user_receiver_next(&b->receiver);
	}
	if (r < 0)
		end(b, r == -ENODATA ? NULL : &err);
}

int vhost_user_backend_start(struct vhost_user_backend *b, vhost_user_end_fn *on_end)
{
	b->on_end = on_end;
	return loop_add_io(b->loop, b->fd, EPOLLIN, on_message, b, &b->source);
}
