/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/fifo.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/path.h"

int fifo_find(const char *path, struct err *err)
{
	auto_fd int fd = open(path, O_PATH | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return err_sys(err, errno, "open %s", path);
	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "stat %s", path);
	if (!S_ISFIFO(st.st_mode))
		return err_set(err, EINVAL, "stdio: %s is not a fifo", path);
	return take_fd(&fd);
}

int fifo_open(int path_fd, int *ret_read_fd, int *ret_write_fd, struct err *err)
{
	char path[PATH_FD_SIZE];
	/* A reader opens at once, whether there is a writer or not; then the writer has a reader.
	 */
	auto_fd int read_fd = open(path_of_fd(path_fd, path), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	auto_fd int write_fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

	if (read_fd < 0 || write_fd < 0)
		return err_sys(err, errno, "open a fifo of stdio");
	*ret_read_fd = take_fd(&read_fd);
	*ret_write_fd = take_fd(&write_fd);
	return 0;
}
