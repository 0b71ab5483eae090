/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/container/report.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/io.h"

/* In front of the text; host byte order, as both ends are one program. */
struct header {
	uint32_t type;
	int32_t value;
	uint32_t status;
	uint32_t text_len;
};
static_assert(sizeof(struct header) + ERR_MSG_SIZE == REPORT_SIZE, "one message fits its buffer");

/* The agent may run with 0, 1 or 2 closed, and the process puts its own stdio there. */
static int lift_fd(int *fd)
{
	int copy;

	if (*fd > STDERR_FILENO)
		return 0;
	copy = io_dup(*fd);
	if (copy < 0)
		return copy;
	close_fd(*fd);
	*fd = copy;
	return 0;
}

int report_open_pair(int *ret_agent_fd, int *ret_process_fd)
{
	auto_fd int agent_fd = -1, process_fd = -1;
	int pair[2], on = 1, r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	agent_fd = pair[0];
	process_fd = pair[1];
	r = lift_fd(&agent_fd);
	if (r == 0)
		r = lift_fd(&process_fd);
	if (r == 0)
		r = io_set_nonblock(agent_fd, true);
	if (r < 0)
		return r;
	if (setsockopt(agent_fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		return -errno;
	*ret_agent_fd = take_fd(&agent_fd);
	*ret_process_fd = take_fd(&process_fd);
	return 0;
}

int report_decode(struct slice datagram, struct report *ret)
{
	struct header h;

	if (datagram.len < sizeof(h))
		return -EBADMSG;
	memcpy(&h, datagram.p, sizeof(h));
	if (h.type < REPORT_HELLO || h.type > REPORT_READY)
		return -EBADMSG;
	if (h.text_len >= ERR_MSG_SIZE || h.text_len != datagram.len - sizeof(h))
		return -EBADMSG;
	if (h.type == REPORT_FAILURE && (h.value <= 0 || h.status > UINT8_MAX))
		return -EBADMSG;
	if (h.type == REPORT_LOG && (h.value < LOG_TRACE || h.value >= LOG_LEVEL_COUNT))
		return -EBADMSG;
	ret->type = (enum report_type)h.type;
	ret->value = h.value;
	ret->status = h.status;
	if (h.text_len > 0)
		memcpy(ret->text, datagram.p + sizeof(h), h.text_len);
	ret->text[h.text_len] = '\0';
	return 0;
}

static void take_control(struct msghdr *m, struct report *ret)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS) {
			struct ucred who;

			memcpy(&who, CMSG_DATA(c), sizeof(who));
			ret->pid = who.pid;
		} else if (c->cmsg_type == SCM_RIGHTS) {
			ret->n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			memcpy(ret->fds, CMSG_DATA(c), ret->n_fds * sizeof(int));
		}
	}
}

int report_receive(int fd, struct report *ret)
{
	union {
		char space[CMSG_SPACE(sizeof(struct ucred)) +
			   CMSG_SPACE(REPORT_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	uint8_t bytes[REPORT_SIZE];
	struct iovec iov = {.iov_base = bytes, .iov_len = sizeof(bytes)};
	struct msghdr m = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	struct report report = {.pid = 0};
	ssize_t n;
	int r;

	do
		n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return 0;
	if (n < 0)
		return -errno;
	take_control(&m, &report);
	r = m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)
		    ? -EBADMSG
		    : report_decode(slice_of(bytes, (size_t)n), &report);
	if (r < 0) {
		report_fini(&report);
		return r;
	}
	*ret = report;
	return 1;
}

void report_fini(struct report *report)
{
	for (size_t i = 0; i < report->n_fds; i++)
		close_fd(report->fds[i]);
	report->n_fds = 0;
}

static int send_message(int fd, struct header h, const char *text, const int *fds, size_t n_fds)
{
	union {
		char space[CMSG_SPACE(REPORT_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control = {.space = {0}};
	struct iovec iov[2] = {
		{.iov_base = &h, .iov_len = sizeof(h)},
		{.iov_base = (void *)(uintptr_t)text, .iov_len = h.text_len},
	};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = h.text_len > 0 ? 2 : 1};
	ssize_t n;

	assert(n_fds <= REPORT_FDS_MAX);
	if (fd < 0)
		return 0;
	if (n_fds > 0) {
		struct cmsghdr *c = &control.align;

		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	do
		n = sendmsg(fd, &m, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

int report_send(int fd, enum report_type type, int32_t value, const int *fds, size_t n_fds)
{
	return send_message(fd, (struct header){.type = type, .value = value}, NULL, fds, n_fds);
}

int report_send_failure(int fd, const struct err *err)
{
	struct header h = {
		.type = REPORT_FAILURE,
		.value = err->code > 0 ? err->code : EIO,
		.status = err->status,
		.text_len = (uint32_t)strlen(err->msg),
	};

	return send_message(fd, h, err->msg, NULL, 0);
}

void report_log(int fd, enum log_level level, const char *fmt, ...)
{
	struct header h = {.type = REPORT_LOG, .value = (int32_t)level};
	char text[ERR_MSG_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	h.text_len = (uint32_t)strlen(text);
	/* If the agent is gone the next thing that matters will notice. */
	(void)send_message(fd, h, text, NULL, 0);
}

int report_await(int fd, char byte)
{
	char got;
	ssize_t n;

	do
		n = recv(fd, &got, 1, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -EPIPE;
	return got == byte ? 0 : -EBADMSG;
}
