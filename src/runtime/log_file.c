/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/log_file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"

static int make_parents(const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	auto_free char *parent = NULL;
	int r;

	if (slash == path)
		return 0;
	parent = strndup(path, (size_t)(slash - path));
	r = parent ? path_mkdir(parent, 0755) : -ENOMEM;
	return r < 0 ? err_sys(err, -r, "stdio: make the directory of %s", path) : 0;
}

int log_file_open(const char *path, struct err *err)
{
	auto_fd int fd = -1;
	struct stat st;
	int r = make_parents(path, err);

	if (r < 0)
		return r;
	/* O_NONBLOCK: opening a fifo without a reader fails instead of waiting for one. */
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0640);
	if (fd < 0)
		return err_sys(err, errno, "stdio: open %s", path);
	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "stdio: stat %s", path);
	if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode))
		return err_set(err, EINVAL, "stdio: %s is not a file", path);
	return take_fd(&fd);
}
