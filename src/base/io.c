/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"

#include <fcntl.h>
#include <stdio.h>

int io_write_full(int fd, const void *p, size_t len)
{
	const uint8_t *at = p;

	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int io_read_full(int fd, void *p, size_t len)
{
	uint8_t *at = p;

	while (len > 0) {
		ssize_t n = read(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EPIPE;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

static int read_all(int fd, size_t max, struct buf *b)
{
	enum { CHUNK = 4096 };
	size_t total = 0;

	for (;;) {
		uint8_t *to = buf_reserve(b, CHUNK);
		ssize_t n;

		if (!to)
			return -ENOMEM;
		n = read(fd, to, CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		total += (size_t)n;
		if (total > max)
			return -EFBIG;
		buf_commit(b, (size_t)n);
	}
}

int io_read_file(int dir_fd, const char *path, size_t max, struct buf *b)
{
	auto_fd int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return -errno;
	return read_all(fd, max, b);
}

int io_write_file(int dir_fd, const char *path, const char *text)
{
	auto_fd int fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	size_t len = strlen(text);
	ssize_t n;

	if (fd < 0)
		return -errno;
	do
		n = write(fd, text, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

int io_replace_file(int dir_fd, const char *path, mode_t mode, const void *p, size_t len)
{
	auto_free char *tmp = NULL;
	auto_fd int fd = -1;
	int r;

	if (asprintf(&tmp, "%s.new", path) < 0) {
		tmp = NULL;
		return -ENOMEM;
	}
	fd = openat(dir_fd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return -errno;
	r = io_write_full(fd, p, len);
	if (r == 0 && renameat(dir_fd, tmp, dir_fd, path) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dir_fd, tmp, 0);
	return r;
}

static int set_flag(int fd, int get, int set, int flag, bool on)
{
	int flags = fcntl(fd, get);

	if (flags < 0)
		return -errno;
	flags = on ? flags | flag : flags & ~flag;
	return fcntl(fd, set, flags) < 0 ? -errno : 0;
}

int io_set_nonblock(int fd, bool nonblock)
{
	return set_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK, nonblock);
}

int io_set_cloexec(int fd, bool cloexec)
{
	return set_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC, cloexec);
}

int io_dup(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	return copy < 0 ? -errno : copy;
}
