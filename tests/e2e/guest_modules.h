/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What every /init of a test's guest does first. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Those that guest/make-initrd has put in, in its order; what fails is told on the console. */
static inline void load_modules(void)
{
	FILE *list = fopen("/lib/modules/load", "r");
	char path[256];

	while (list && fgets(path, sizeof(path), list)) {
		int fd;

		path[strcspn(path, "\n")] = '\0';
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST))
			printf("%s: %s\n", path, strerror(errno));
		close(fd);
	}
	if (list)
		fclose(list);
}
