/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost_front.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "open_fds.h"

struct front f;
const uint64_t front_config = 3;

static bool on_process(void *data, unsigned i)
{
	struct vhost_user_backend *b = f.backend;
	struct vq *vq = vhost_user_backend_queue(b, i);
	struct vq_chain chain;

	(void)data;
	f.n_processed[i]++;
	while (vq_pop(vq, &chain))
		vq_push(vq, &chain, 0);
	if (vq_flush(vq))
		vhost_user_backend_notify(b, vq);
	return f.more;
}

static void on_restart(void *data)
{
	(void)data;
	f.n_restarts++;
}

static void on_end(void *data, const struct err *err)
{
	(void)data;
	f.n_ends++;
	f.failed = err;
	if (err)
		f.err = *err;
}

void start_backend(void)
{
	static const struct vhost_user_device device = {.n_queues = N_QUEUES,
		.config = &front_config,
		.config_size = sizeof(front_config),
		.process = on_process,
		.restart = on_restart};
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	f.fd = pair[0];
	f.n_ends = 0;
	f.failed = false;
	f.err = (struct err)ERR_INIT;
	assert_int_equal(vhost_user_backend_new(f.loop, pair[1], &device, &f.backend), 0);
	assert_int_equal(vhost_user_backend_start(f.backend, on_end), 0);
}

void stop_backend(void)
{
	vhost_user_backend_free(f.backend);
	close(f.fd);
}

int front_setup(void **state)
{
	(void)state;
	f = (struct front){0};
	f.mem_fd = memfd_create("guest", MFD_CLOEXEC);
	assert_int_equal(ftruncate(f.mem_fd, 2 * DRIVER_MEM_SIZE), 0);
	driver_init_shared(&f.driver, f.mem_fd, DRIVER_MEM_SIZE);
	for (unsigned i = 0; i < N_QUEUES; i++) {
		driver_queue_init(&f.driver, &f.queues[i], QUEUE_SIZE, 0);
		f.kick[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		f.call[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	}
	assert_int_equal(loop_new(&f.loop), 0);
	start_backend();
	return 0;
}

int front_teardown(void **state)
{
	(void)state;
	stop_backend();
	loop_free(f.loop);
	driver_fini(&f.driver);
	close(f.mem_fd);
	for (unsigned i = 0; i < N_QUEUES; i++) {
		close(f.kick[i]);
		close(f.call[i]);
	}
	return 0;
}

size_t count_fds(void)
{
	return count_open_fds(getpid());
}

void run(void)
{
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(loop_run_once(f.loop, 0), 0);
}

void send_raw(const void *p, size_t len, const int *fds, size_t n_fds)
{
	char control[CMSG_SPACE(sizeof(int) * 64)] = {0};
	struct iovec iov = {(void *)(uintptr_t)p, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n_fds > 0) {
		struct cmsghdr *c = (void *)control;

		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	assert_int_equal(sendmsg(f.fd, &msg, MSG_NOSIGNAL), len);
}

void send_message(uint32_t request, uint32_t flags, const void *payload, uint32_t size,
	const int *fds, size_t n_fds)
{
	uint8_t bytes[1024];
	struct vhost_user_header h = {request, flags, size};

	memcpy(bytes, &h, sizeof(h));
	if (size > 0)
		memcpy(bytes + sizeof(h), payload, size);
	send_raw(bytes, sizeof(h) + size, fds, n_fds);
	run();
}

void send_u64(uint32_t request, uint64_t value)
{
	send_message(request, 1, &value, sizeof(value), NULL, 0);
}

void send_fd(uint32_t request, uint64_t index, int fd)
{
	send_message(request, 1, &index, sizeof(index), &fd, 1);
}

void send_state(uint32_t request, uint32_t index, uint32_t num)
{
	send_message(request, 1, &(struct vhost_user_vring_state){index, num}, 8, NULL, 0);
}

bool receive_reply(struct vhost_user_message *m)
{
	uint8_t bytes[512];
	ssize_t n = recv(f.fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	*m = (struct vhost_user_message){0};
	if (n <= 0)
		return false;
	assert_true(n >= (ssize_t)sizeof(m->header));
	memcpy(&m->header, bytes, sizeof(m->header));
	assert_int_equal(n, sizeof(m->header) + m->header.size);
	assert_int_equal(m->header.flags, VHOST_USER_VERSION | VHOST_USER_FLAG_REPLY);
	memcpy(&m->payload, bytes + sizeof(m->header), m->header.size);
	return true;
}

uint64_t ask_u64(uint32_t request)
{
	struct vhost_user_message m;

	send_message(request, 1, NULL, 0, NULL, 0);
	assert_true(receive_reply(&m));
	assert_int_equal(m.header.request, request);
	assert_int_equal(m.header.size, 8);
	return m.payload.u64;
}

uint32_t ask_base(uint32_t index)
{
	struct vhost_user_message m;

	send_state(VHOST_USER_GET_VRING_BASE, index, 0);
	assert_true(receive_reply(&m));
	assert_int_equal(m.header.size, 8);
	assert_int_equal(m.payload.state.index, index);
	return m.payload.state.num;
}

const struct vhost_user_mem_table one_region = {
	.n_regions = 1, .regions = {{DRIVER_GPA, DRIVER_MEM_SIZE, UVA, DRIVER_MEM_SIZE}}};

void send_table(const struct vhost_user_mem_table *t, const int *fds, size_t n_fds)
{
	uint32_t n = t->n_regions <= VHOST_USER_REGIONS_MAX ? t->n_regions : VHOST_USER_REGIONS_MAX;

	send_message(VHOST_USER_SET_MEM_TABLE, 1, t, (uint32_t)(8 + n * sizeof(t->regions[0])), fds,
		n_fds);
}

static uint64_t uva_of(uint64_t gpa)
{
	return gpa - DRIVER_GPA + UVA;
}

void send_addr(uint32_t i)
{
	const struct driver_queue *q = &f.queues[i];
	struct vhost_user_vring_addr a = {.index = i,
		.desc = uva_of(q->desc_gpa),
		.avail = uva_of(q->avail_gpa),
		.used = uva_of(q->used_gpa)};

	send_message(VHOST_USER_SET_VRING_ADDR, 1, &a, sizeof(a), NULL, 0);
}

void start_queue(uint32_t i, uint16_t base)
{
	send_state(VHOST_USER_SET_VRING_NUM, i, QUEUE_SIZE);
	send_state(VHOST_USER_SET_VRING_BASE, i, base);
	send_addr(i);
	send_fd(VHOST_USER_SET_VRING_KICK, i, f.kick[i]);
	send_fd(VHOST_USER_SET_VRING_CALL, i, f.call[i]);
}

void start_device(void)
{
	send_u64(VHOST_USER_SET_PROTOCOL_FEATURES,
		1 << VHOST_USER_PROTOCOL_F_MQ | 1 << VHOST_USER_PROTOCOL_F_CONFIG);
	send_message(VHOST_USER_SET_OWNER, 1, NULL, 0, NULL, 0);
	send_u64(VHOST_USER_SET_FEATURES, UINT64_C(1) << 32 | UINT64_C(1) << 30);
	send_table(&one_region, &f.mem_fd, 1);
	for (uint32_t i = 0; i < N_QUEUES; i++)
		start_queue(i, 0);
	for (uint32_t i = 0; i < N_QUEUES; i++)
		send_state(VHOST_USER_SET_VRING_ENABLE, i, 1);
	if (f.n_ends > 0)
		fail_msg("%s", f.err.msg);
}

void kick(uint32_t i)
{
	const uint64_t one = 1;

	assert_int_equal(write(f.kick[i], &one, sizeof(one)), sizeof(one));
	run();
}

bool is_called(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) > 0;
}

void assert_works(uint32_t i)
{
	const struct driver_part part = {DRIVER_GPA + DRIVER_MEM_SIZE - 64, 64, true};
	uint16_t head;
	uint32_t len;

	(void)is_called(f.call[i]);
	driver_add(&f.queues[i], &part, 1);
	kick(i);
	assert_true(driver_take(&f.queues[i], &head, &len));
	assert_true(is_called(f.call[i]));
}
