/* SPDX-License-Identifier: Apache-2.0 */
#include "confine.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "linux/mountfd.h"
#include "linux/namespace.h"

static void require(int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "skipped: %s: %s\n", what, strerror(-r));
	_exit(77);
}

static void enter_namespaces(void)
{
	char uid[32], gid[32];

	snprintf(uid, sizeof(uid), "0 %u 1", geteuid());
	snprintf(gid, sizeof(gid), "0 %u 1", getegid());
	require(namespace_unshare(
			CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS),
		"new namespaces");
	require(io_write_file(AT_FDCWD, "/proc/self/uid_map", uid), "uid_map");
	require(io_write_file(AT_FDCWD, "/proc/self/setgroups", "deny"), "setgroups");
	require(io_write_file(AT_FDCWD, "/proc/self/gid_map", gid), "gid_map");
}

static void attach(int mount_fd, const char *path)
{
	auto_fd int target = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	require(target < 0 ? -errno : mountfd_attach(mount_fd, target), path);
	close_fd(mount_fd);
}

static void make_writable(const char *dir)
{
	const struct mount_attr writable = {.attr_clr = MOUNT_ATTR_RDONLY};
	int fd = mountfd_clone(AT_FDCWD, dir, false);

	require(fd, dir);
	require(mountfd_set(fd, &writable, false), dir);
	attach(fd, dir);
}

static void make_readonly(void)
{
	const struct mount_attr readonly = {.attr_set = MOUNT_ATTR_RDONLY};
	auto_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int run = mountfd_new("tmpfs", "size", "16m");

	require(mountfd_set_propagation("/", MS_REC | MS_PRIVATE), "private mounts");
	require(root < 0 ? -errno : mountfd_set(root, &readonly, true), "read-only mounts");
	require(run, "tmpfs");
	attach(run, "/run");
}

/* libFuzzer's -artifact_prefix is a directory with the beginning of a name. */
static void keep_directories(int argc, char **argv)
{
	static const char prefix[] = "-artifact_prefix=";
	struct stat st;

	for (int i = 1; i < argc; i++) {
		bool is_prefix = strncmp(argv[i], prefix, strlen(prefix)) == 0;
		char dir[4096], *slash;

		snprintf(dir, sizeof(dir), "%s", argv[i] + (is_prefix ? strlen(prefix) : 0));
		slash = is_prefix ? strrchr(dir, '/') : NULL;
		if (slash)
			*slash = '\0';
		if (stat(dir, &st) == 0 && S_ISDIR(st.st_mode))
			make_writable(dir);
	}
}

__attribute__((constructor)) static void confine(int argc, char **argv)
{
	enter_namespaces();
	make_readonly();
	keep_directories(argc, argv);
}
