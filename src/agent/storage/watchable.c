/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/storage/watchable.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "agent/rpc.h"
#include "agent/storage/driver.h"
#include "agent/storage/mount.h"
#include "agent/storage/place.h"
#include "base/path.h"
#include "linux/mountfd.h"
#include "wire/status.h"

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

/* A source that changes while it is first copied is soon at rest. */
enum { MAX_TRIES = 10 };

/* Opens what is at an O_PATH fd again, to be read and locked. */
static int reopen_dir(int fd)
{
	int dir = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dir < 0 ? -errno : dir;
}

static int open_locked(int fd)
{
	int dir = reopen_dir(fd);

	if (dir >= 0 && flock(dir, LOCK_EX) < 0) {
		close_fd(dir);
		return -errno;
	}
	return dir;
}

/* The next component of *path, skipping it; its length, 0 at the end. */
static size_t next(const char **path, const char **ret_name)
{
	size_t len;

	*ret_name = *path + strspn(*path, "/");
	len = strcspn(*ret_name, "/");
	*path = *ret_name + len;
	return len;
}

/* Moves *path behind prefix, component by component; leaves it if it does not begin so. */
static bool skip(const char **path, const char *prefix)
{
	const char *at = *path, *name, *wanted;
	size_t len;

	while ((len = next(&prefix, &wanted)) > 0)
		if (next(&at, &name) != len || memcmp(name, wanted, len) != 0)
			return false;
	*path = at;
	return true;
}

/* "/run/user/UID" of a host without root: not 0, and as numbers are written. */
static bool skip_user(const char **path)
{
	const char *at = *path, *digits;
	size_t len;

	if (!skip(&at, "/run/user"))
		return false;
	len = next(&at, &digits);
	if (len == 0 || len > 10 || *digits == '0' || strspn(digits, "0123456789") != len ||
		strtoull(digits, NULL, 10) >= UINT32_MAX)
		return false;
	*path = at;
	return true;
}

size_t watchable_parent_len(const char *path, const char *run_dir)
{
	const char *at = path, *name, *end;
	size_t len;

	if (*path != '/')
		return 0;
	if (!skip(&at, run_dir) && (!skip_user(&at) || !skip(&at, run_dir)))
		return 0;
	if (!skip(&at, "shared/containers"))
		return 0;
	(void)skip(&at, "passthrough");
	if (!skip(&at, "watchable"))
		return 0;
	end = at;
	len = next(&at, &name);
	if (len == 0 || (len == 1 && *name == '.') || (len == 2 && memcmp(name, "..", 2) == 0))
		return 0;
	return next(&at, &name) == 0 ? (size_t)(end - path) : 0;
}

static int check(const Grpc__Storage *s, const struct storage_owner *owner, struct err *err)
{
	if (!owner->container_id)
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"storage %s: a watchable mount needs a container", s->mount_point);
	if (!watchable_parent_len(s->mount_point, owner->run_dir))
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"storage %s: not where watchable mounts may be", s->mount_point);
	if (!storage_place_is_valid(rpc_str(s->source)))
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"storage %s: source \"%s\" is not an absolute path without \"..\"",
			s->mount_point, rpc_str(s->source));
	return 0;
}

/* All copies of a sandbox have one parent; the path of each has been checked. */
static bool excludes(const char *mount_point, const char *other, const struct storage_owner *owner)
{
	auto_free char *parent = strndup(other, watchable_parent_len(other, owner->run_dir));
	const char *at = mount_point, *name;

	return !parent || !skip(&at, parent) || next(&at, &name) == 0 || next(&at, &name) > 0;
}

static char *parent_of(const char *mount_point, const struct storage_owner *owner)
{
	return strndup(mount_point, watchable_parent_len(mount_point, owner->run_dir));
}

/* Only for who holds the lock of the run directory. */
static int mount_parent(const char *path, struct err *err)
{
	struct storage_place parent = STORAGE_PLACE_INIT;
	int r = storage_place_make(path, false, &parent, err);

	if (r == 0 && !storage_place_is_mounted(&parent)) {
		r = mountfd_mount(
			"kataWatchable", parent.fd, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755");
		if (r < 0)
			err_sys(err, -r, "mount a tmpfs on %s", path);
	}
	if (r < 0)
		storage_place_undo(&parent);
	storage_place_fini(&parent);
	return r;
}

/* Detached when nothing stands in it any more. */
static void unmount_parent(const char *path)
{
	struct storage_place parent = STORAGE_PLACE_INIT;
	bool is_empty = true;
	struct dirent *entry;
	DIR *dir = NULL;
	int fd = -1;

	if (storage_place_open(path, &parent, NULL) == 0 && parent.fd >= 0 &&
		storage_place_is_mounted(&parent))
		fd = reopen_dir(parent.fd);
	if (fd >= 0)
		dir = fdopendir(fd);
	while (dir && (entry = readdir(dir)))
		is_empty &= strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	if (dir && is_empty)
		(void)!storage_place_unmount(&parent);
	if (dir)
		closedir(dir);
	else
		close_fd(fd);
	storage_place_fini(&parent);
}

static int bind(const char *source, const char *target, struct err *err)
{
	union {
		const char *in;
		char *out;
	} from = {.in = source}, to = {.in = target};
	static char type[] = "bind";
	Grpc__Storage s = GRPC__STORAGE__INIT;

	s.source = from.out;
	s.mount_point = to.out;
	s.fstype = type;
	return storage_mount_fs(&s, source, err);
}

static bool has_inotify(int fd)
{
	static const uint32_t types[] = {
		TMPFS_MAGIC, RAMFS_MAGIC, EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC};
	struct statfs fs;

	for (size_t i = 0; fstatfs(fd, &fs) == 0 && i < ARRAY_SIZE(types); i++)
		if ((uint32_t)fs.f_type == types[i])
			return true;
	return false;
}

/* Copies into the open directory target_fd, or binds over it. */
static int update(const char *source, const char *target, int target_fd, enum watchable_result *ret,
	struct mirror_dirs *dirs, struct err *err)
{
	struct storage_place from = STORAGE_PLACE_INIT;
	auto_fd int source_fd = -1;
	struct err why = ERR_INIT;
	int r = storage_place_open(source, &from, err);

	if (r < 0)
		return r;
	source_fd = from.fd < 0 ? -ENOENT : reopen_dir(from.fd);
	storage_place_fini(&from);
	if (source_fd == -ENOTDIR)
		return err_set(err, ENOTDIR, "%s is no directory", source);
	if (source_fd < 0)
		return err_sys(err, -source_fd, "open %s", source);
	r = mirror_update(source_fd, target_fd, dirs, &why);
	if (r == -EFBIG) {
		r = bind(source, target, err);
		if (r == 0)
			*ret = WATCHABLE_BOUND;
		return r;
	}
	if (r < 0)
		return err_copy(err, &why);
	*ret = has_inotify(source_fd) && dirs->n > 0 ? WATCHABLE_NOTIFIES : WATCHABLE_COPIED;
	return 0;
}

int watchable_update(const char *source, const char *target, enum watchable_result *ret,
	struct mirror_dirs *ret_dirs, struct err *err)
{
	struct storage_place place = STORAGE_PLACE_INIT;
	auto_fd int fd = -1;
	int r = storage_place_open(target, &place, err);

	if (r < 0)
		return r;
	if (place.fd < 0) {
		*ret = WATCHABLE_NONE;
	} else if (storage_place_is_mounted(&place)) {
		*ret = WATCHABLE_BOUND;
	} else {
		fd = open_locked(place.fd);
		r = fd < 0 ? err_sys(err, -fd, "lock %s", target)
			   : update(source, target, fd, ret, ret_dirs, err);
	}
	storage_place_fini(&place);
	return r;
}

/* A file is bound: who reads it by its name would not see another one take its place. */
static bool is_file(const char *source)
{
	struct storage_place from = STORAGE_PLACE_INIT;
	struct stat st = {0};
	bool result = storage_place_open(source, &from, NULL) == 0 && from.fd >= 0 &&
		      fstat(from.fd, &st) == 0 && S_ISREG(st.st_mode);

	storage_place_fini(&from);
	return result;
}

static int make_copy(const Grpc__Storage *s, struct err *err)
{
	struct storage_place place = STORAGE_PLACE_INIT;
	enum watchable_result result;
	struct mirror_dirs dirs;
	struct err why = ERR_INIT;
	int r = storage_place_make(s->mount_point, false, &place, err);

	if (r < 0)
		return r;
	r = -EAGAIN;
	for (int i = 0; i < MAX_TRIES && r == -EAGAIN; i++) {
		why = (struct err)ERR_INIT;
		r = watchable_update(s->source, s->mount_point, &result, &dirs, &why);
	}
	if (r < 0) {
		(void)!path_remove_tree(place.parent_fd, place.name);
		err_copy(err, &why);
	}
	storage_place_fini(&place);
	return r;
}

static int mount_copy(const Grpc__Storage *s, const struct storage_owner *owner, struct err *err)
{
	auto_free char *parent = parent_of(s->mount_point, owner);
	auto_fd int lock_fd = storage_lock(owner->run_dir, err);
	int r;

	if (lock_fd < 0)
		return lock_fd;
	if (!parent)
		return err_sys(err, ENOMEM, "watchable mount");
	r = mount_parent(parent, err);
	if (r == 0)
		r = is_file(s->source) ? bind(s->source, s->mount_point, err) : make_copy(s, err);
	if (r < 0)
		unmount_parent(parent);
	return r;
}

/* A job that updates it may be at work. */
static int remove_copy(const struct storage_place *place, const char *mount_point, struct err *err)
{
	auto_fd int fd = -1;
	int r = storage_place_unmount(place);

	if (r == 0 && place->fd >= 0 && !storage_place_is_mounted(place))
		fd = open_locked(place->fd);
	if (r == 0 && place->parent_fd >= 0)
		r = path_remove_tree(place->parent_fd, place->name);
	return r < 0 ? err_sys(err, -r, "remove %s", mount_point) : 0;
}

static int unmount(const char *mount_point, const struct storage_owner *owner, struct err *err)
{
	auto_free char *parent = parent_of(mount_point, owner);
	struct storage_place place = STORAGE_PLACE_INIT;
	auto_fd int lock_fd = storage_lock(owner->run_dir, err);
	int r = lock_fd;

	if (lock_fd < 0)
		return lock_fd;
	if (!parent)
		return err_sys(err, ENOMEM, "watchable mount");
	r = storage_place_open(mount_point, &place, err);
	if (r == 0)
		r = remove_copy(&place, mount_point, err);
	storage_place_fini(&place);
	if (r == 0)
		unmount_parent(parent);
	return r;
}

const struct storage_driver storage_watchable = {
	.name = "watchable-bind",
	.check = check,
	.excludes = excludes,
	.mount = mount_copy,
	.unmount = unmount,
};
