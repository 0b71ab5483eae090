/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/modules.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

int modules_load(const char *path, const char *params)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	/* Neither glibc 2.36 nor musl 1.2 wraps it. */
	if (syscall(SYS_finit_module, fd, params, 0) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

bool modules_is_loaded(const char *name)
{
	static const char prefix[] = "/sys/module/";
	char path[NAME_MAX + sizeof(prefix)];

	if (!*name || strchr(name, '/') || *name == '.')
		return false;
	if ((size_t)snprintf(path, sizeof(path), "%s%s", prefix, name) >= sizeof(path))
		return false;
	for (char *c = path + sizeof(prefix) - 1; *c; c++)
		if (*c == '-')
			*c = '_';
	return access(path, F_OK) == 0;
}
