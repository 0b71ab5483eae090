/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/resolv_conf.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/path.h"
#include "linux/mountfd.h"

#define RESOLV_CONF "/etc/resolv.conf"

static const char blanks[] = " \t\r\n";

static int append_trimmed(struct buf *b, const char *line)
{
	size_t len;

	line += strspn(line, blanks);
	len = strlen(line);
	while (len > 0 && strchr(blanks, line[len - 1]))
		len--;
	if (buf_len(b) > 0 && buf_append_str(b, "\n") < 0)
		return -ENOMEM;
	return buf_append(b, line, len);
}

static int write_file(
	const char *run_dir, char *const *lines, size_t n_lines, char *path, struct err *err)
{
	auto_buf struct buf text = BUF_INIT;
	int r = 0;

	snprintf(path, PATH_MAX, "%s/sandbox", run_dir);
	r = path_mkdir(path, 0711);
	if (r < 0)
		return err_sys(err, -r, "mkdir %s", path);
	for (size_t i = 0; i < n_lines && r == 0; i++)
		r = append_trimmed(&text, lines[i]);
	if (r < 0)
		return err_sys(err, -r, "dns");
	snprintf(path, PATH_MAX, "%s/sandbox/resolv.conf", run_dir);
	r = io_replace_file(AT_FDCWD, path, 0644, buf_str(&text), buf_len(&text));
	return r < 0 ? err_sys(err, -r, "write %s", path) : 0;
}

int resolv_conf_mount(const char *run_dir, char *const *lines, size_t n_lines, struct err *err)
{
	auto_fd int target = -1, mount_fd = -1;
	char path[PATH_MAX];
	struct stat st;
	int r;

	if (n_lines == 0)
		return 0;
	target = open(RESOLV_CONF, O_PATH | O_CLOEXEC);
	if (target < 0 && errno == ENOENT)
		return 0;
	if (target < 0 || fstat(target, &st) < 0)
		return err_sys(err, errno, "open " RESOLV_CONF);
	if (S_ISDIR(st.st_mode))
		return err_sys(err, EISDIR, "dns: " RESOLV_CONF);
	r = write_file(run_dir, lines, n_lines, path, err);
	if (r < 0)
		return r;
	mount_fd = mountfd_clone(AT_FDCWD, path, false);
	if (mount_fd < 0)
		return err_sys(err, -mount_fd, "copy the mount of %s", path);
	r = mountfd_attach(mount_fd, target);
	return r < 0 ? err_sys(err, -r, "mount %s on " RESOLV_CONF, path) : 0;
}

static bool is_same_file(int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

void resolv_conf_unmount(const char *run_dir)
{
	auto_fd int fd = open(RESOLV_CONF, O_PATH | O_CLOEXEC);
	char path[PATH_MAX], name[PATH_FD_SIZE];
	ssize_t n;

	if (fd < 0)
		return;
	snprintf(path, sizeof(path), "%s/sandbox/resolv.conf", run_dir);
	if (!is_same_file(fd, path))
		return;
	/* Where the mount is, if the image has a link there. */
	n = readlink(path_of_fd(fd, name), path, sizeof(path) - 1);
	if (n < 0)
		return;
	path[n] = '\0';
	(void)!mountfd_detach(path);
}
