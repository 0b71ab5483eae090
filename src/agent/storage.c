/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/storage.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "linux/mount_options.h"
#include "linux/mountfd.h"
#include "wire/status.h"

/* The tag of the sandbox's file share; a guest image may have mounted it before us. */
#define SHARE_TAG "kataShared"

/* The kernel takes one page of data, with its NUL. */
enum { MAX_DATA = 4095 };

static char virtio_fs[] = "virtio-fs", ephemeral[] = "ephemeral";
static char *driver_names[] = {virtio_fs, ephemeral};

char **storage_driver_names(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(driver_names);
	return driver_names;
}

static const char *text(const char *s)
{
	return s ? s : "";
}

static bool is_driver(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(driver_names); i++)
		if (strcmp(driver_names[i], name) == 0)
			return true;
	return false;
}

/* Absolute, without ".." and not "/" itself. */
static bool is_mount_point(const char *path)
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

int storage_check(const Grpc__Storage *s, struct err *err)
{
	const char *driver = text(s->driver), *mount_point = text(s->mount_point);

	if (!is_driver(driver))
		return err_status(err, ENODEV, WIRE_INVALID_ARGUMENT,
			"Failed to find the storage handler %s", driver);
	if (!is_mount_point(mount_point))
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"storage %s: mount point \"%s\" is not an absolute path without \"..\"",
			driver, mount_point);
	if (!*text(s->source) || !*text(s->fstype))
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"storage %s: no source or no file system type", mount_point);
	if (strcmp(s->fstype, "hugetlbfs") == 0)
		return err_status(err, EOPNOTSUPP, WIRE_UNIMPLEMENTED,
			"storage %s: hugetlbfs is not supported yet", mount_point);
	if (s->fs_group)
		return err_status(err, EOPNOTSUPP, WIRE_UNIMPLEMENTED,
			"storage %s: fs_group is not supported yet", mount_point);
	return 0;
}

static bool parse_gid(const char *digits, gid_t *ret)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(digits, &end, 10);
	if (*digits < '0' || *digits > '9' || errno || *end || n >= UINT32_MAX)
		return false;
	*ret = (gid_t)n;
	return true;
}

/*
 * The options without what is for us: "fsgid=N" of the ephemeral driver. Its other options are
 * applied, which upstream's agent fails to do.
 */
static int split_options(const Grpc__Storage *s, struct mount_options *ret, gid_t *ret_gid,
	bool *ret_has_gid, struct err *err)
{
	auto_free char **words = calloc(s->n_options + 1, sizeof(*words));
	size_t n = 0;
	int r;

	if (!words)
		return err_sys(err, ENOMEM, "mount options");
	for (size_t i = 0; i < s->n_options; i++) {
		if (strcmp(s->options[i], "loop") == 0)
			return err_set(err, EINVAL, "mount option loop is not supported");
		if (strncmp(s->options[i], "fsgid=", 6) != 0) {
			words[n++] = s->options[i];
			continue;
		}
		if (!parse_gid(s->options[i] + 6, ret_gid))
			return err_set(err, EINVAL, "%s: not a group id", s->options[i]);
		*ret_has_gid = true;
	}
	r = mount_options_parse(words, n, ret);
	return r < 0 ? err_sys(err, -r, "mount options") : 0;
}

/* An fd of the mount point, made with its parents. */
static int make_mount_point(const char *path, struct err *err)
{
	int r = path_mkdir(path, 0755), fd;

	if (r < 0)
		return err_sys(err, -r, "mkdir %s", path);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(err, errno, "open %s", path) : fd;
}

static bool is_mounted(int fd)
{
	auto_fd int parent = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return parent >= 0 && mountfd_id(parent) != mountfd_id(fd);
}

static int set_group(const char *path, gid_t gid, struct err *err)
{
	struct stat st;

	if (chown(path, (uid_t)-1, gid) < 0 || stat(path, &st) < 0 ||
		chmod(path, (st.st_mode & 07777) | S_ISGID) < 0)
		return err_sys(err, errno, "give %s to group %u", path, (unsigned int)gid);
	return 0;
}

static int mount_with(const Grpc__Storage *s, const struct mount_options *o, struct err *err)
{
	auto_fd int target = make_mount_point(s->mount_point, err);
	int r;

	if (target < 0)
		return target;
	if (strcmp(s->source, SHARE_TAG) == 0 && is_mounted(target))
		return 0;
	if (o->bind || o->remount || o->propagation || o->rec_set || o->rec_clear)
		return err_set(err, EINVAL, "bind, remount and propagation are no options here");
	if (buf_len(&o->data) > MAX_DATA)
		return err_set(err, E2BIG, "more than %d bytes of options", MAX_DATA);
	r = mountfd_mount(s->source, target, s->fstype, o->set, buf_str(&o->data));
	return r < 0 ? err_sys(err, -r, "mount %s of type %s", s->source, s->fstype) : 0;
}

int storage_mount(const Grpc__Storage *s, struct err *err)
{
	struct mount_options options = {0};
	bool has_gid = false;
	gid_t gid = 0;
	int r = split_options(s, &options, &gid, &has_gid, err);

	if (r == 0)
		r = mount_with(s, &options, err);
	mount_options_fini(&options);
	if (r == 0 && has_gid) {
		r = set_group(s->mount_point, gid, err);
		if (r < 0)
			(void)!storage_unmount(s->mount_point, NULL);
	}
	return r < 0 ? err_wrap(err, "storage %s", s->mount_point) : 0;
}

int storage_unmount(const char *mount_point, struct err *err)
{
	int r = mountfd_detach(mount_point);

	/* EINVAL: nothing is mounted there. */
	if (r < 0 && r != -EINVAL && r != -ENOENT)
		return err_sys(err, -r, "unmount %s", mount_point);
	(void)rmdir(mount_point);
	return 0;
}
