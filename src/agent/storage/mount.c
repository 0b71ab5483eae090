/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/storage/mount.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/storage/fs_group.h"
#include "agent/storage/options.h"
#include "agent/storage/place.h"
#include "linux/mountfd.h"
#include "wire/status.h"

/* The tag of the sandbox's file share; a guest image may have mounted it before us. */
#define SHARE_TAG "kataShared"

int storage_check_fs(const Grpc__Storage *s, struct err *err)
{
	if (!s->source || !*s->source || !s->fstype || !*s->fstype)
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"storage %s: no source or no file system type", s->mount_point);
	return 0;
}

/* A copy of the mount at source, which may be a file. */
static int clone_source(const char *source, bool recursive, bool *ret_is_dir, struct err *err)
{
	struct storage_place place = STORAGE_PLACE_INIT;
	struct stat st;
	int r;

	if (!storage_place_is_valid(source))
		return err_set(err, EINVAL, "source \"%s\" is not an absolute path without \"..\"",
			source);
	r = storage_place_open(source, &place, err);
	if (r < 0)
		return r;
	if (place.fd < 0 || fstat(place.fd, &st) < 0) {
		r = err_sys(err, ENOENT, "source %s", source);
	} else {
		*ret_is_dir = S_ISDIR(st.st_mode);
		r = mountfd_clone(place.fd, "", recursive);
		if (r < 0)
			err_sys(err, -r, "copy the mount of %s", source);
	}
	storage_place_fini(&place);
	return r;
}

/* The words that a bind mount can have. */
static int set_attributes(int mount_fd, const struct mount_options *o, struct err *err)
{
	struct mount_attr attr;
	int r = 0;

	if (mount_options_attr(o->set, o->clear, &attr))
		r = mountfd_set(mount_fd, &attr, false);
	if (r == 0 && mount_options_attr(o->rec_set, o->rec_clear, &attr))
		r = mountfd_set(mount_fd, &attr, true);
	return r < 0 ? err_sys(err, -r, "mount attributes") : 0;
}

/* For a mount that is attached: a detached one is not in anybody's way. */
static int set_propagation(int mount_fd, unsigned long propagation, struct err *err)
{
	struct mount_attr attr = {.propagation = propagation & ~(unsigned long)MS_REC};
	int r = propagation ? mountfd_set(mount_fd, &attr, propagation & MS_REC) : 0;

	return r < 0 ? err_sys(err, -r, "mount propagation") : 0;
}

static int give_to_group(
	const Grpc__Storage *s, const struct mount_options *o, int mount_fd, struct err *err)
{
	return s->fs_group ? fs_group_apply(mount_fd, s->fs_group, o->set & MS_RDONLY, err) : 0;
}

/* The group before the attributes: they may make it read-only. */
static int bind_on(const Grpc__Storage *s, const char *source, const struct mount_options *o,
	struct storage_place *place, struct err *err)
{
	bool recursive = o->bind_recursive || !o->bind, is_dir = false;
	auto_fd int mount_fd = clone_source(source, recursive, &is_dir, err);
	int r;

	if (mount_fd < 0)
		return mount_fd;
	if (buf_len(&o->data) > 0)
		return err_set(err, EINVAL, "a bind mount has no option \"%s\"", buf_str(&o->data));
	r = give_to_group(s, o, mount_fd, err);
	if (r == 0)
		r = set_attributes(mount_fd, o, err);
	if (r == 0)
		r = storage_place_make(s->mount_point, !is_dir, place, err);
	if (r < 0)
		return r;
	r = mountfd_attach(mount_fd, place->fd);
	if (r < 0)
		return err_sys(err, -r, "bind %s", source);
	r = set_propagation(mount_fd, o->propagation, err);
	if (r < 0)
		(void)!storage_place_unmount(place);
	return r;
}

static int finish_mount(
	const Grpc__Storage *s, const struct mount_options *o, int mount_fd, struct err *err)
{
	int r = give_to_group(s, o, mount_fd, err);

	return r < 0 ? r : set_propagation(mount_fd, o->propagation, err);
}

static int mount_on(const Grpc__Storage *s, const char *source, const struct mount_options *o,
	struct storage_place *place, struct err *err)
{
	struct storage_place mounted = STORAGE_PLACE_INIT;
	unsigned long flags = (o->set & ~o->rec_clear) | o->rec_set;
	int r = storage_place_make(s->mount_point, false, place, err);

	if (r < 0)
		return r;
	if (strcmp(source, SHARE_TAG) == 0 && storage_place_is_mounted(place))
		return 0;
	r = mountfd_mount(source, place->fd, s->fstype, flags, buf_str(&o->data));
	if (r < 0)
		return err_sys(err, -r, "mount %s of type %s", source, s->fstype);
	r = storage_place_open(s->mount_point, &mounted, err);
	if (r == 0)
		r = finish_mount(s, o, mounted.fd, err);
	if (r < 0)
		(void)!storage_place_unmount(place);
	storage_place_fini(&mounted);
	return r;
}

int storage_mount_fs(const Grpc__Storage *s, const char *source, struct err *err)
{
	struct storage_place place = STORAGE_PLACE_INIT;
	struct mount_options options = {0};
	int r = storage_parse_options(s, &options, err);

	if (r < 0)
		return r;
	if (options.remount)
		r = err_set(err, EINVAL, "remount is no option of a new mount");
	else if (options.bind || strcmp(s->fstype, "bind") == 0)
		r = bind_on(s, source, &options, &place, err);
	else
		r = mount_on(s, source, &options, &place, err);
	if (r < 0)
		storage_place_undo(&place);
	storage_place_fini(&place);
	mount_options_fini(&options);
	return r;
}

static int change(int mount_fd, const struct mount_options *o, struct err *err)
{
	int r;

	if (o->bind || o->propagation)
		return err_set(err, EINVAL, "bind and propagation cannot be changed");
	r = mountfd_reconfigure(mount_fd, buf_str(&o->data));
	return r < 0 ? err_sys(err, -r, "options \"%s\"", buf_str(&o->data))
		     : set_attributes(mount_fd, o, err);
}

int storage_remount(const Grpc__Storage *s, struct err *err)
{
	struct storage_place place = STORAGE_PLACE_INIT;
	struct mount_options options = {0};
	int r = storage_parse_options(s, &options, err);

	if (r < 0)
		return r;
	r = storage_place_open(s->mount_point, &place, err);
	if (r == 0 && (place.fd < 0 || !storage_place_is_mounted(&place)))
		r = err_set(err, EINVAL, "%s is no mount", s->mount_point);
	if (r == 0)
		r = change(place.fd, &options, err);
	storage_place_fini(&place);
	mount_options_fini(&options);
	return r;
}

int storage_unmount_fs(const char *mount_point, struct err *err)
{
	struct storage_place place = STORAGE_PLACE_INIT;
	int r = storage_place_open(mount_point, &place, err);

	if (r < 0)
		return r;
	r = storage_place_unmount(&place);
	if (r < 0)
		err_sys(err, -r, "unmount %s", mount_point);
	else if (place.parent_fd >= 0)
		(void)unlinkat(place.parent_fd, place.name, AT_REMOVEDIR);
	storage_place_fini(&place);
	return r;
}
