/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/copy_file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "agent/copy_path.h"
#include "base/io.h"
#include "base/path.h"
#include "base/slice.h"
#include "wire/status.h"

struct copy {
	const Grpc__CopyFileRequest *request;
	const char *path; /* the request's */
	mode_t type;	  /* S_IFREG, S_IFDIR or S_IFLNK */
	struct copy_path at;
	int dir_fd; /* of at.dir */
};

static int refuse(struct err *err, const char *path, const char *why)
{
	return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT, "%.512s: %s", path, why);
}

static int check_size(const struct copy *c, struct err *err)
{
	const Grpc__CopyFileRequest *r = c->request;

	if (r->file_size < 0 || r->offset < 0)
		return refuse(err, c->path, "a negative size or offset");
	if (c->type != S_IFREG)
		return r->offset == 0 ? 0 : refuse(err, c->path, "only files come in chunks");
	/* In this order nothing overflows. */
	if (r->offset > r->file_size ||
		(uint64_t)(r->file_size - r->offset) < (uint64_t)r->data.len)
		return refuse(err, c->path, "the chunk reaches past the size");
	return 0;
}

static int check_link(const struct copy *c, struct err *err)
{
	ProtobufCBinaryData data = c->request->data;

	if (data.len == 0 || data.len >= PATH_MAX || memchr(data.data, '\0', data.len))
		return refuse(err, c->path, "not the target of a link");
	return 0;
}

static int check(
	const char *base, const Grpc__CopyFileRequest *r, struct copy *ret, struct err *err)
{
	const char *path = r->path ? r->path : "";
	int result;

	*ret = (struct copy){
		.request = r, .path = path, .type = r->file_mode & S_IFMT, .dir_fd = -1};
	if (ret->type == 0)
		ret->type = S_IFREG;
	result = copy_path_parse(base, path, &ret->at, err);
	if (result < 0)
		return result;
	if (r->file_mode & ~(uint32_t)(S_IFMT | 07777))
		return refuse(err, path, "not a mode");
	if (ret->type != S_IFREG && ret->type != S_IFDIR && ret->type != S_IFLNK)
		return refuse(err, path, "neither a file, a directory nor a link");
	if (r->uid == -1 || r->gid == -1)
		return refuse(err, path, "-1 is nobody");
	if (ret->type == S_IFLNK) {
		result = check_link(ret, err);
		if (result < 0)
			return result;
	}
	return check_size(ret, err);
}

int copy_file_check(const char *base, const Grpc__CopyFileRequest *request, struct err *err)
{
	struct copy c;

	return check(base, request, &c, err);
}

/* Owner first: a change of it takes setuid and setgid away. */
static int give(const struct copy *c, int fd, struct err *err)
{
	if (fchown(fd, (uid_t)c->request->uid, (gid_t)c->request->gid) < 0)
		return err_sys(err, errno, "chown %s", c->path);
	if (fchmod(fd, c->request->file_mode & 07777) < 0)
		return err_sys(err, errno, "chmod %s", c->path);
	return 0;
}

static int clear_temp(const struct copy *c, struct err *err)
{
	int r = path_remove_tree(c->dir_fd, c->at.temp);

	return r < 0 ? err_sys(err, -r, "%s: remove what an earlier copy left", c->path) : 0;
}

/* A rename does not put files and directories over each other. Exchanged, so that there is no moment
 * without either. */
static int replace_other(const struct copy *c, struct err *err)
{
	int r;

	/* musl 1.2.3 has no wrapper. */
	if (syscall(SYS_renameat2, c->dir_fd, c->at.temp, c->dir_fd, c->at.name, RENAME_EXCHANGE) <
		0)
		return err_sys(err, errno, "replace %s", c->path);
	r = path_remove_tree(c->dir_fd, c->at.temp);
	if (r == 0)
		return 0;
	/* Something is mounted in it. */
	(void)syscall(SYS_renameat2, c->dir_fd, c->at.temp, c->dir_fd, c->at.name, RENAME_EXCHANGE);
	return err_sys(err, -r, "replace %s", c->path);
}

/* Moves what has been made to its place. */
static int place(const struct copy *c, struct err *err)
{
	if (renameat(c->dir_fd, c->at.temp, c->dir_fd, c->at.name) == 0)
		return 0;
	if (errno == EISDIR || errno == ENOTDIR)
		return replace_other(c, err);
	return err_sys(err, errno, "put %s in its place", c->path);
}

static int make_directory(const struct copy *c, struct err *err)
{
	auto_fd int fd = -1;
	int r = clear_temp(c, err);

	if (r < 0)
		return r;
	if (mkdirat(c->dir_fd, c->at.temp, 0700) < 0)
		return err_sys(err, errno, "mkdir %s", c->path);
	fd = openat(c->dir_fd, c->at.temp, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, errno, "open %s", c->path);
	r = give(c, fd, err);
	return r < 0 ? r : place(c, err);
}

static int put_directory(const struct copy *c, struct err *err)
{
	auto_fd int fd =
		openat(c->dir_fd, c->at.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0)
		return give(c, fd, err);
	if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
		return err_sys(err, errno, "open %s", c->path);
	return make_directory(c, err);
}

static int put_link(const struct copy *c, struct err *err)
{
	ProtobufCBinaryData data = c->request->data;
	auto_free char *target = NULL;
	int r = slice_to_cstr(slice_of(data.data, data.len), PATH_MAX - 1, &target);

	if (r < 0)
		return err_sys(err, -r, "link %s", c->path);
	r = clear_temp(c, err);
	if (r < 0)
		return r;
	if (symlinkat(target, c->dir_fd, c->at.temp) < 0)
		return err_sys(err, errno, "link %s", c->path);
	if (fchownat(c->dir_fd, c->at.temp, (uid_t)c->request->uid, (gid_t)c->request->gid,
		    AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, errno, "chown %s", c->path);
	return place(c, err);
}

/* What the chunks before have made; nobody but us may have made it. */
static int open_started(const struct copy *c, struct err *err)
{
	auto_fd int fd =
		openat(c->dir_fd, c->at.temp, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return refuse(err, c->path, "a chunk without one before it");
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, errno, "open the parts of %s", c->path);
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
		return err_set(err, EEXIST, "%s: its parts are no longer ours", c->path);
	if (st.st_size < c->request->offset)
		return refuse(err, c->path, "a chunk is missing before this one");
	return take_fd(&fd);
}

static int open_temp(const struct copy *c, struct err *err)
{
	int r, fd;

	if (c->request->offset > 0)
		return open_started(c, err);
	r = clear_temp(c, err);
	if (r < 0)
		return r;
	fd = openat(
		c->dir_fd, c->at.temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? err_sys(err, errno, "create %s", c->path) : fd;
}

static int put_chunk(const struct copy *c, struct err *err)
{
	const Grpc__CopyFileRequest *request = c->request;
	auto_fd int fd = open_temp(c, err);
	struct stat st;
	int r;

	if (fd < 0)
		return fd;
	if (lseek(fd, request->offset, SEEK_SET) < 0)
		return err_sys(err, errno, "seek in %s", c->path);
	r = io_write_full(fd, request->data.data, request->data.len);
	if (r < 0)
		return err_sys(err, -r, "write %s", c->path);
	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "stat %s", c->path);
	if (st.st_size < request->file_size)
		return 0;
	if (st.st_size > request->file_size)
		return refuse(err, c->path, "earlier chunks were of a larger file");
	r = give(c, fd, err);
	return r < 0 ? r : place(c, err);
}

static int put_in_place(const struct copy *c, struct err *err)
{
	switch (c->type) {
	case S_IFDIR:
		return put_directory(c, err);
	case S_IFLNK:
		return put_link(c, err);
	default:
		return put_chunk(c, err);
	}
}

static int chown_dir(const struct copy *c, uid_t uid, gid_t gid)
{
	/* The base is everybody's. */
	if (!*c->at.dir)
		return 0;
	return fchownat(c->dir_fd, "", uid, gid, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

static int put(const struct copy *c, struct err *err)
{
	struct stat before;
	int r;

	if (fstatat(c->dir_fd, "", &before, AT_EMPTY_PATH) < 0)
		return err_sys(err, errno, "stat the directory of %s", c->path);
	r = chown_dir(c, (uid_t)c->request->uid, (gid_t)c->request->gid);
	if (r < 0)
		return err_sys(err, -r, "chown the directory of %s", c->path);
	r = put_in_place(c, err);
	if (r < 0) {
		(void)!path_remove_tree(c->dir_fd, c->at.temp);
		(void)!chown_dir(c, before.st_uid, before.st_gid);
	}
	return r;
}

/* How much of the path is there: its length up to a "/" or its end. */
static size_t existing_len(int base_fd, const char *dir)
{
	auto_free char *prefix = strdup(dir);
	size_t len = strlen(dir);

	if (!prefix)
		return len;
	while (len > 0) {
		auto_fd int fd = path_open_in_root(base_fd, prefix, O_PATH, 0);

		if (fd != -ENOENT)
			break;
		while (len > 0 && prefix[--len] != '/')
			;
		prefix[len] = '\0';
	}
	return len;
}

/* The directories that were made for nothing. Those that others use by now are not empty. */
static void remove_new(int base_fd, const char *dir, size_t existing)
{
	auto_free char *prefix = strdup(dir);

	for (size_t len = strlen(dir); prefix && len > existing;) {
		const char *slash = strrchr(prefix, '/');
		size_t up = slash ? (size_t)(slash - prefix) : 0;
		auto_free char *parent = strndup(prefix, up);
		auto_fd int fd =
			parent ? path_open_in_root(base_fd, parent, O_PATH | O_DIRECTORY, 0)
			       : -ENOMEM;

		if (fd < 0 || unlinkat(fd, slash ? slash + 1 : prefix, AT_REMOVEDIR) < 0)
			return;
		prefix[len = up] = '\0';
	}
}

static int open_base(const char *base, struct err *err)
{
	int r = path_mkdir(base, 0755), fd;

	if (r < 0)
		return err_sys(err, -r, "mkdir %s", base);
	fd = open(base, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? err_sys(err, errno, "open %s", base) : fd;
}

static int copy_below(int base_fd, struct copy *c, struct err *err)
{
	size_t existing = existing_len(base_fd, c->at.dir);
	int r;

	c->dir_fd = path_mkdir_in_root(base_fd, c->at.dir, c->request->dir_mode & 0777);
	if (c->dir_fd < 0)
		r = err_sys(err, -c->dir_fd, "mkdir for %s", c->path);
	else
		r = put(c, err);
	if (r < 0)
		remove_new(base_fd, c->at.dir, existing);
	close_fd(take_fd(&c->dir_fd));
	return r;
}

int copy_file(const char *base, const Grpc__CopyFileRequest *request, struct err *err)
{
	auto_fd int base_fd = -1;
	struct copy c;
	mode_t mask;
	int r = check(base, request, &c, err);

	if (r < 0)
		return r;
	mask = umask(0);
	base_fd = open_base(base, err);
	r = base_fd < 0 ? base_fd : copy_below(base_fd, &c, err);
	(void)umask(mask);
	return r;
}
