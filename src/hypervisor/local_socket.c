/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/local_socket.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* One peer each; the hybrid vsock socket has one per container stream that is being opened. */
enum { BACKLOG = 128 };

int local_socket_pair(int *ret_a, int *ret_b)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	*ret_a = fds[0];
	*ret_b = fds[1];
	return 0;
}

static int make_address(int dir_fd, const char *name, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	int n = snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/%s", dir_fd, name);

	return n < 0 || (size_t)n >= sizeof(ret->sun_path) ? -ENAMETOOLONG : 0;
}

typedef int address_fn(int fd, const struct sockaddr *address, socklen_t len);

/* A new socket that fn (bind or connect) was called on. */
static int open_socket(const char *dir, const char *name, address_fn *fn)
{
	auto_fd int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_fd int fd = -1;
	struct sockaddr_un address;
	int r;

	if (dir_fd < 0)
		return -errno;
	r = make_address(dir_fd, name, &address);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* On a socket, before bind: the mode that the file gets (less the umask). */
	if (fchmod(fd, 0600) < 0 || fn(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return take_fd(&fd);
}

int local_socket_listen(const char *dir, const char *name)
{
	auto_fd int fd = open_socket(dir, name, bind);

	if (fd < 0)
		return fd;
	if (listen(fd, BACKLOG) < 0)
		return -errno;
	return take_fd(&fd);
}

int local_socket_connect(const char *dir, const char *name)
{
	return open_socket(dir, name, connect);
}
