/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/storage/place.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/path.h"
#include "linux/mountfd.h"

bool storage_place_is_valid(const char *path)
{
	size_t n_components = 0;

	if (*path != '/')
		return false;
	while (*(path += strspn(path, "/"))) {
		size_t len = strcspn(path, "/");

		if (len == 2 && strncmp(path, "..", 2) == 0)
			return false;
		n_components++;
		path += len;
	}
	return n_components > 0;
}

static int open_here(int dir_fd, const char *name, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_PATH | O_CLOEXEC),
		.resolve = RESOLVE_NO_SYMLINKS,
	};
	long fd = syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

static int make_here(int dir_fd, const char *name, bool is_file)
{
	auto_fd int fd = -1;

	if (!is_file)
		return mkdirat(dir_fd, name, 0755) < 0 ? -errno : 0;
	fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	return fd < 0 ? -errno : 0;
}

/* Cuts the next component off *rest; NULL at the end. */
static const char *next_name(char **rest)
{
	char *name = *rest + strspn(*rest, "/");

	*rest = name + strcspn(name, "/");
	if (**rest)
		*(*rest)++ = '\0';
	*rest += strspn(*rest, "/");
	return *name ? name : NULL;
}

/* Opens the root as what the first component is looked up in. */
static int begin(const char *path, struct storage_place *place)
{
	*place = (struct storage_place)STORAGE_PLACE_INIT;
	place->path = strdup(path);
	if (!place->path)
		return -ENOMEM;
	place->fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return place->fd < 0 ? -errno : 0;
}

static void descend(struct storage_place *place, int fd)
{
	close_fd(place->parent_fd);
	place->parent_fd = place->fd;
	place->fd = fd;
}

static int make(struct storage_place *place, bool is_file)
{
	char *rest = place->path;

	while ((place->name = next_name(&rest))) {
		bool as_file = is_file && !*rest;
		int flags = as_file ? 0 : O_DIRECTORY,
		    fd = open_here(place->fd, place->name, flags);

		place->is_new = false;
		if (fd == -ENOENT) {
			int r = make_here(place->fd, place->name, as_file);

			if (r < 0 && r != -EEXIST)
				return r;
			place->is_new = r == 0;
			fd = open_here(place->fd, place->name, flags);
		}
		if (fd < 0)
			return fd;
		descend(place, fd);
		if (!*rest)
			break;
	}
	return 0;
}

int storage_place_make(const char *path, bool is_file, struct storage_place *ret, struct err *err)
{
	struct storage_place place;
	int r = begin(path, &place);

	if (r == 0)
		r = make(&place, is_file);
	if (r < 0) {
		storage_place_fini(&place);
		return err_sys(err, -r, "make %s", path);
	}
	*ret = place;
	return 0;
}

static int find(struct storage_place *place)
{
	char *rest = place->path;

	while ((place->name = next_name(&rest))) {
		int fd = open_here(place->fd, place->name, *rest ? O_DIRECTORY : 0);

		if (fd < 0 && (fd != -ENOENT || *rest)) {
			close_fd(take_fd(&place->fd));
			close_fd(take_fd(&place->parent_fd));
			return fd == -ENOENT ? 0 : fd;
		}
		descend(place, fd < 0 ? -1 : fd);
		if (!*rest)
			break;
	}
	return 0;
}

int storage_place_open(const char *path, struct storage_place *ret, struct err *err)
{
	struct storage_place place;
	int r = begin(path, &place);

	if (r == 0)
		r = find(&place);
	if (r < 0) {
		storage_place_fini(&place);
		return err_sys(err, -r, "open %s", path);
	}
	*ret = place;
	return 0;
}

int storage_lock(const char *dir, struct err *err)
{
	auto_fd int fd = -1;
	int r = path_mkdir(dir, 0711);

	if (r < 0)
		return err_sys(err, -r, "mkdir %s", dir);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return err_sys(err, errno, "lock %s", dir);
	return take_fd(&fd);
}

void storage_place_fini(struct storage_place *place)
{
	close_fd(place->fd);
	close_fd(place->parent_fd);
	free(place->path);
	*place = (struct storage_place)STORAGE_PLACE_INIT;
}

void storage_place_undo(struct storage_place *place)
{
	if (place->is_new && unlinkat(place->parent_fd, place->name, AT_REMOVEDIR) < 0)
		(void)unlinkat(place->parent_fd, place->name, 0);
	place->is_new = false;
}

bool storage_place_is_mounted(const struct storage_place *place)
{
	return mountfd_id(place->parent_fd) != mountfd_id(place->fd);
}

int storage_place_unmount(const struct storage_place *place)
{
	char parent[PATH_FD_SIZE], path[PATH_FD_SIZE + NAME_MAX + 2];
	int r;

	if (place->fd < 0)
		return 0;
	snprintf(path, sizeof(path), "%s/%s", path_of_fd(place->parent_fd, parent), place->name);
	r = mountfd_detach(path);
	/* EINVAL: nothing is mounted there. */
	return r == -EINVAL || r == -ENOENT ? 0 : r;
}
