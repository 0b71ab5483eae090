/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_sysfs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/path.h"

void fake_sysfs_init(struct fake_sysfs *s)
{
	snprintf(s->dir, sizeof(s->dir), "/tmp/kihon-sysfs-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	s->fd = open(s->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(s->fd >= 0);
}

void fake_sysfs_fini(struct fake_sysfs *s)
{
	close_fd(s->fd);
	assert_int_equal(path_remove_tree(AT_FDCWD, s->dir), 0);
}

void fake_sysfs_dir(struct fake_sysfs *s, const char *path)
{
	int fd = path_mkdir_in_root(s->fd, path, 0755);

	assert_true(fd >= 0);
	close_fd(fd);
}

void fake_sysfs_file(struct fake_sysfs *s, const char *path, const char *text)
{
	char dir[FAKE_SYSFS_PATH];
	char *slash;
	int fd;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	*slash = '\0';
	fake_sysfs_dir(s, dir);
	fd = openat(s->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_int_equal(io_write_full(fd, text, strlen(text)), 0);
	close_fd(fd);
}

void fake_sysfs_link(struct fake_sysfs *s, const char *path, const char *to)
{
	char target[FAKE_SYSFS_PATH], dir[FAKE_SYSFS_PATH];
	size_t len = 0;

	snprintf(dir, sizeof(dir), "%s", path);
	*strrchr(dir, '/') = '\0';
	fake_sysfs_dir(s, dir);
	for (const char *at = path; (at = strchr(at, '/')); at++)
		len += (size_t)snprintf(target + len, sizeof(target) - len, "../");
	snprintf(target + len, sizeof(target) - len, "%s", to);
	assert_int_equal(symlinkat(target, s->fd, path), 0);
}

void fake_sysfs_remove(struct fake_sysfs *s, const char *path)
{
	assert_int_equal(path_remove_tree(s->fd, path), 0);
}

void fake_sysfs_disk(struct fake_sysfs *s, const char *devpath, unsigned int major)
{
	const char *name = strrchr(devpath, '/') + 1;
	char path[FAKE_SYSFS_PATH], text[256];

	snprintf(path, sizeof(path), "%s/uevent", devpath);
	snprintf(text, sizeof(text), "MAJOR=%u\nMINOR=16\nDEVNAME=%s\nDEVTYPE=disk\n", major, name);
	fake_sysfs_file(s, path, text);
	snprintf(path, sizeof(path), "block/%s", name);
	fake_sysfs_link(s, path, devpath);
}
