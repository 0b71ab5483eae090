/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/fd_channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

union control {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

int fd_channel_open(struct fd_channel *c)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		return -errno;
	*c = (struct fd_channel){.parent_fd = fds[0], .child_fd = fds[1]};
	return 0;
}

void fd_channel_close(struct fd_channel *c)
{
	close_fd(c->parent_fd);
	close_fd(c->child_fd);
	*c = FD_CHANNEL_INIT;
}

int fd_channel_send(const struct fd_channel *c, uint32_t number, int fd)
{
	union control control = {0};
	struct iovec iov = {.iov_base = &number, .iov_len = sizeof(number)};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&msg);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return sendmsg(c->child_fd, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int fd_channel_receive(const struct fd_channel *c, uint32_t *ret_number)
{
	union control control = {0};
	uint32_t number;
	struct iovec iov = {.iov_base = &number, .iov_len = sizeof(number)};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(c->parent_fd, &msg, MSG_CMSG_CLOEXEC);
	struct cmsghdr *header = n < 0 ? NULL : CMSG_FIRSTHDR(&msg);
	int fd;

	if (n < 0)
		return -errno;
	if (!header || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(sizeof(fd)))
		return -EPROTO;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	if (n != (ssize_t)sizeof(number)) {
		close_fd(fd);
		return -EPROTO;
	}
	*ret_number = number;
	return fd;
}
