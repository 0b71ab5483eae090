/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/fifo.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"

int fifo_parse(const char *text, const char **ret, struct err *err)
{
	static const char scheme[] = "fifo://";
	const char *path = text, *mark = strstr(text, "://");

	if (strncmp(text, scheme, strlen(scheme)) == 0)
		path = text + strlen(scheme);
	else if (mark && text[0] != '/')
		return err_set(err, ENOTSUP,
			"stdio by %.*s:// is not supported yet: only fifos are", (int)(mark - text),
			text);
	if (path[0] != '/' && text[0] != '\0')
		return err_set(err, EINVAL, "stdio: %s is not an absolute path", text);
	*ret = path;
	return 0;
}

int fifo_open(const char *path, int *ret_read_fd, int *ret_write_fd, struct err *err)
{
	/* A reader opens at once, whether there is a writer or not. */
	auto_fd int read_fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	auto_fd int write_fd = -1;
	char same[PATH_FD_SIZE];
	struct stat st;

	if (read_fd < 0)
		return err_sys(err, errno, "open %s", path);
	if (fstat(read_fd, &st) < 0)
		return err_sys(err, errno, "stat %s", path);
	if (!S_ISFIFO(st.st_mode))
		return err_set(err, EINVAL, "stdio: %s is not a fifo", path);
	write_fd = open(path_of_fd(read_fd, same), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (write_fd < 0)
		return err_sys(err, errno, "open %s for writing", path);
	*ret_read_fd = take_fd(&read_fd);
	*ret_write_fd = take_fd(&write_fd);
	return 0;
}
