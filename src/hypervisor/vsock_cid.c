/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/vsock_cid.h"

#include <fcntl.h>
#include <linux/vhost.h>
#include <sys/ioctl.h>
#include <sys/random.h>

/* 0 to 2 are the hypervisor, loopback and the host, 2^32-1 means any. */
enum { CID_FIRST = 3, TRIES = 50 };

static int take_random_cid(int fd, uint32_t *ret)
{
	uint32_t n;
	uint64_t cid;

	if (getrandom(&n, sizeof(n), 0) != (ssize_t)sizeof(n))
		return -EIO;
	n = CID_FIRST + n % (UINT32_MAX - CID_FIRST);
	cid = n;
	if (ioctl(fd, VHOST_VSOCK_SET_GUEST_CID, &cid) < 0)
		return -errno;
	*ret = n;
	return 0;
}

int vsock_cid_open(int *ret_fd, uint32_t *ret_cid, struct err *err)
{
	auto_fd int fd = open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC);
	int r = -EADDRINUSE;

	/* ENODEV, ENXIO: the node is there and the module is not. */
	if (fd < 0 && (errno == ENOENT || errno == ENODEV || errno == ENXIO))
		return -ENOENT;
	if (fd < 0)
		return err_sys(err, errno, "/dev/vhost-vsock");
	for (int i = 0; i < TRIES && r == -EADDRINUSE; i++)
		r = take_random_cid(fd, ret_cid);
	if (r < 0)
		return err_sys(err, -r, "/dev/vhost-vsock: set the guest's cid");
	*ret_fd = take_fd(&fd);
	return 0;
}
