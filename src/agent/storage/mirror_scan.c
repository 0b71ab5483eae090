/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/storage/mirror_scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

/* Changes come seconds apart; who sees one goes over it once or twice more. */
enum { MAX_TRIES = 5, PATH_SIZE = 1024 };

int mirror_open(int dir_fd, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	long fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

void mirror_list_fini(struct mirror_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		free(list->entries[i].path);
		free(list->entries[i].link);
	}
	*list = (struct mirror_list){.n = 0};
}

const struct mirror_entry *mirror_find(const struct mirror_list *list, const char *path)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->entries[i].path, path) == 0)
			return &list->entries[i];
	return NULL;
}

bool mirror_is_same(const struct stat *a, const struct stat *b)
{
	if (a->st_mode != b->st_mode || a->st_uid != b->st_uid || a->st_gid != b->st_gid)
		return false;
	if (!S_ISREG(a->st_mode))
		return true;
	return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static bool is_same_list(const struct mirror_list *a, const struct mirror_list *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		const struct mirror_entry *x = &a->entries[i], *y = &b->entries[i];

		if (strcmp(x->path, y->path) != 0 || x->st.st_ino != y->st.st_ino ||
			!mirror_is_same(&x->st, &y->st) || !x->link != !y->link ||
			(x->link && strcmp(x->link, y->link) != 0))
			return false;
	}
	return true;
}

static int read_link(int dir_fd, const char *name, char **ret)
{
	char text[PATH_MAX];
	ssize_t n = readlinkat(dir_fd, name, text, sizeof(text) - 1);

	if (n < 0)
		return -errno;
	*ret = strndup(text, (size_t)n);
	return *ret ? 0 : -ENOMEM;
}

/* Counts it against the limits. */
static int account(struct mirror_list *list, const struct stat *st)
{
	if (S_ISDIR(st->st_mode))
		return ++list->n_dirs >= MIRROR_MAX_DIRS ? -EFBIG : 0;
	if (list->n - list->n_dirs >= MIRROR_MAX_FILES)
		return -EFBIG;
	if (S_ISREG(st->st_mode) &&
		((uint64_t)st->st_size > MIRROR_MAX_SIZE ||
			(list->size += (uint64_t)st->st_size) > MIRROR_MAX_SIZE))
		return -EFBIG;
	return 0;
}

static int scan_dir(int root_fd, const char *path, int depth, struct mirror_list *list);

static int scan_entry(int root_fd, int dir_fd, const char *dir, const char *name, int depth,
	struct mirror_list *list)
{
	struct mirror_entry entry = {.path = NULL};
	char path[PATH_SIZE];
	int r;

	if (snprintf(path, sizeof(path), "%s%s%s", dir, *dir ? "/" : "", name) >= (int)sizeof(path))
		return -EFBIG;
	if (fstatat(dir_fd, name, &entry.st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? -EAGAIN : -errno;
	if (!S_ISDIR(entry.st.st_mode) && !S_ISREG(entry.st.st_mode) && !S_ISLNK(entry.st.st_mode))
		return 0;
	r = account(list, &entry.st);
	if (r < 0)
		return r;
	if (S_ISLNK(entry.st.st_mode))
		r = read_link(dir_fd, name, &entry.link);
	entry.path = strdup(path);
	if (r < 0 || !entry.path) {
		free(entry.path);
		free(entry.link);
		return r == -ENOENT || r == -EINVAL ? -EAGAIN : r < 0 ? r : -ENOMEM;
	}
	list->entries[list->n++] = entry;
	return S_ISDIR(entry.st.st_mode) ? scan_dir(root_fd, path, depth + 1, list) : 0;
}

static int scan_dir(int root_fd, const char *path, int depth, struct mirror_list *list)
{
	int fd = depth > MIRROR_MAX_DEPTH
			 ? -EFBIG
			 : mirror_open(root_fd, *path ? path : ".", O_RDONLY | O_DIRECTORY);
	struct dirent *entry;
	DIR *dir;
	int r = 0;

	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP ? -EAGAIN : fd;
	dir = fdopendir(fd);
	if (!dir) {
		close_fd(fd);
		return -errno;
	}
	while (r == 0 && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = scan_entry(root_fd, dirfd(dir), path, entry->d_name, depth, list);
	closedir(dir);
	return r;
}

static int compare(const void *a, const void *b)
{
	const struct mirror_entry *x = a, *y = b;

	return strcmp(x->path, y->path);
}

/* ret: an empty one, which it stays on failure. */
static int scan_once(int root_fd, struct mirror_list *ret)
{
	int r = scan_dir(root_fd, "", 0, ret);

	if (r < 0)
		mirror_list_fini(ret);
	else
		qsort(ret->entries, ret->n, sizeof(ret->entries[0]), compare);
	return r;
}

int mirror_scan(int root_fd, struct mirror_list *ret, struct err *err)
{
	struct mirror_list last = {.n = 0};
	bool has_last = false;
	int r = -EAGAIN;

	for (int i = 0; i < MAX_TRIES && (r == -EAGAIN || r == 0); i++) {
		struct mirror_list list = {.n = 0};

		r = scan_once(root_fd, &list);
		if (r == 0 && has_last && is_same_list(&last, &list)) {
			mirror_list_fini(&last);
			*ret = list;
			return 0;
		}
		mirror_list_fini(&last);
		last = list;
		has_last = r == 0;
	}
	mirror_list_fini(&last);
	return err_sys(err, r < 0 ? -r : EAGAIN, "read the source");
}
