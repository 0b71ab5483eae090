/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QEMU's side of a QMP connection. The client asks query-status (id 2) as soon as it may, so that
 * replies have something to match.
 */
#include <stdlib.h>
#include <sys/socket.h>

#include "hypervisor/qmp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct session {
	struct qmp *qmp;
	bool closed;
};

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
}

static void on_event(void *data, const char *name, const struct value *args)
{
	struct session *s = data;

	if (s->closed || !name || (args && args->type != VALUE_TABLE))
		abort();
}

static void on_closed(void *data, const struct err *why)
{
	struct session *s = data;

	if (s->closed || !err_is_set(why))
		abort();
	s->closed = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct qmp_handlers handlers = {on_ready, on_event, on_closed};
	struct session s = {0};
	struct loop *loop;
	int fds[2];

	if (loop_new(&loop) < 0 ||
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
	qmp_free(s.qmp);
	close(fds[1]);
	loop_free(loop);
	return 0;
}
