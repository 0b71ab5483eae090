/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container with CAP_SYS_CHROOT and CAP_SYS_ADMIN may try to get out of its root. Prints
 * what it ends up in: "inside" if it sees /bin/marker, "guest" if it sees the given file, else
 *"nowhere". Linked statically: it runs in an image of busybox.
 *
 *	escape chroot|umount FILE
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* A working directory above the root, and up from there. */
static int by_chroot(void)
{
	int top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (top < 0 || (mkdir("/x", 0755) < 0 && errno != EEXIST) || chroot("/x") < 0 ||
		fchdir(top) < 0)
		return -1;
	for (int i = 0; i < 64; i++)
		if (chdir("..") < 0)
			return -1;
	return chroot(".");
}

/* Takes the root away and enters the same namespace again: its root is whatever lies below. */
static int by_umount(void)
{
	int ns = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);

	if (ns < 0 || umount2("/", MNT_DETACH) < 0)
		return -1;
	return setns(ns, CLONE_NEWNS);
}

int main(int argc, char **argv)
{
	int r = -1;

	if (argc == 3 && strcmp(argv[1], "chroot") == 0)
		r = by_chroot();
	if (argc == 3 && strcmp(argv[1], "umount") == 0)
		r = by_umount();
	if (r < 0) {
		perror("escape");
		return 1;
	}
	puts(access("/bin/marker", F_OK) == 0 ? "inside"
		: access(argv[2], F_OK) == 0  ? "guest"
					      : "nowhere");
	return 0;
}
