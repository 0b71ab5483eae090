/* SPDX-License-Identifier: Apache-2.0 */
#include "base/path.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { MAX_ID = 128, MAX_DEPTH = 64 };

static int open_resolved(int dir_fd, const char *path, int flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
		.mode = flags & O_CREAT ? mode : 0,
		.resolve = resolve,
	};
	long fd;

	/* EAGAIN: a rename raced with the walk (openat2(2)); the walk is then simply done again. */
	do
		fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	return fd < 0 ? -errno : (int)fd;
}

int path_open_in_root(int root_fd, const char *path, int flags, mode_t mode)
{
	return open_resolved(
		root_fd, *path ? path : ".", flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int path_open_no_links(int dir_fd, const char *path, int flags)
{
	return open_resolved(dir_fd, path, flags, 0, RESOLVE_NO_SYMLINKS);
}

/* Makes prefix, of which all but the last component (name, inside prefix) is there. */
static int mkdir_last(int root_fd, char *prefix, char *name, mode_t mode)
{
	auto_fd int parent = -1;
	char first = *name;

	*name = '\0';
	parent = path_open_in_root(root_fd, prefix, O_PATH | O_DIRECTORY, 0);
	*name = first;
	if (parent < 0)
		return parent;
	/* EEXIST is a dangling link, or somebody quicker: the caller opens it again and sees. */
	return mkdirat(parent, name, mode) < 0 && errno != EEXIST ? -errno : 0;
}

int path_mkdir_in_root(int root_fd, const char *path, mode_t mode)
{
	auto_free char *prefix = strdup(path);

	if (!prefix)
		return -ENOMEM;
	/* One component more each time, always resolved from the root, so that links on the way are
	 * followed inside it. */
	for (char *name = prefix + strspn(prefix, "/"); *name;) {
		char *slash = strchr(name, '/');
		int fd;

		if (slash)
			*slash = '\0';
		fd = path_open_in_root(root_fd, prefix, O_PATH | O_DIRECTORY, 0);
		if (fd == -ENOENT) {
			int r = mkdir_last(root_fd, prefix, name, mode);

			if (r < 0)
				return r;
			fd = path_open_in_root(root_fd, prefix, O_PATH | O_DIRECTORY, 0);
		}
		if (fd < 0)
			return fd;
		close_fd(fd);
		if (!slash)
			break;
		*slash = '/';
		name = slash + strspn(slash, "/");
	}
	return path_open_in_root(root_fd, path, O_PATH | O_DIRECTORY, 0);
}

int path_create_in_root(int root_fd, const char *path, mode_t dir_mode)
{
	auto_fd int existing = path_open_in_root(root_fd, path, O_PATH, 0), parent = -1, file = -1;
	auto_free char *dir = NULL;
	const char *name = strrchr(path, '/');

	if (existing >= 0)
		return take_fd(&existing);
	if (existing != -ENOENT)
		return existing;
	name = name ? name + 1 : path;
	if (!*name)
		return -EISDIR;
	dir = strndup(path, (size_t)(name - path));
	if (!dir)
		return -ENOMEM;
	parent = path_mkdir_in_root(root_fd, dir, dir_mode);
	if (parent < 0)
		return parent;
	file = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (file < 0 && errno != EEXIST)
		return -errno;
	return path_open_in_root(root_fd, path, O_PATH, 0);
}

int path_mkdir(const char *path, mode_t mode)
{
	auto_free char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	for (char *at = copy + strspn(copy, "/"); *at;) {
		char *slash = strchr(at, '/');

		if (slash)
			*slash = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return -errno;
		if (!slash)
			break;
		*slash = '/';
		at = slash + strspn(slash, "/");
	}
	return 0;
}

/*
 * Each level of the walk holds an fd, and whoever filled the tree may have nested it as deep as
 * they liked: what lies deeper than MAX_DEPTH is moved up to the top, to be removed in another
 * pass.
 */
struct removal {
	int top_fd;
	unsigned n_moved; /* in all passes: names for what is moved */
};

static int remove_entry(struct removal *removal, int dir_fd, const char *name, int depth);

static int move_up(struct removal *removal, int dir_fd, const char *name)
{
	char to[32];
	long r;

	/* A name that the tree has already (hostile again) only means trying the next. */
	do {
		snprintf(to, sizeof(to), ".remove-%u", removal->n_moved++);
		/* musl 1.2.3 has no wrapper. */
		r = syscall(SYS_renameat2, dir_fd, name, removal->top_fd, to, RENAME_NOREPLACE);
	} while (r < 0 && errno == EEXIST);
	return r < 0 ? -errno : 0;
}

/* Takes fd. */
static int remove_children(struct removal *removal, int fd, int depth)
{
	int first_error = 0;
	struct dirent *entry;
	DIR *dir = fdopendir(fd);

	if (!dir) {
		close_fd(fd);
		return -errno;
	}
	while ((entry = readdir(dir))) {
		int r;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		r = remove_entry(removal, dirfd(dir), entry->d_name, depth + 1);
		if (r < 0 && first_error == 0)
			first_error = r;
	}
	closedir(dir);
	return first_error;
}

static int open_dir_here(int dir_fd, const char *name)
{
	return open_resolved(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
		RESOLVE_NO_XDEV | RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

/* 1: it is a directory and was left. */
static int remove_file(int dir_fd, const char *name)
{
	if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	return errno == EISDIR || errno == EPERM ? 1 : -errno;
}

static int remove_empty_dir(int dir_fd, const char *name)
{
	return unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_entry(struct removal *removal, int dir_fd, const char *name, int depth)
{
	int fd, r = remove_file(dir_fd, name);

	if (r <= 0)
		return r;
	if (depth > MAX_DEPTH)
		return move_up(removal, dir_fd, name);
	fd = open_dir_here(dir_fd, name);
	if (fd < 0)
		return fd;
	r = remove_children(removal, fd, depth);
	return r < 0 ? r : remove_empty_dir(dir_fd, name);
}

static int remove_top(int dir_fd, const char *name)
{
	auto_fd int top_fd = -1;
	struct removal removal;
	unsigned n_before;
	int r = remove_file(dir_fd, name);

	if (r <= 0)
		return r;
	top_fd = open_dir_here(dir_fd, name);
	if (top_fd < 0)
		return top_fd;
	removal = (struct removal){.top_fd = top_fd};
	do {
		int fd = open_dir_here(top_fd, ".");

		n_before = removal.n_moved;
		if (fd < 0)
			return fd;
		r = remove_children(&removal, fd, 0);
	} while (r == 0 && removal.n_moved != n_before);
	return r < 0 ? r : remove_empty_dir(dir_fd, name);
}

int path_remove_tree(int dir_fd, const char *name)
{
	auto_free char *parent = NULL;
	auto_fd int parent_fd = -1;
	const char *slash = strrchr(name, '/');

	if (!slash)
		return remove_top(dir_fd, name);
	if (!slash[1])
		return -EINVAL;
	/* RESOLVE_BENEATH wants a single component, so the (trusted) directory is opened first. */
	parent = slash == name ? strdup("/") : strndup(name, (size_t)(slash - name));
	if (!parent)
		return -ENOMEM;
	parent_fd = openat(dir_fd, parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (parent_fd < 0)
		return errno == ENOENT ? 0 : -errno;
	return remove_top(parent_fd, slash + 1);
}

DIR *path_open_dir(int dir_fd, const char *path, int flags)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		close_fd(fd);
	return dir;
}

const char *path_of_fd(int fd, char text[static PATH_FD_SIZE])
{
	snprintf(text, PATH_FD_SIZE, "/proc/self/fd/%d", fd);
	return text;
}

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool path_is_valid_exec_id(const char *id)
{
	size_t len = 0;

	if (!id || !is_alnum(id[0]))
		return false;
	for (; id[len]; len++)
		if (!is_alnum(id[len]) && !strchr("_.-", id[len]))
			return false;
	return len <= MAX_ID;
}

bool path_is_valid_id(const char *id)
{
	return path_is_valid_exec_id(id) && id[1];
}
