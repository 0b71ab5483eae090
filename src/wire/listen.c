/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/stat.h>

#include "wire/address.h"
#include "wire/dial.h"

enum { BACKLOG = 128 };

/* A socket file that nobody listens on any more: left by a process that was killed. */
static bool is_stale(const struct address *a)
{
	struct stat st;
	auto_fd int fd = -1;

	if (a->sa.any.sa_family != AF_UNIX || a->sa.un.sun_path[0] == '\0')
		return false;
	if (lstat(a->sa.un.sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	return connect(fd, &a->sa.any, a->sa_len) < 0 && errno == ECONNREFUSED;
}

static int bind_and_listen(int fd, const struct address *a)
{
	int r;

	/* The mode that bind gives the file: only our user may connect, from the first moment. */
	if (a->sa.any.sa_family == AF_UNIX && fchmod(fd, 0600) < 0)
		return -errno;
	r = bind(fd, &a->sa.any, a->sa_len) < 0 ? -errno : 0;
	if (r == -EADDRINUSE && is_stale(a) && unlink(a->sa.un.sun_path) == 0)
		r = bind(fd, &a->sa.any, a->sa_len) < 0 ? -errno : 0;
	if (r == 0 && listen(fd, BACKLOG) < 0)
		r = -errno;
	return r;
}

void dial_unlisten(const char *address)
{
	struct address a;

	if (address_parse(address, &a, NULL) == 0 && a.sa.any.sa_family == AF_UNIX &&
		!a.is_hybrid && a.sa.un.sun_path[0])
		(void)unlink(a.sa.un.sun_path);
}

int dial_listen(const char *address, struct err *err)
{
	struct address a;
	auto_fd int fd = -1;
	int r = address_parse(address, &a, err);

	if (r < 0)
		return r;
	if (a.is_hybrid)
		return err_set(
			err, EINVAL, "address \"%s\": cannot listen on hybrid vsock", address);
	fd = socket(a.sa.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(err, errno, "listen on %s", address);
	r = bind_and_listen(fd, &a);
	if (r < 0)
		return err_sys(err, -r, "listen on %s", address);
	return take_fd(&fd);
}
