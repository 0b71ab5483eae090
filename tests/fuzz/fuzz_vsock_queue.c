/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vsock device against a guest that owns its memory: the input is a program of writes into the
 * rings, descriptors, tables and buffers, of kicks, restarts, dial answers and host clients.
 * Nothing the guest does may reach outside its memory, overrun a limit or leave a connection
 * behind.
 *
 * One operation is a byte, then its arguments: see step().
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "virtio/queue_layout.h"
#include "virtio/vsock.h"
#include "virtio/vsock_packet.h"

enum { GPA = 0x1000, MEM_SIZE = 16 << 10, QUEUE_SIZE = 16, CID = 3, PEERS_MAX = 64 };
/* Where things lie, so that a mutation hits something: two queues, then buffers of 512 bytes. */
enum { QUEUE_STRIDE = 1024, AVAIL_AT = 256, USED_AT = 512, BUFFERS_AT = 2048, BUFFER_SIZE = 512 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct machine {
	uint8_t *mem;
	struct guestmem gm;
	struct vq queues[VSOCK_N_QUEUES];
	struct loop *loop;
	struct vsock *dev;
	uint64_t dial_id;
	bool dialling;
	int peers[PEERS_MAX]; /* the host's ends of sockets */
	unsigned n_peers;
	const uint8_t *in; /* the rest of the program */
	size_t left;
};

static void on_notify(void *data, struct vq *vq)
{
	(void)data;
	(void)vq;
}

static int on_dial(void *data, uint32_t port, uint64_t id)
{
	struct machine *m = data;

	m->dial_id = id;
	m->dialling = true;
	return port % 5 == 0 ? -ECONNREFUSED : 0;
}

static unsigned byte(struct machine *m)
{
	if (m->left == 0)
		return 0;
	m->left--;
	return *m->in++;
}

static uint32_t word(struct machine *m)
{
	uint32_t low = byte(m);

	return low | byte(m) << 8;
}

static void start_queue(struct machine *m, unsigned i, uint16_t base)
{
	uint64_t gpa = GPA + i * QUEUE_STRIDE;

	if (vq_set_size(&m->queues[i], QUEUE_SIZE) < 0 ||
		vq_set_rings(&m->queues[i], gpa, gpa + AVAIL_AT, gpa + USED_AT) < 0 ||
		vq_start(&m->queues[i], base) < 0)
		abort();
}

/* A sensible descriptor that later operations may spoil. */
static void put_desc(struct machine *m, unsigned queue, unsigned i, unsigned arguments)
{
	struct vq_desc d = {.addr = le64_of(GPA + BUFFERS_AT + (arguments & 15) * BUFFER_SIZE),
		.len = le32_of(BUFFER_SIZE),
		.flags = le16_of(
			(uint16_t)((queue == 0 ? VQ_DESC_F_WRITE : 0) | (arguments >> 4 & 5))),
		.next = le16_of((uint16_t)((i + 1) % QUEUE_SIZE))};

	memcpy(m->mem + queue * QUEUE_STRIDE + i * sizeof(d), &d, sizeof(d));
}

static void offer(struct machine *m, unsigned queue, unsigned head)
{
	struct vq_avail *avail = (void *)(m->mem + queue * QUEUE_STRIDE + AVAIL_AT);
	uint16_t idx = le16_get(avail->idx);

	avail->ring[idx % QUEUE_SIZE] = le16_of((uint16_t)head);
	avail->idx = le16_of((uint16_t)(idx + 1));
}

static void put_header(struct machine *m, unsigned buffer)
{
	struct vsock_header h = {.src_cid = CID, .dst_cid = VSOCK_CID_HOST, .type = 1};

	h.op = (uint16_t)byte(m);
	h.src_port = byte(m) % 8;
	h.dst_port = byte(m) % 8;
	h.len = word(m) % (BUFFER_SIZE * 2);
	h.flags = byte(m);
	h.buf_alloc = word(m);
	h.fwd_cnt = word(m);
	vsock_header_encode(&h, m->mem + BUFFERS_AT + buffer % 16 * BUFFER_SIZE);
}

static void answer_dial(struct machine *m, bool refuse)
{
	int pair[2] = {-1, -1};

	if (!m->dialling)
		return;
	m->dialling = false;
	if (!refuse && m->n_peers < PEERS_MAX) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0)
			abort();
		m->peers[m->n_peers++] = pair[1];
	}
	vsock_dialled(m->dev, m->dial_id, pair[0]);
}

static void touch_peer(struct machine *m, unsigned action)
{
	static uint8_t bytes[8192];
	int fd = m->n_peers ? m->peers[byte(m) % m->n_peers] : -1;

	if (fd < 0)
		return;
	if (action % 4 == 0)
		(void)!send(fd, bytes, word(m) % sizeof(bytes), MSG_NOSIGNAL);
	else if (action % 4 == 1)
		(void)!read(fd, bytes, sizeof(bytes));
	else if (action % 4 == 2)
		(void)shutdown(fd, byte(m) % 3);
	else
		(void)shutdown(fd, SHUT_RDWR);
}

static void kick(struct machine *m, unsigned queue)
{
	bool more = queue == 0 ? vsock_process_rx(m->dev) : vsock_process_tx(m->dev);

	/* A queue of 16 entries cannot keep the device busy for long: that it ends is the check. */
	for (unsigned i = 0; more && i < 1000; i++)
		more = vsock_process_tx(m->dev);
	if (more)
		abort();
}

static void step(struct machine *m)
{
	unsigned op = byte(m), queue = op >> 7, at;

	switch (op & 0xf) {
	case 0: /* any bytes anywhere in memory */
		at = word(m) % MEM_SIZE;
		for (unsigned n = byte(m) % 16; n > 0 && m->left > 0; n--)
			m->mem[at++ % MEM_SIZE] = (uint8_t)byte(m);
		break;
	case 1:
	case 2:
		at = byte(m) % QUEUE_SIZE;
		put_desc(m, queue, at, byte(m));
		break;
	case 3:
	case 4:
	case 5:
		offer(m, queue, byte(m) % (QUEUE_SIZE + 1));
		break;
	case 6:
	case 7:
	case 8:
		put_header(m, byte(m));
		break;
	case 9:
	case 10:
		kick(m, queue);
		break;
	case 11:
		answer_dial(m, byte(m) % 4 == 0);
		break;
	case 12:
		touch_peer(m, byte(m));
		break;
	case 13:
		if (loop_run_once(m->loop, 0) < 0)
			abort();
		break;
	case 14:
		start_queue(m, queue, (uint16_t)word(m));
		break;
	default:
		if (op == 0x8f)
			vsock_reset(m->dev);
		vq_set_features(&m->queues[queue], (uint64_t)byte(m) << 22);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct machine m = {.in = data, .left = size};
	struct vsock_config config = {.rx = &m.queues[VSOCK_RX_QUEUE],
		.tx = &m.queues[VSOCK_TX_QUEUE],
		.guest_cid = CID,
		.listen_fd = -1,
		.notify = on_notify,
		.broken = on_notify,
		.dial = on_dial,
		.data = &m};

	/* Its own allocation: the sanitizer then sees every byte beyond it. */
	m.mem = aligned_alloc(4096, MEM_SIZE);
	if (!m.mem || loop_new(&m.loop) < 0)
		abort();
	memset(m.mem, 0, MEM_SIZE);
	config.loop = m.loop;
	if (gm_add_region(&m.gm, GPA, MEM_SIZE, m.mem) < 0)
		abort();
	for (unsigned i = 0; i < VSOCK_N_QUEUES; i++) {
		vq_init(&m.queues[i], &m.gm);
		start_queue(&m, i, 0);
	}
	if (vsock_new(&config, &m.dev) < 0)
		abort();
	while (m.left > 0)
		step(&m);
	if (vsock_n_conns(m.dev) > VSOCK_CONNS_MAX)
		abort();
	vsock_free(m.dev);
	for (unsigned i = 0; i < m.n_peers; i++)
		close(m.peers[i]);
	loop_free(m.loop);
	free(m.mem);
	return 0;
}
