/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/storage/mirror.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "agent/storage/mirror_scan.h"
#include "base/io.h"
#include "base/path.h"

/* What is being made, in the root of the copy; one of that name would be removed again. */
#define TEMPORARY ".kata-mirror"

static int fail(struct err *err, int r, const char *path)
{
	return r < 0 ? err_sys(err, -r, "copy %s", path) : 0;
}

/*
 * The directory of the copy that path is in, and its name there. The container may write into the
 * copy: no link in it is followed.
 */
static int open_parent(int target_fd, const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	auto_free char *parent = NULL;

	*ret_name = slash ? slash + 1 : path;
	if (!slash)
		return io_dup(target_fd);
	parent = strndup(path, (size_t)(slash - path));
	return parent ? mirror_open(target_fd, parent, O_RDONLY | O_DIRECTORY) : -ENOMEM;
}

/* Puts the temporary in place of whatever is there. */
static int put(int target_fd, const char *path)
{
	const char *name;
	auto_fd int parent = open_parent(target_fd, path, &name);
	int r;

	if (parent < 0)
		return parent;
	if (renameat(target_fd, TEMPORARY, parent, name) == 0)
		return 0;
	if (errno != EISDIR)
		return -errno;
	r = path_remove_tree(parent, name);
	if (r < 0)
		return r;
	return renameat(target_fd, TEMPORARY, parent, name) < 0 ? -errno : 0;
}

static int set_attributes(int fd, const struct stat *st)
{
	struct timespec times[] = {st->st_atim, st->st_mtim};

	/* The owner first: a change of it takes set-id bits away. */
	if (fchown(fd, st->st_uid, st->st_gid) < 0 || fchmod(fd, st->st_mode & 07777) < 0 ||
		futimens(fd, times) < 0)
		return -errno;
	return 0;
}

/* Exactly the size that it had when it was listed. */
static int copy_bytes(int from, int to, off_t size)
{
	char bytes[4096];
	off_t left = size;
	ssize_t n;

	while ((n = read(from, bytes, sizeof(bytes))) > 0) {
		int r = n > left ? -EAGAIN : io_write_full(to, bytes, (size_t)n);

		if (r < 0)
			return r;
		left -= n;
	}
	if (n < 0)
		return -errno;
	return left == 0 ? 0 : -EAGAIN;
}

static int copy_file(int source_fd, int target_fd, const struct mirror_entry *e)
{
	auto_fd int from = mirror_open(source_fd, e->path, O_RDONLY), to = -1;
	struct stat st;
	int r;

	if (from < 0)
		return from == -ENOENT || from == -ELOOP ? -EAGAIN : from;
	if (fstat(from, &st) < 0)
		return -errno;
	if (st.st_ino != e->st.st_ino || !mirror_is_same(&st, &e->st))
		return -EAGAIN;
	to = mirror_open(target_fd, TEMPORARY, O_WRONLY | O_CREAT | O_EXCL);
	if (to < 0)
		return to;
	r = copy_bytes(from, to, e->st.st_size);
	if (r == 0)
		r = set_attributes(to, &e->st);
	return r < 0 ? r : put(target_fd, e->path);
}

static int copy_link(int target_fd, const struct mirror_entry *e)
{
	if (symlinkat(e->link, target_fd, TEMPORARY) < 0 ||
		fchownat(target_fd, TEMPORARY, e->st.st_uid, e->st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return put(target_fd, e->path);
}

static int make_dir(int target_fd, const struct mirror_entry *e)
{
	const char *name;
	auto_fd int parent = open_parent(target_fd, e->path, &name), fd = -1;
	struct stat st;

	if (parent < 0)
		return parent;
	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode)) {
		int r = path_remove_tree(parent, name);

		if (r < 0)
			return r;
		if (mkdirat(parent, name, 0700) < 0)
			return -errno;
	} else if (mirror_is_same(&st, &e->st)) {
		return 0;
	}
	fd = mirror_open(parent, name, O_RDONLY | O_DIRECTORY);
	return fd < 0 ? fd : set_attributes(fd, &e->st);
}

static bool is_up_to_date(int target_fd, const struct mirror_entry *e)
{
	const char *name;
	auto_fd int parent = open_parent(target_fd, e->path, &name);
	char text[PATH_MAX];
	struct stat st;
	ssize_t n;

	if (parent < 0 || fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		!mirror_is_same(&st, &e->st))
		return false;
	if (!e->link)
		return true;
	n = readlinkat(parent, name, text, sizeof(text));
	return n == (ssize_t)strlen(e->link) && memcmp(text, e->link, (size_t)n) == 0;
}

/* All directories and files, or all links. */
static int copy_all(
	int source_fd, int target_fd, const struct mirror_list *list, bool links, struct err *err)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct mirror_entry *e = &list->entries[i];
		int r = 0;

		if (links != !!e->link)
			continue;
		if (S_ISDIR(e->st.st_mode))
			r = make_dir(target_fd, e);
		else if (!is_up_to_date(target_fd, e))
			r = links ? copy_link(target_fd, e) : copy_file(source_fd, target_fd, e);
		if (r < 0)
			return fail(err, r, e->path);
	}
	return 0;
}

/* What the copy has and the list has not. The copy is as small as the list that it was made from. */
static int remove_gone(int target_fd, const char *path, const struct mirror_list *list)
{
	int fd = mirror_open(target_fd, *path ? path : ".", O_RDONLY | O_DIRECTORY), r = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		r = fd < 0 ? fd : -errno;
		close_fd(fd);
		return r;
	}
	while (r == 0 && (entry = readdir(dir))) {
		const struct mirror_entry *e;
		char child[1024];

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(child, sizeof(child), "%s%s%s", path, *path ? "/" : "", entry->d_name);
		e = mirror_find(list, child);
		if (!e)
			r = path_remove_tree(dirfd(dir), entry->d_name);
		else if (S_ISDIR(e->st.st_mode))
			r = remove_gone(target_fd, child, list);
	}
	closedir(dir);
	return r;
}

/* None of them if not all fit: who wants to watch must watch all. */
static void list_dirs(const struct mirror_list *list, struct mirror_dirs *ret)
{
	*ret = (struct mirror_dirs){.n = 1, .names = ".", .len = 2};
	for (size_t i = 0; i < list->n; i++) {
		size_t size = strlen(list->entries[i].path) + 1;

		if (!S_ISDIR(list->entries[i].st.st_mode))
			continue;
		if (size > sizeof(ret->names) - ret->len) {
			ret->n = 0;
			return;
		}
		memcpy(ret->names + ret->len, list->entries[i].path, size);
		ret->len += size;
		ret->n++;
	}
}

static int copy_root(int source_fd, int target_fd)
{
	struct stat st;

	return fstat(source_fd, &st) < 0 ? -errno : set_attributes(target_fd, &st);
}

int mirror_update(int source_fd, int target_fd, struct mirror_dirs *ret_dirs, struct err *err)
{
	struct mirror_list list = {.n = 0};
	int r = mirror_scan(source_fd, &list, err);

	if (r < 0)
		return r;
	/* Of one that was killed. */
	(void)!path_remove_tree(target_fd, TEMPORARY);
	r = fail(err, copy_root(source_fd, target_fd), "the directory");
	if (r == 0)
		r = copy_all(source_fd, target_fd, &list, false, err);
	if (r == 0)
		r = copy_all(source_fd, target_fd, &list, true, err);
	if (r == 0)
		r = fail(err, remove_gone(target_fd, "", &list), "what is left");
	if (r < 0)
		(void)!path_remove_tree(target_fd, TEMPORARY);
	else if (ret_dirs)
		list_dirs(&list, ret_dirs);
	mirror_list_fini(&list);
	return r;
}
