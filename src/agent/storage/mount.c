/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/storage/mount.h"

#include <fcntl.h>
#include <string.h>

#include "agent/storage/place.h"
#include "linux/mount_options.h"
#include "linux/mountfd.h"
#include "wire/status.h"

/* The tag of the sandbox's file share; a guest image may have mounted it before us. */
#define SHARE_TAG "kataShared"

/* The kernel takes one page of data, with its NUL. */
enum { MAX_DATA = 4095 };

int storage_check_fs(const Grpc__Storage *s, struct err *err)
{
	if (!s->source || !*s->source || !s->fstype || !*s->fstype)
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"storage %s: no source or no file system type", s->mount_point);
	return 0;
}

int storage_parse_gid(const char *option, gid_t *ret, struct err *err)
{
	const char *digits = option + strlen("fsgid=");
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(digits, &end, 10);
	if (*digits < '0' || *digits > '9' || errno || *end || n >= UINT32_MAX)
		return err_set(err, EINVAL, "%s: not a group id", option);
	*ret = (gid_t)n;
	return 0;
}

/* What hosts tell the agent in options, and no file system knows. */
static bool is_for_agent(const char *option)
{
	static const char *const prefixes[] = {"X-kata.", "io.katacontainers.", "fsgid="};

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (strncmp(option, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

static int parse_options(const Grpc__Storage *s, struct mount_options *ret, struct err *err)
{
	auto_free char **words = calloc(s->n_options + 1, sizeof(*words));
	size_t n = 0;
	int r;

	if (!words)
		return err_sys(err, ENOMEM, "mount options");
	for (size_t i = 0; i < s->n_options; i++) {
		if (strcmp(s->options[i], "loop") == 0)
			return err_set(err, EINVAL, "mount option loop is not supported");
		if (!is_for_agent(s->options[i]))
			words[n++] = s->options[i];
	}
	r = mount_options_parse(words, n, ret);
	return r < 0 ? err_sys(err, -r, "mount options") : 0;
}

static int mount_on(const Grpc__Storage *s, const char *source, const struct mount_options *o,
	int target, struct err *err)
{
	int r;

	if (o->bind || o->remount || o->propagation || o->rec_set || o->rec_clear)
		return err_set(err, EINVAL, "bind, remount and propagation are no options here");
	if (buf_len(&o->data) > MAX_DATA)
		return err_set(err, E2BIG, "more than %d bytes of options", MAX_DATA);
	r = mountfd_mount(source, target, s->fstype, o->set, buf_str(&o->data));
	return r < 0 ? err_sys(err, -r, "mount %s of type %s", source, s->fstype) : 0;
}

int storage_mount_fs(const Grpc__Storage *s, const char *source, struct err *err)
{
	struct storage_place place = STORAGE_PLACE_INIT;
	struct mount_options options = {0};
	int r = parse_options(s, &options, err);

	if (r < 0)
		return r;
	r = storage_place_make(s->mount_point, false, &place, err);
	if (r == 0 && (strcmp(source, SHARE_TAG) != 0 || !storage_place_is_mounted(&place)))
		r = mount_on(s, source, &options, place.fd, err);
	if (r < 0)
		storage_place_undo(&place);
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
