/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/storage/fs_group.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/path.h"

/* One fd per level; a job has 1024. */
enum { MAX_DEPTH = 512 };

struct change {
	gid_t gid;
	mode_t bits; /* that a file gets */
	struct err *err;
};

static int change_children(const struct change *c, int dir_fd, int depth);

/* fd may be O_PATH. */
static int change_one(const struct change *c, int fd, const struct stat *st, const char *name)
{
	mode_t mode = (st->st_mode & 07777) | c->bits;
	char path[PATH_FD_SIZE];

	if (S_ISDIR(st->st_mode))
		mode |= S_IXUSR | S_IXGRP | S_ISGID;
	/* In this order: a change of owner takes set-id bits away. */
	if (fchownat(fd, "", (uid_t)-1, c->gid, AT_EMPTY_PATH) < 0 ||
		chmod(path_of_fd(fd, path), mode) < 0)
		return err_sys(
			c->err, errno, "fs_group: give %s to group %u", name, (unsigned int)c->gid);
	return 0;
}

static int change_entry(const struct change *c, int dir_fd, const char *name, int depth)
{
	struct open_how how = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV,
	};
	auto_fd int fd = (int)syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));
	struct stat st;
	int r = 0;

	/* Another mount, or gone. */
	if (fd < 0 && (errno == EXDEV || errno == ENOENT))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(c->err, errno, "fs_group: open %s", name);
	if (S_ISLNK(st.st_mode))
		return 0;
	if (S_ISDIR(st.st_mode))
		r = change_children(c, fd, depth + 1);
	return r < 0 ? r : change_one(c, fd, &st, name);
}

static int change_children(const struct change *c, int dir_fd, int depth)
{
	struct dirent *entry;
	int r = 0;
	DIR *dir;

	if (depth > MAX_DEPTH)
		return err_set(c->err, ELOOP, "fs_group: more than %d directories deep", MAX_DEPTH);
	dir = path_open_dir(dir_fd, ".", 0);
	if (!dir)
		return err_sys(c->err, errno, "fs_group: read a directory");
	while (r == 0 && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = change_entry(c, dirfd(dir), entry->d_name, depth);
	closedir(dir);
	return r;
}

int fs_group_apply(int root_fd, const Grpc__FSGroup *group, bool read_only, struct err *err)
{
	struct change c = {
		.gid = group->group_id,
		.bits = read_only ? S_IRUSR | S_IRGRP : S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP,
		.err = err,
	};
	mode_t wanted = c.bits | S_IXUSR | S_IXGRP | S_ISGID;
	struct stat st;
	int r;

	if (fstat(root_fd, &st) < 0)
		return err_sys(err, errno, "fs_group: the root");
	if (group->group_change_policy == TYPES__FSGROUP_CHANGE_POLICY__OnRootMismatch &&
		st.st_gid == c.gid && (st.st_mode & wanted) == wanted)
		return 0;
	r = S_ISDIR(st.st_mode) ? change_children(&c, root_fd, 0) : 0;
	return r < 0 ? r : change_one(&c, root_fd, &st, "the root");
}
