/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guest_path.h"

#include <fcntl.h>

#include "base/path.h"
#include "wire/status.h"

int guest_path_check(const char *path, struct err *err)
{
	return *path == '/' ? 0
			    : err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
				      "\"%.512s\" is not an absolute path", path);
}

int guest_path_open(const char *path, struct err *err)
{
	auto_fd int root = -1;
	int fd, r = guest_path_check(path, err);

	if (r < 0)
		return r;
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_sys(err, errno, "open /");
	fd = path_open_in_root(root, path, O_PATH, 0);
	return fd < 0 ? err_sys(err, -fd, "open %.512s", path) : fd;
}
