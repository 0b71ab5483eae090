/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An overlay of directories that the host names in the options. With the option
 * OVERLAY_RW it gets a writable layer of its own in the bundle of the container, with which that
 * goes; such a one is its container's alone.
 */
#include <stdio.h>
#include <string.h>

#include "agent/storage/driver.h"
#include "agent/storage/mount.h"
#include "agent/storage/options.h"
#include "agent/storage/place.h"
#include "wire/status.h"

#define OVERLAY_RW "io.katacontainers.fs-opt.overlay-rw"
#define CREATE_DIRECTORY "io.katacontainers.volume.overlayfs.create_directory="

static bool is_writable(const Grpc__Storage *s)
{
	return storage_has_option(s, OVERLAY_RW);
}

static int check(const Grpc__Storage *s, const struct storage_owner *owner, struct err *err)
{
	bool is_rw = is_writable(s);

	if (!is_rw && (!s->fstype || !*s->fstype))
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"storage %s: no file system type", s->mount_point);
	if (is_rw && !owner->container_id)
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"storage %s: a writable overlay needs a container", s->mount_point);
	/* It would be cut there. */
	if (is_rw && strpbrk(owner->run_dir, ",:\\"))
		return err_set(err, EINVAL, "storage %s: no overlay below %s", s->mount_point,
			owner->run_dir);
	for (size_t i = 0; i < s->n_driver_options; i++) {
		const char *option = s->driver_options[i];

		if (strncmp(option, CREATE_DIRECTORY, strlen(CREATE_DIRECTORY)) == 0 &&
			!storage_place_is_valid(option + strlen(CREATE_DIRECTORY)))
			return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
				"storage %s: %s: not an absolute path without \"..\"",
				s->mount_point, option);
	}
	return 0;
}

static int make_directory(const char *path, struct err *err)
{
	struct storage_place place = STORAGE_PLACE_INIT;
	int r = storage_place_make(path, false, &place, err);

	storage_place_fini(&place);
	return r;
}

static int make_directories(const Grpc__Storage *s, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < s->n_driver_options && r == 0; i++)
		if (strncmp(s->driver_options[i], CREATE_DIRECTORY, strlen(CREATE_DIRECTORY)) == 0)
			r = make_directory(s->driver_options[i] + strlen(CREATE_DIRECTORY), err);
	return r;
}

/* Makes the directory in the bundle, and the option that names it; ret is owned. */
static int make_layer(const struct storage_owner *owner, const char *option, const char *name,
	char **ret, struct err *err)
{
	auto_free char *text = NULL;
	int r;

	if (asprintf(&text, "%s=%s/%s/%s", option, owner->run_dir, owner->container_id, name) < 0) {
		text = NULL;
		return err_sys(err, ENOMEM, "overlay");
	}
	r = make_directory(text + strlen(option) + 1, err);
	if (r == 0)
		*ret = take_ptr(&text);
	return r;
}

static int mount_writable(Grpc__Storage *s, const struct storage_owner *owner, struct err *err)
{
	static char overlay[] = "overlay";
	auto_free char **options = calloc(s->n_options + 2, sizeof(*options));
	auto_free char *upper = NULL, *work = NULL;
	int r;

	if (!options)
		return err_sys(err, ENOMEM, "overlay");
	r = make_layer(owner, "upperdir", "upper", &upper, err);
	if (r == 0)
		r = make_layer(owner, "workdir", "work", &work, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < s->n_options; i++)
		options[i] = s->options[i];
	options[s->n_options] = upper;
	options[s->n_options + 1] = work;
	s->options = options;
	s->n_options += 2;
	s->fstype = overlay;
	return storage_mount_fs(s, s->source, err);
}

static int mount_overlay(const Grpc__Storage *s, const struct storage_owner *owner, struct err *err)
{
	static char name[] = "overlay";
	Grpc__Storage copy = *s;
	int r = make_directories(s, err);

	if (r < 0)
		return r;
	/* Nobody looks for it; mount(2) wants one. */
	if (!copy.source || !*copy.source)
		copy.source = name;
	return is_writable(s) ? mount_writable(&copy, owner, err)
			      : storage_mount_fs(&copy, copy.source, err);
}

const struct storage_driver storage_overlayfs = {
	.name = "overlayfs",
	.check = check,
	.mount = mount_overlay,
	.is_private = is_writable,
};
