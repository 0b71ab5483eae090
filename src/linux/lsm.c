/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/lsm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"

static int open_below(const char *root, const char *path)
{
	auto_fd int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return root_fd < 0 ? -1 : openat(root_fd, path, O_RDONLY | O_CLOEXEC);
}

bool lsm_is_on(enum lsm lsm, const char *root)
{
	auto_fd int fd = open_below(root, lsm == LSM_SELINUX ? "sys/fs/selinux/enforce"
							     : "sys/module/apparmor/parameters/"
							       "enabled");
	char c;

	if (fd < 0)
		return false;
	return lsm == LSM_SELINUX || (read(fd, &c, 1) == 1 && c == 'Y');
}

int lsm_open(enum lsm lsm, int proc_fd)
{
	int fd = -1;

	/* AppArmor has a directory of its own since Linux 5.1; before, "exec" is the first LSM's. */
	if (lsm == LSM_APPARMOR)
		fd = openat(proc_fd, "self/attr/apparmor/exec", O_WRONLY | O_CLOEXEC);
	if (fd < 0 && (lsm == LSM_SELINUX || errno == ENOENT))
		fd = openat(proc_fd, "self/attr/exec", O_WRONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int lsm_set(enum lsm lsm, int fd, const char *label)
{
	auto_free char *text = NULL;
	int len = asprintf(&text, "%s%s", lsm == LSM_APPARMOR ? "exec " : "", label);
	ssize_t n;

	if (len < 0) {
		text = NULL;
		return -ENOMEM;
	}
	/* In one piece: the kernel takes each write for a whole label. */
	n = write(fd, text, (size_t)len);
	if (n < 0)
		return -errno;
	return n == len ? 0 : -EIO;
}
