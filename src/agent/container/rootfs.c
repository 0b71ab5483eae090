/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/container/rootfs.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/io.h"
#include "base/path.h"
#include "linux/mount_options.h"
#include "linux/mountfd.h"
#include "linux/mountinfo.h"

enum { MOUNTINFO_MAX = 16 << 20 };

int rootfs_clean_path(const char *path, char **ret)
{
	char *clean = malloc(strlen(path) + 2), *to = clean;

	if (!clean)
		return -ENOMEM;
	if (*path != '/')
		goto invalid;
	for (size_t len; path += strspn(path, "/"), (len = strcspn(path, "/")) > 0; path += len) {
		if (len == 1 && *path == '.')
			continue;
		if (len == 2 && path[0] == '.' && path[1] == '.')
			goto invalid;
		*to++ = '/';
		memcpy(to, path, len);
		to += len;
	}
	if (to == clean)
		*to++ = '/';
	*to = '\0';
	*ret = clean;
	return 0;
invalid:
	free(clean);
	return -EINVAL;
}

/* No link anywhere: what the host names is what it means, and nothing in a share redirects it. */
static int open_exact(const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

static int cut_off(const char *propagation, struct err *err)
{
	unsigned long kind = propagation ? mount_options_propagation(propagation) : 0;
	int r;

	if (propagation && *propagation && !kind)
		return err_set(err, EINVAL, "unknown rootfsPropagation \"%s\"", propagation);
	kind = kind & MS_PRIVATE ? MS_PRIVATE : MS_SLAVE;
	r = mountfd_set_propagation("/", kind | MS_REC);
	/* A process that was chrooted to a directory that is no mount point has nothing to cut. */
	return r < 0 && r != -EINVAL ? err_sys(err, -r, "change the propagation of /") : 0;
}

int rootfs_open(const char *path, const char *propagation, struct rootfs *ret, struct err *err)
{
	auto_fd int dir = -1, tree = -1, guest = -1;
	int r = cut_off(propagation, err);

	if (r < 0)
		return r;
	guest = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	dir = open_exact(path);
	if (dir < 0)
		return err_sys(err, -dir, "open the root directory %s", path);
	tree = mountfd_clone(dir, "", true);
	if (tree < 0)
		return err_sys(err, -tree, "copy the mount of %s", path);
	r = mountfd_attach(tree, dir);
	if (r < 0)
		return err_sys(err, -r, "mount %s on itself", path);
	ret->fd = take_fd(&tree);
	ret->guest_fd = take_fd(&guest);
	return 0;
}

void rootfs_fini(struct rootfs *root)
{
	close_fd(root->fd);
	close_fd(root->guest_fd);
	root->fd = root->guest_fd = -1;
}

/* Whether fd is the very top of the root (not something else mounted there). */
static bool is_root(const struct rootfs *root, int fd)
{
	struct stat a, b;

	if (fstat(fd, &a) < 0 || fstat(root->fd, &b) < 0)
		return true;
	return a.st_dev == b.st_dev && a.st_ino == b.st_ino &&
	       mountfd_id(fd) == mountfd_id(root->fd);
}

int rootfs_make_dir(const struct rootfs *root, const char *path)
{
	auto_fd int fd = path_mkdir_in_root(root->fd, path, 0755);

	if (fd < 0)
		return fd;
	return is_root(root, fd) ? -EXDEV : take_fd(&fd);
}

/* Whether the guest's "/" is the initramfs, which is the parent of all mounts and has none itself.
 */
static int find_initramfs(uint64_t guest_id, bool *ret)
{
	auto_buf struct buf b = BUF_INIT;
	int r = io_read_file(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &b);
	struct mountinfo m;
	char *at;

	if (r < 0)
		return r;
	*ret = false;
	if (buf_len(&b) == 0)
		return 0;
	at = (char *)b.data;
	while (mountinfo_next(&at, &m))
		if (m.id == guest_id && strcmp(m.fs_type, "rootfs") == 0)
			*ret = true;
	return 0;
}

static int pivot(const struct rootfs *root, struct err *err)
{
	int r;

	if (fchdir(root->fd) < 0)
		return err_sys(err, errno, "enter the root directory");
	/* The old root ends up on top of the new one, and is taken away there. */
	r = mountfd_pivot_here();
	if (r < 0)
		return err_sys(err, -r, "pivot_root");
	if (fchdir(root->guest_fd) < 0)
		return err_sys(err, errno, "enter the old root");
	/* Or else unmounting would reach the guest's namespace where propagation is shared. */
	r = mountfd_set_propagation(".", MS_SLAVE | MS_REC);
	if (r == 0)
		r = mountfd_detach(".");
	return r < 0 ? err_sys(err, -r, "detach the old root") : 0;
}

/* The mounts directly on the initramfs, but the new root: their paths, one after the other, each
 * with its NUL. */
static int list_guest_mounts(const struct rootfs *root, struct buf *ret)
{
	uint64_t guest_id = mountfd_id(root->guest_fd), root_id = mountfd_id(root->fd);
	auto_buf struct buf b = BUF_INIT;
	int r = io_read_file(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &b);
	struct mountinfo m;
	char *at;

	if (r < 0)
		return r;
	at = (char *)b.data;
	while (r == 0 && at && mountinfo_next(&at, &m))
		if (m.parent_id == guest_id && m.id != guest_id && m.id != root_id)
			r = buf_append(ret, m.mount_point, strlen(m.mount_point) + 1);
	return r;
}

static int move_over_initramfs(const struct rootfs *root, struct err *err)
{
	auto_buf struct buf mounts = BUF_INIT;
	int r = list_guest_mounts(root, &mounts);

	if (r < 0)
		return err_sys(err, -r, "list the guest's mounts");
	r = mountfd_attach(root->fd, root->guest_fd);
	if (r < 0)
		return err_sys(err, -r, "move the root directory to /");
	/* "/" still means the initramfs here, below the new root: walking starts inside it. */
	while (buf_len(&mounts) > 0) {
		const char *path = buf_str(&mounts);

		r = mountfd_detach(path);
		if (r < 0)
			return err_sys(err, -r, "detach %s from the container", path);
		buf_consume(&mounts, strlen(path) + 1);
	}
	if (fchdir(root->fd) < 0 || chroot(".") < 0)
		return err_sys(err, errno, "change the root");
	return 0;
}

int rootfs_enter(struct rootfs *root, const char *propagation, struct err *err)
{
	unsigned long kind = propagation ? mount_options_propagation(propagation) : 0;
	bool initramfs = false;
	int r = find_initramfs(mountfd_id(root->guest_fd), &initramfs);

	if (r < 0)
		return err_sys(err, -r, "read /proc/self/mountinfo");
	r = initramfs ? move_over_initramfs(root, err) : pivot(root, err);
	if (r < 0)
		return r;
	rootfs_fini(root);
	if (chdir("/") < 0)
		return err_sys(err, errno, "change to the new root");
	if (kind) {
		r = mountfd_set_propagation("/", kind);
		if (r < 0)
			return err_sys(err, -r, "make the root directory %s", propagation);
	}
	return 0;
}
