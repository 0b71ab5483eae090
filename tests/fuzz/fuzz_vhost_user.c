/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vhost-user back end against a front end that says anything, with a guest that writes anything
 * into its rings: the input is a program of messages, descriptors to go with them, raw bytes, kicks
 * and writes to memory. The device touches every byte that a chain gives it, so a region that is
 * not what it says would be seen. Whatever happened, nothing may stay open.
 *
 * One operation is a byte, then its arguments: see step().
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "vhost/vhost_user_backend.h"

enum { MEM_SIZE = 64 << 10, N_QUEUES = 2, FDS_MAX = 12 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct machine {
	struct loop *loop;
	struct vhost_user_backend *backend;
	int fd, event_fd;
	bool ended;
	const uint8_t *in; /* the rest of the program */
	size_t left;
};

/* Kept from run to run: making it costs more than a run. */
static int mem_fd = -1, null_fd = -1;
static uint8_t *mem;

static bool on_process(void *data, unsigned i)
{
	struct machine *m = data;
	struct vq *vq = vhost_user_backend_queue(m->backend, i);
	struct vq_chain chain;
	unsigned sum = 0;

	for (unsigned n = 0; n < 64 && vq_pop(vq, &chain); n++) {
		for (unsigned p = 0; p < chain.n_out + chain.n_in; p++) {
			const uint8_t *bytes = chain.iov[p].iov_base;

			for (size_t at = 0; at < chain.iov[p].iov_len; at += 64)
				sum += bytes[at];
			sum += bytes[chain.iov[p].iov_len - 1];
		}
		vq_push(vq, &chain, sum & 1 ? chain.in_len : 0);
	}
	if (vq_flush(vq))
		vhost_user_backend_notify(m->backend, vq);
	if (vq_broken(vq))
		(void)vhost_user_backend_report_broken(m->backend, vq);
	return false;
}

static void on_restart(void *data)
{
	(void)data;
}

static void on_end(void *data, const struct err *err)
{
	struct machine *m = data;

	if (m->ended || (err && (err->code == 0 || !err->msg[0])))
		abort();
	m->ended = true;
}

static unsigned byte(struct machine *m)
{
	if (m->left == 0)
		return 0;
	m->left--;
	return *m->in++;
}

static size_t take(struct machine *m, void *to, size_t len)
{
	len = len < m->left ? len : m->left;
	memcpy(to, m->in, len);
	m->in += len;
	m->left -= len;
	return len;
}

static void send_bytes(struct machine *m, const void *p, size_t len, unsigned kinds)
{
	const int kind_fds[] = {mem_fd, m->event_fd, null_fd, m->fd};
	char control[CMSG_SPACE(sizeof(int) * FDS_MAX)] = {0};
	int fds[FDS_MAX];
	unsigned n_fds = kinds >> 4 < FDS_MAX ? kinds >> 4 : FDS_MAX;
	struct iovec iov = {(void *)(uintptr_t)p, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	for (unsigned i = 0; i < n_fds; i++)
		fds[i] = kind_fds[kinds & 3];
	if (n_fds > 0 && len > 0) {
		struct cmsghdr *c = (void *)control;

		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	if (len > 0)
		(void)!sendmsg(m->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Sizes that are right for most requests, so that the payload gets its turn. */
static uint32_t natural_size(unsigned request)
{
	switch (request) {
	case VHOST_USER_SET_MEM_TABLE:
		return 8 + sizeof(struct vhost_user_region);
	case VHOST_USER_SET_VRING_ADDR:
		return sizeof(struct vhost_user_vring_addr);
	case VHOST_USER_GET_CONFIG:
		return 20;
	default:
		return vhost_user_has_reply(request) && request != VHOST_USER_GET_VRING_BASE ? 0
											     : 8;
	}
}

static void send_message(struct machine *m)
{
	uint8_t bytes[sizeof(struct vhost_user_header) + sizeof(struct vhost_user_mem_table)] = {0};
	struct vhost_user_header h = {.request = byte(m), .flags = byte(m)};
	unsigned kinds = byte(m), n_regions = byte(m) % 10;
	size_t payload;

	h.size = natural_size(h.request);
	if (h.request == VHOST_USER_SET_OWNER || h.request == VHOST_USER_RESET_OWNER)
		h.size = 0;
	if (h.request == VHOST_USER_SET_MEM_TABLE)
		h.size = 8 + n_regions * (uint32_t)sizeof(struct vhost_user_region);
	payload = h.size <= sizeof(struct vhost_user_mem_table) ? h.size : 0;
	memcpy(bytes, &h, sizeof(h));
	(void)take(m, bytes + sizeof(h), payload);
	send_bytes(m, bytes, sizeof(h) + payload, kinds);
}

/* A table of one region and queues in it as a front end would describe them. */
static void send_usual(struct machine *m, unsigned what)
{
	struct {
		struct vhost_user_header h;
		union {
			struct vhost_user_mem_table mem;
			struct vhost_user_vring_addr addr;
			struct vhost_user_vring_state state;
		} p;
	} msg = {.h = {.flags = 1, .size = 8}};
	uint32_t queue = what >> 7;
	unsigned kinds = 0;

	switch (what & 3) {
	case 0:
		msg.h.request = VHOST_USER_SET_MEM_TABLE;
		msg.h.size = 40;
		msg.p.mem.n_regions = 1;
		msg.p.mem.regions[0] = (struct vhost_user_region){0x1000, MEM_SIZE, 0x100000, 0};
		kinds = 0x10;
		break;
	case 1:
		msg.h.request = VHOST_USER_SET_VRING_NUM;
		msg.p.state = (struct vhost_user_vring_state){queue, 16};
		break;
	case 2:
		msg.h.request = VHOST_USER_SET_VRING_ADDR;
		msg.h.size = 40;
		msg.p.addr = (struct vhost_user_vring_addr){.index = queue,
			.desc = 0x100000 + queue * 1024,
			.avail = 0x100100 + queue * 1024,
			.used = 0x100200 + queue * 1024};
		break;
	default:
		msg.h.request = VHOST_USER_SET_VRING_KICK;
		msg.p.state = (struct vhost_user_vring_state){queue, 0};
		kinds = 0x11;
		break;
	}
	send_bytes(m, &msg, sizeof(msg.h) + msg.h.size, kinds);
}

static void step(struct machine *m)
{
	static const uint64_t one = 1;
	uint8_t bytes[64], sink[512];
	unsigned op = byte(m), at, kinds;

	switch (op & 7) {
	case 0:
	case 1:
		send_message(m);
		break;
	case 2:
		kinds = byte(m);
		send_bytes(m, bytes, take(m, bytes, kinds % sizeof(bytes)), kinds);
		break;
	case 3:
		at = byte(m) | byte(m) << 8;
		(void)take(m, mem + at % (MEM_SIZE - 16), byte(m) % 16);
		break;
	case 4:
		(void)!write(m->event_fd, &one, sizeof(one));
		break;
	default:
		send_usual(m, byte(m));
		break;
	}
	for (unsigned i = 0; i < 3; i++)
		if (loop_run_once(m->loop, 0) < 0)
			abort();
	(void)!recv(m->fd, sink, sizeof(sink), MSG_DONTWAIT);
}

static void set_up_once(void)
{
	if (mem_fd >= 0)
		return;
	mem_fd = memfd_create("guest", MFD_CLOEXEC);
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (mem_fd < 0 || null_fd < 0 || ftruncate(mem_fd, MEM_SIZE) < 0)
		abort();
	mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, mem_fd, 0);
	if (mem == MAP_FAILED)
		abort();
}

/* The lowest free descriptor: the same before and after, or something was left open. */
static int next_fd(void)
{
	int fd = fcntl(0, F_DUPFD_CLOEXEC, 0);

	close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t config = 3;
	struct machine m = {.in = data, .left = size};
	const struct vhost_user_device device = {.n_queues = N_QUEUES,
		.config = &config,
		.config_size = sizeof(config),
		.process = on_process,
		.restart = on_restart,
		.data = &m};
	int pair[2], before;

	set_up_once();
	memset(mem, 0, MEM_SIZE);
	before = next_fd();
	m.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop_new(&m.loop) < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	m.fd = pair[0];
	if (vhost_user_backend_new(m.loop, pair[1], &device, &m.backend) < 0 ||
		vhost_user_backend_start(m.backend, on_end) < 0)
		abort();
	while (m.left > 0 && !m.ended)
		step(&m);
	vhost_user_backend_free(m.backend);
	close(m.fd);
	close(m.event_fd);
	loop_free(m.loop);
	if (next_fd() != before)
		abort();
	return 0;
}
