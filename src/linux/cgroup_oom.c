/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/cgroup_oom.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "base/io.h"
#include "linux/cgroup_text.h"

enum { TEXT_SIZE = 1024 };

static int open_v2(int dir_fd, struct cgroup_oom *oom)
{
	oom->fd = openat(dir_fd, "memory.events", O_RDONLY | O_CLOEXEC);
	if (oom->fd < 0)
		return errno == ENOENT ? -EOPNOTSUPP : -errno;
	oom->counter_fd = oom->fd;
	oom->events = EPOLLPRI;
	return 0;
}

static int open_v1(int dir_fd, struct cgroup_oom *oom)
{
	auto_fd int counter_fd = openat(dir_fd, "memory.oom_control", O_RDONLY | O_CLOEXEC);
	auto_fd int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	char text[32];
	int r;

	if (counter_fd < 0 || fd < 0)
		return -errno;
	snprintf(text, sizeof(text), "%d %d", fd, counter_fd);
	r = io_write_file(dir_fd, "cgroup.event_control", text);
	if (r < 0)
		return r;
	oom->fd = take_fd(&fd);
	oom->counter_fd = take_fd(&counter_fd);
	oom->events = EPOLLIN;
	return 0;
}

int cgroup_oom_open(const struct cgroup *c, struct cgroup_oom *ret)
{
	struct cgroup_oom oom = {.fd = -1, .counter_fd = -1};
	bool unified = false, grown;
	int dir_fd = cgroup_fd_of(c, CGROUP_MEMORY, &unified), r;

	if (dir_fd < 0)
		return -EOPNOTSUPP;
	r = unified ? open_v2(dir_fd, &oom) : open_v1(dir_fd, &oom);
	if (r == 0)
		r = cgroup_oom_check(&oom, &grown);
	if (r < 0)
		cgroup_oom_close(&oom);
	else
		*ret = oom;
	return r;
}

void cgroup_oom_close(struct cgroup_oom *oom)
{
	if (oom->counter_fd != oom->fd)
		close_fd(oom->counter_fd);
	close_fd(oom->fd);
	oom->fd = oom->counter_fd = -1;
}

int cgroup_oom_check(struct cgroup_oom *oom, bool *ret)
{
	char text[TEXT_SIZE];
	uint64_t n;
	ssize_t len;

	if (oom->counter_fd != oom->fd)
		(void)!read(oom->fd, &n, sizeof(n));
	len = pread(oom->counter_fd, text, sizeof(text) - 1, 0);
	if (len < 0)
		return -errno;
	text[len] = '\0';
	n = cgroup_text_find_key(text, "oom_kill");
	*ret = n > oom->n_kills;
	oom->n_kills = n;
	return 0;
}
