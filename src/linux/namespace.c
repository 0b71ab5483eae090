/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int namespace_open_self(const char *name)
{
	char path[40];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int namespace_type(int fd)
{
	int flag = ioctl(fd, NS_GET_NSTYPE);

	return flag < 0 ? -errno : flag;
}

int namespace_enter(int fd, int clone_flag)
{
	return setns(fd, clone_flag) < 0 ? -errno : 0;
}

int namespace_unshare(int clone_flags)
{
	return unshare(clone_flags) < 0 ? -errno : 0;
}

int namespace_loopback_up(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	auto_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	return ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}
