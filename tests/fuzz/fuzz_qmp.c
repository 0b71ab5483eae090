/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QEMU's side of a QMP connection. The client asks query-status (id 2) as soon as it may, so that
 * replies have something to match, then for CPUs (3), memory (4) and a disk (5), which is taken out as
 * soon as it is there.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "hypervisor/qemu_resize.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct session {
	struct qmp *qmp;
	struct qemu_plug plug;
	struct qemu_resize resize;
	int n_waiting; /* answers that are due */
	bool closed;
};

static void on_removed(void *data, const struct err *err)
{
	struct session *s = data;

	(void)err;
	s->n_waiting--;
}

static void on_added(
	void *data, const struct hypervisor_guest_address *address, const struct err *err)
{
	struct session *s = data;

	if (!address == !err)
		abort();
	s->n_waiting--;
	if (address && qemu_plug_remove(&s->plug, "disk", on_removed, s, NULL) == 0)
		s->n_waiting++;
}

static void on_resized(void *data, uint64_t n, const struct err *err)
{
	struct session *s = data;

	(void)err;
	if (n > UINT32_MAX)
		abort();
	s->n_waiting--;
}

static void on_broken(void *data, const struct err *why)
{
	(void)data;
	(void)why;
}

static void plug_in(struct session *s)
{
	struct hypervisor_block disk = {.id = "disk", .driver = HYPERVISOR_BLOCK_VIRTIO};

	disk.fd = memfd_create("disk", MFD_CLOEXEC);
	qemu_plug_start(&s->plug, s->qmp);
	if (qemu_resize_vcpus(&s->resize, 3, on_resized, s, NULL) < 0 ||
		qemu_resize_memory(&s->resize, 65, on_resized, s, NULL) < 0 ||
		qemu_plug_add_block(&s->plug, &disk, on_added, s, NULL) < 0)
		abort();
	s->n_waiting = 3;
}

static void on_reply(void *data, const struct value *ret, const struct err *err)
{
	(void)data;
	if (!ret == !err)
		abort();
}

static void on_ready(void *data)
{
	struct session *s = data;

	if (qmp_execute(s->qmp, "query-status", on_reply, s) < 0)
		abort();
	plug_in(s);
}

static void on_event(void *data, const char *name, const struct value *args)
{
	struct session *s = data;

	if (s->closed || !name || (args && args->type != VALUE_TABLE))
		abort();
	qemu_plug_handle_event(&s->plug, name, args);
	qemu_resize_handle_event(&s->resize, name, args);
}

static void on_closed(void *data, const struct err *why)
{
	struct session *s = data;

	if (s->closed || !err_is_set(why))
		abort();
	s->closed = true;
	qemu_plug_end(&s->plug);
	qemu_resize_end(&s->resize);
}

static int set_up(struct session *s, struct loop *loop)
{
	qemu_plug_init(&s->plug, loop, on_broken, s);
	s->plug.bus.n_bridges = 1;
	s->resize = (struct qemu_resize){.boot_vcpus = 1,
		.boot_memory_mib = 64,
		.size = {1, 3, 64, 64 + 256},
		.memory_slots = 2};
	return qemu_resize_init(&s->resize, loop, &s->plug);
}

/* Whoever waits is answered after the end. */
static void tear_down(struct session *s, struct loop *loop)
{
	while (s->n_waiting > 0)
		if (loop_run_once(loop, -1) < 0)
			abort();
	qmp_free(s->qmp);
	qemu_resize_fini(&s->resize);
	qemu_plug_fini(&s->plug);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct qmp_handlers handlers = {on_ready, on_event, on_closed};
	struct session s = {0};
	struct loop *loop;
	int fds[2];

	if (loop_new(&loop) < 0 || set_up(&s, loop) < 0 ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0 ||
		qmp_new(loop, fds[0], &handlers, &s, &s.qmp) < 0)
		abort();
	while (size > 0 && !s.closed) {
		ssize_t n = send(fds[1], data, size, MSG_NOSIGNAL);

		if (n > 0) {
			data += n;
			size -= (size_t)n;
		}
		if (loop_run_once(loop, 0) < 0)
			abort();
	}
	(void)shutdown(fds[1], SHUT_WR);
	/* Whatever came: the end of the connection ends the session. */
	while (!s.closed)
		if (loop_run_once(loop, 0) < 0)
			abort();
	tear_down(&s, loop);
	close(fds[1]);
	loop_free(loop);
	return 0;
}
