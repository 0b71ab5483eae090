/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/tap.h"

#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>

/* After net/if.h, whose flags it has too. */
#include <linux/if_tun.h>

static int open_queue(const char *name, unsigned int flags)
{
	auto_fd int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	struct ifreq request = {.ifr_flags = (short)flags};

	if (fd < 0)
		return -errno;
	memcpy(request.ifr_name, name, strlen(name) + 1);
	return ioctl(fd, TUNSETIFF, &request) < 0 ? -errno : take_fd(&fd);
}

int tap_make(const char *name, size_t n_queues, int fds[])
{
	unsigned int flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	size_t n = 0;
	int fd = 0;

	if (strlen(name) >= IFNAMSIZ || n_queues == 0 || n_queues > TAP_QUEUES_MAX)
		return -EINVAL;
	if (n_queues > 1)
		flags |= IFF_MULTI_QUEUE;
	while (n < n_queues) {
		/* The first one makes the link and must not join another's. */
		fd = open_queue(name, n == 0 ? flags | IFF_TUN_EXCL : flags);
		if (fd < 0)
			break;
		fds[n++] = fd;
	}
	while (fd < 0 && n > 0)
		close_fd(fds[--n]);
	return fd < 0 ? fd : 0;
}
