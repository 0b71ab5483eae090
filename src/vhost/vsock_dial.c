/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/vsock_dial.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

struct request {
	uint64_t id;
	uint32_t port;
	uint32_t unused;
};

/* clang-format off */
const struct jail_rule vsock_dial_client_rules[] = {
	{.nr = SYS_sendto},
	{.nr = SYS_recvmsg},
	JAIL_RULES_END,
};

const struct jail_rule vsock_dial_server_rules[] = {
	{.nr = SYS_recvfrom},
	{.nr = SYS_socket, .mask = UINT64_MAX, .value = AF_UNIX},
	{.nr = SYS_connect},
	{.nr = SYS_sendmsg},
	JAIL_RULES_END,
};
/* clang-format on */

union fd_control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int))];
};

int vsock_dial_pair(int *ret_client_fd, int *ret_server_fd)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	*ret_client_fd = fds[0];
	*ret_server_fd = fds[1];
	return 0;
}

int vsock_dial_request(int fd, uint32_t port, uint64_t id)
{
	const struct request request = {.id = id, .port = port};

	if (send(fd, &request, sizeof(request), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return -errno;
	return 0;
}

static int take_control_fd(struct msghdr *msg)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	int fd = -1;

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
		c->cmsg_len == CMSG_LEN(sizeof(fd)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

int vsock_dial_receive(int fd, uint64_t *ret_id, int *ret_fd)
{
	union fd_control control;
	struct iovec iov = {ret_id, sizeof(*ret_id)};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (n == 0)
		return -ENODATA;
	*ret_fd = take_control_fd(&msg);
	return 0;
}

/* A connected socket, or -1: whatever the reason, the guest is refused. */
static int connect_to(const char *name, uint32_t port)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int n = snprintf(address.sun_path, sizeof(address.sun_path), "/%s_%u", name, port);
	auto_fd int fd = -1;

	if (n < 0 || (size_t)n >= sizeof(address.sun_path))
		return -1;
	/* Non-blocking: where the listener's queue is full, connect fails instead of waiting. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -1;
	return take_fd(&fd);
}

static int answer(int fd, uint64_t id, int connected_fd)
{
	union fd_control control = {.bytes = {0}};
	struct iovec iov = {&id, sizeof(id)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (connected_fd >= 0) {
		struct cmsghdr *c = &control.align;

		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(connected_fd));
		memcpy(CMSG_DATA(c), &connected_fd, sizeof(connected_fd));
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int vsock_dial_serve(int fd, const char *name, struct err *err)
{
	for (;;) {
		struct request request;
		ssize_t n = recv(fd, &request, sizeof(request), 0);
		auto_fd int connected_fd = -1;
		int r;

		if (n == 0)
			return 0;
		if (n < 0)
			return err_sys(err, errno, "wait for a guest's connection");
		if (n != (ssize_t)sizeof(request))
			return err_set(err, EPROTO, "a request of %zd bytes", n);
		connected_fd = connect_to(name, request.port);
		r = answer(fd, request.id, connected_fd);
		if (r == -EPIPE || r == -ECONNRESET)
			return 0;
		if (r < 0)
			return err_sys(err, -r, "hand over a guest's connection");
	}
}
