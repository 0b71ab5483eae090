/* SPDX-License-Identifier: Apache-2.0 */
#include "vsock_guest.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/io.h"

static void on_notify(void *data, struct vq *vq)
{
	struct guest *g = data;

	(void)vq;
	g->n_interrupts++;
}

static void on_broken(void *data, struct vq *vq)
{
	struct guest *g = data;

	(void)vq;
	g->n_broken++;
}

static int on_dial(void *data, uint32_t port, uint64_t id)
{
	struct guest *g = data;

	if (g->dial_refused)
		return -ECONNREFUSED;
	assert_true(g->n_dials < GUEST_DIALS_MAX);
	g->dial_port[g->n_dials] = port;
	g->dial_id[g->n_dials++] = id;
	return 0;
}

static struct sockaddr_un address(const struct guest *g)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/s", g->dir);
	return a;
}

int guest_set_up_bare(void **state)
{
	struct guest *g = calloc(1, sizeof(*g));
	struct sockaddr_un a;
	struct vsock_config config = {.rx = &g->rx.vq,
		.tx = &g->tx.vq,
		.guest_cid = GUEST_CID,
		.notify = on_notify,
		.broken = on_broken,
		.dial = on_dial,
		.data = g};

	*state = g;
	clock_shift_ns = 0;
	snprintf(g->dir, sizeof(g->dir), "/tmp/kihon-vsock-XXXXXX");
	assert_non_null(mkdtemp(g->dir));
	a = address(g);
	g->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(g->listen_fd, (void *)&a, sizeof(a)), 0);
	assert_int_equal(listen(g->listen_fd, 2048), 0);
	assert_int_equal(loop_new(&g->loop), 0);
	driver_init(&g->driver);
	driver_queue_init(&g->driver, &g->rx, GUEST_QUEUE_SIZE, VQ_F_EVENT_IDX);
	driver_queue_init(&g->driver, &g->tx, GUEST_QUEUE_SIZE, VQ_F_EVENT_IDX);
	g->tx_gpa = driver_alloc(&g->driver, VSOCK_HEADER_SIZE + (256 << 10) + 1);
	for (unsigned i = 0; i < GUEST_QUEUE_SIZE; i++)
		g->rx_gpa[i] = driver_alloc(&g->driver, GUEST_RX_SIZE);
	config.loop = g->loop;
	config.listen_fd = g->listen_fd;
	assert_int_equal(vsock_new(&config, &g->dev), 0);
	return 0;
}

int guest_set_up(void **state)
{
	guest_set_up_bare(state);
	guest_post(*state, GUEST_QUEUE_SIZE);
	return 0;
}

int guest_tear_down(void **state)
{
	struct guest *g = *state;
	struct sockaddr_un a = address(g);

	vsock_free(g->dev);
	close(g->listen_fd);
	unlink(a.sun_path);
	rmdir(g->dir);
	loop_free(g->loop);
	driver_fini(&g->driver);
	free(g);
	return 0;
}

static void add_buffer(struct guest *g)
{
	struct driver_part part = {g->rx_gpa[g->rx.free_head], GUEST_RX_SIZE, true};

	driver_add(&g->rx, &part, 1);
}

static void process_tx(struct guest *g)
{
	while (vsock_process_tx(g->dev))
		;
}

void guest_post(struct guest *g, unsigned n)
{
	while (n-- > 0)
		add_buffer(g);
	if (vsock_process_rx(g->dev))
		process_tx(g);
}

void guest_send_raw(struct guest *g, const struct vsock_header *h, const void *payload, size_t len)
{
	uint8_t *p = driver_ptr(&g->driver, g->tx_gpa);
	const struct driver_part parts[] = {{g->tx_gpa, VSOCK_HEADER_SIZE, false},
		{g->tx_gpa + VSOCK_HEADER_SIZE, (uint32_t)len, false}};
	uint16_t head;
	uint32_t used;

	vsock_header_encode(h, p);
	if (len > 0)
		memcpy(p + VSOCK_HEADER_SIZE, payload, len);
	driver_add(&g->tx, parts, len > 0 ? 2 : 1);
	process_tx(g);
	while (driver_take(&g->tx, &head, &used))
		;
}

void guest_send(struct guest *g, struct vsock_header h, const void *payload)
{
	h.src_cid = GUEST_CID;
	h.dst_cid = VSOCK_CID_HOST;
	h.type = VSOCK_TYPE_STREAM;
	guest_send_raw(g, &h, payload, h.len);
}

bool guest_receive(struct guest *g, struct vsock_header *ret, void *payload)
{
	const uint8_t *p;
	uint16_t head;
	uint32_t len;

	if (!driver_take(&g->rx, &head, &len))
		return false;
	p = driver_ptr(&g->driver, g->rx_gpa[head]);
	assert_true(len >= VSOCK_HEADER_SIZE);
	vsock_header_decode(p, ret);
	assert_int_equal(len, VSOCK_HEADER_SIZE + ret->len);
	assert_true(ret->dst_cid == GUEST_CID);
	if (payload)
		memcpy(payload, p + VSOCK_HEADER_SIZE, ret->len);
	if (!g->keep_buffers)
		guest_post(g, 1);
	return true;
}

void guest_run(struct guest *g)
{
	/* Each call handles what is ready; a few in a row reach what that made ready. */
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(loop_run_once(g->loop, 0), 0);
}

void guest_expect(struct guest *g, enum vsock_op op, struct vsock_header *ret)
{
	struct vsock_header h = {0};

	guest_run(g);
	if (!guest_receive(g, &h, NULL))
		fail_msg("no packet; %s was expected", vsock_op_name((uint16_t)op));
	if (h.op != op)
		fail_msg("%s instead of %s", vsock_op_name(h.op), vsock_op_name((uint16_t)op));
	if (ret)
		*ret = h;
}

void guest_expect_nothing(struct guest *g)
{
	struct vsock_header h;

	guest_run(g);
	if (guest_receive(g, &h, NULL))
		fail_msg("%s instead of nothing", vsock_op_name(h.op));
}

int guest_client(struct guest *g, const char *line)
{
	struct sockaddr_un a = address(g);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (void *)&a, sizeof(a)), 0);
	assert_int_equal(io_write_full(fd, line, strlen(line)), 0);
	assert_int_equal(io_set_nonblock(fd, true), 0);
	return fd;
}

int guest_open_from_host(struct guest *g, uint32_t port, uint32_t *ret_port)
{
	char line[40], reply[40] = "";
	struct vsock_header h;
	int fd, n;

	snprintf(line, sizeof(line), "CONNECT %u\n", port);
	fd = guest_client(g, line);
	guest_expect(g, VSOCK_OP_REQUEST, &h);
	assert_int_equal(h.dst_port, port);
	assert_int_equal(h.type, VSOCK_TYPE_STREAM);
	assert_true(h.src_cid == VSOCK_CID_HOST);
	guest_send(g,
		(struct vsock_header){.op = VSOCK_OP_RESPONSE,
			.src_port = port,
			.dst_port = h.src_port,
			.buf_alloc = 256 << 10},
		NULL);
	n = (int)read(fd, reply, sizeof(reply) - 1);
	snprintf(line, sizeof(line), "OK %u\n", h.src_port);
	assert_string_equal(reply, line);
	assert_int_equal(n, strlen(line));
	*ret_port = h.src_port;
	return fd;
}

int guest_open_from_guest(struct guest *g, uint32_t guest_port, uint32_t host_port)
{
	unsigned dial = g->n_dials;
	struct vsock_header h;
	int pair[2];

	guest_send(g,
		(struct vsock_header){.op = VSOCK_OP_REQUEST,
			.src_port = guest_port,
			.dst_port = host_port,
			.buf_alloc = 256 << 10},
		NULL);
	assert_int_equal(g->n_dials, dial + 1);
	assert_int_equal(g->dial_port[dial], host_port);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	vsock_dialled(g->dev, g->dial_id[dial], pair[0]);
	guest_expect(g, VSOCK_OP_RESPONSE, &h);
	assert_int_equal(h.dst_port, guest_port);
	assert_int_equal(h.src_port, host_port);
	return pair[1];
}

void guest_send_op(struct guest *g, enum vsock_op op, uint32_t guest_port, uint32_t host_port)
{
	guest_send(g,
		(struct vsock_header){.op = (uint16_t)op,
			.src_port = guest_port,
			.dst_port = host_port,
			.buf_alloc = 256 << 10},
		NULL);
}

void guest_send_shutdown(struct guest *g, uint32_t guest_port, uint32_t host_port, uint32_t flags)
{
	guest_send(g,
		(struct vsock_header){.op = VSOCK_OP_SHUTDOWN,
			.src_port = guest_port,
			.dst_port = host_port,
			.flags = flags,
			.buf_alloc = 256 << 10},
		NULL);
}

void guest_send_bytes(
	struct guest *g, uint32_t guest_port, uint32_t host_port, const void *p, size_t len)
{
	guest_send(g,
		(struct vsock_header){.op = VSOCK_OP_RW,
			.src_port = guest_port,
			.dst_port = host_port,
			.len = (uint32_t)len,
			.buf_alloc = 256 << 10},
		p);
}

ssize_t host_read(int fd, void *p, size_t len)
{
	ssize_t n = read(fd, p, len);

	return n < 0 ? -errno : n;
}

void host_expect(int fd, const char *text)
{
	char bytes[64] = "";

	assert_int_equal(host_read(fd, bytes, sizeof(bytes) - 1), strlen(text));
	assert_string_equal(bytes, text);
}

void host_expect_end(struct guest *g, int fd)
{
	char byte;

	guest_run(g);
	assert_int_equal(host_read(fd, &byte, 1), 0);
}

void guest_fill(struct guest *g, uint32_t guest_port, uint32_t host_port, uint32_t len)
{
	static uint8_t bytes[64 << 10];

	for (uint32_t done = 0; done < len;) {
		uint32_t n = len - done < sizeof(bytes) ? len - done : sizeof(bytes);

		for (uint32_t i = 0; i < n; i++)
			bytes[i] = (uint8_t)((done + i) * 31 >> 3);
		guest_send_bytes(g, guest_port, host_port, bytes, n);
		done += n;
	}
}

void host_expect_filled(struct guest *g, int fd, uint32_t len)
{
	uint8_t bytes[4096];

	for (uint32_t done = 0; done < len;) {
		ssize_t n;

		guest_run(g);
		n = host_read(fd, bytes, len - done < sizeof(bytes) ? len - done : sizeof(bytes));
		if (n <= 0)
			fail_msg("%zd after %u bytes", n, done);
		for (ssize_t i = 0; i < n; i++, done++)
			assert_int_equal(bytes[i], (uint8_t)(done * 31 >> 3));
	}
}
