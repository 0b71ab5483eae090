/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/storage/multi_layer.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "agent/rpc.h"
#include "agent/storage/mount.h"
#include "agent/storage/options.h"
#include "agent/storage/place.h"
#include "base/buf.h"
#include "base/path.h"
#include "linux/mountfd.h"
#include "linux/namespace.h"
#include "wire/status.h"

#define MEMBER "X-kata.multi-layer=true"
#define UPPER "X-kata.overlay-upper"
#define LOWER "X-kata.overlay-lower"
#define MKDIR "X-kata.mkdir.path="

bool multi_layer_is_member(const Grpc__Storage *s)
{
	return strcmp(rpc_str(s->driver), storage_multi_layer.name) == 0 ||
	       storage_has_option(s, MEMBER);
}

static bool is_upper(const Grpc__Storage *s)
{
	return storage_has_option(s, UPPER) ||
	       (strcmp(rpc_str(s->fstype), "ext4") == 0 && !storage_has_option(s, LOWER));
}

static bool is_lower(const Grpc__Storage *s)
{
	return !is_upper(s) &&
	       (storage_has_option(s, LOWER) || strcmp(rpc_str(s->fstype), "erofs") == 0);
}

/* What the options may say and we cannot do, or do not know. */
static int check_options(const Grpc__Storage *s, struct err *err)
{
	static const char *const known[] = {MEMBER, UPPER, LOWER};

	for (size_t i = 0; i < s->n_options; i++) {
		const char *option = s->options[i];
		bool ok = strncmp(option, "X-kata.", strlen("X-kata.")) != 0 ||
			  strncmp(option, MKDIR, strlen(MKDIR)) == 0;

		for (size_t k = 0; k < ARRAY_SIZE(known); k++)
			ok |= strcmp(option, known[k]) == 0;
		if (!ok)
			return err_status(err, EOPNOTSUPP, WIRE_UNIMPLEMENTED,
				"storage %s: option \"%.128s\" is not supported yet",
				s->mount_point, option);
	}
	return 0;
}

static int check_member(const Grpc__Storage *s, const struct storage_owner *owner, struct err *err)
{
	int r = storage_check_fs(s, err);

	if (r == 0)
		r = check_options(s, err);
	if (r < 0)
		return r;
	if (!owner->container_id)
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"storage %s: layers need a container", s->mount_point);
	if (storage_has_option(s, UPPER) && strcmp(s->fstype, "ext4") != 0)
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"storage %s: the upper layer is of type %s, not ext4", s->mount_point,
			s->fstype);
	if (!is_upper(s) && !is_lower(s))
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"storage %s: a layer of type %s", s->mount_point, s->fstype);
	/* It would be cut there. */
	if (strpbrk(owner->run_dir, ",:\\"))
		return err_set(err, EINVAL, "storage %s: no overlay below %s", s->mount_point,
			owner->run_dir);
	return 0;
}

int multi_layer_check(Grpc__Storage **list, size_t n, size_t *ret_leader, struct err *err)
{
	size_t upper = n, lower = n;

	for (size_t i = 0; i < n; i++) {
		if (!multi_layer_is_member(list[i]))
			continue;
		if (is_upper(list[i]) && upper < n)
			return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
				"storage %s: a second upper layer", rpc_str(list[i]->mount_point));
		if (is_upper(list[i]))
			upper = i;
		else if (lower == n)
			lower = i;
	}
	if (lower == n)
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"storage %s: layers without a lower one",
			rpc_str(list[upper]->mount_point));
	*ret_leader = upper < n ? upper : lower;
	return 0;
}

static const struct storage_driver *driver_of(const Grpc__Storage *s)
{
	return strcmp(rpc_str(s->driver), storage_scsi.name) == 0 ? &storage_scsi : &storage_blk;
}

static int want_device(const Grpc__Storage *s, struct device_want *ret, struct err *err)
{
	return driver_of(s)->want_device(s, ret, err);
}

static int check(const Grpc__Storage *s, const struct storage_owner *owner, struct err *err)
{
	const char *driver = s->driver;
	int r = check_member(s, owner, err);

	if (r < 0)
		return r;
	if (strcmp(driver, storage_multi_layer.name) != 0 &&
		strcmp(driver, storage_blk.name) != 0 && strcmp(driver, storage_scsi.name) != 0)
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"storage %s: a layer with the driver %s", s->mount_point, driver);
	return driver_of(s)->check(s, owner, err);
}

/* The layers of one overlay while they are mounted in a namespace of their own. */
struct layers {
	const char *base;  /* <bundle>/multi-layer */
	struct buf lowers; /* their directories, with colons */
	size_t n_lowers;
	char upper[512];
};

static int make_dir(const char *path, struct err *err)
{
	struct storage_place place = STORAGE_PLACE_INIT;
	int r = storage_place_make(path, false, &place, err);

	storage_place_fini(&place);
	return r;
}

static int mount_at(const Grpc__Storage *s, char *path, bool read_only, struct err *err)
{
	static char ro[] = "ro";
	auto_free char **options = calloc(s->n_options + 1, sizeof(*options));
	Grpc__Storage copy = *s;

	if (!options)
		return err_sys(err, ENOMEM, "layer");
	for (size_t i = 0; i < s->n_options; i++)
		options[i] = s->options[i];
	if (read_only)
		options[copy.n_options++] = ro;
	copy.options = options;
	copy.mount_point = path;
	return driver_of(s)->mount(&copy, NULL, err);
}

static int mount_layer(struct layers *l, const Grpc__Storage *s, struct err *err)
{
	char path[512];
	int r;

	if (is_upper(s))
		return mount_at(s, l->upper, false, err);
	snprintf(path, sizeof(path), "%s/lower-%zu", l->base, l->n_lowers);
	r = mount_at(s, path, true, err);
	if (r < 0)
		return r;
	r = buf_printf(&l->lowers, "%s%s", l->n_lowers > 0 ? ":" : "", path);
	l->n_lowers++;
	return r < 0 ? err_sys(err, -r, "layers") : 0;
}

/* "{{ mount 0 }}/a/b": 0 is the upper layer, 1 the first lower one. Resolved within it. */
static int make_in_layer(const struct layers *l, const char *text, size_t len, struct err *err)
{
	static const char upper[] = "{{ mount 0 }}", lower[] = "{{ mount 1 }}";
	auto_free char *path = strndup(text, len);
	auto_fd int root_fd = -1, fd = -1;
	char root[512];

	if (!path)
		return err_sys(err, ENOMEM, "layers");
	if (strncmp(path, upper, strlen(upper)) == 0)
		snprintf(root, sizeof(root), "%s", l->upper);
	else if (strncmp(path, lower, strlen(lower)) == 0)
		snprintf(root, sizeof(root), "%s/lower-0", l->base);
	else
		return err_status(
			err, EINVAL, WIRE_INVALID_ARGUMENT, "%s%s: names no layer", MKDIR, path);
	root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return err_sys(err, errno, "open %s", root);
	fd = path_mkdir_in_root(root_fd, path + strlen(upper), 0755);
	return fd < 0 ? err_sys(err, -fd, "make %s", path) : 0;
}

static int make_dirs(const struct layers *l, const Grpc__Storage *s, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < s->n_options && r == 0; i++) {
		const char *at = s->options[i] + strlen(MKDIR);

		if (strncmp(s->options[i], MKDIR, strlen(MKDIR)) != 0)
			continue;
		while (*at && r == 0) {
			size_t len = strcspn(at, ":");

			r = make_in_layer(l, at, len, err);
			at += len;
			at += *at == ':';
		}
	}
	return r;
}

static int format_options(const struct layers *l, struct buf *data, struct err *err)
{
	if (buf_printf(data, "lowerdir=%s,upperdir=%s/upper,workdir=%s/work", buf_str(&l->lowers),
		    l->upper, l->upper) < 0)
		return err_sys(err, ENOMEM, "layers");
	return buf_len(data) > STORAGE_MAX_DATA ? err_set(err, E2BIG, "too many layers") : 0;
}

static int mount_overlay(const char *path, const char *data, struct err *err)
{
	struct storage_place place = STORAGE_PLACE_INIT;
	int r = storage_place_make(path, false, &place, err);

	if (r < 0)
		return r;
	r = mountfd_mount("overlay", place.fd, "overlay", 0, data);
	storage_place_fini(&place);
	return r < 0 ? err_sys(err, -r, "overlay with \"%s\"", data) : 0;
}

/* A copy of the mount that no namespace holds. */
static int take_mount(const char *path, struct err *err)
{
	struct storage_place place = STORAGE_PLACE_INIT;
	int r = storage_place_open(path, &place, err);

	if (r < 0)
		return r;
	r = mountfd_clone(place.fd, "", false);
	storage_place_fini(&place);
	return r < 0 ? err_sys(err, -r, "copy the mount of %s", path) : r;
}

static int make_overlay(const struct layers *l, struct err *err)
{
	auto_buf struct buf data = BUF_INIT;
	char path[600];
	int r;

	snprintf(path, sizeof(path), "%s/upper", l->upper);
	r = make_dir(path, err);
	snprintf(path, sizeof(path), "%s/work", l->upper);
	if (r == 0)
		r = make_dir(path, err);
	if (r == 0)
		r = format_options(l, &data, err);
	snprintf(path, sizeof(path), "%s/merged", l->base);
	if (r == 0)
		r = mount_overlay(path, buf_str(&data), err);
	return r < 0 ? r : take_mount(path, err);
}

static int make_all(struct layers *l, Grpc__Storage *const *list, size_t n, struct err *err)
{
	int r = make_dir(l->upper, err);

	for (size_t i = 0; i < n && r == 0; i++)
		if (multi_layer_is_member(list[i]))
			r = mount_layer(l, list[i], err);
	for (size_t i = 0; i < n && r == 0; i++)
		if (multi_layer_is_member(list[i]))
			r = make_dirs(l, list[i], err);
	return r < 0 ? r : make_overlay(l, err);
}

/* Everything but the overlay is left behind in a mount namespace that ends with us. */
static int make_apart(struct layers *l, Grpc__Storage *const *list, size_t n, struct err *err)
{
	auto_fd int home_fd = namespace_open_self("mnt"), fd = -1;
	int r = home_fd < 0 ? home_fd : namespace_unshare(CLONE_NEWNS);

	if (r < 0)
		return err_sys(err, -r, "a mount namespace for layers");
	r = mountfd_set_propagation("/", MS_REC | MS_PRIVATE);
	if (r < 0)
		err_sys(err, -r, "a mount namespace for layers");
	else
		r = fd = make_all(l, list, n, err);
	if (namespace_enter(home_fd, CLONE_NEWNS) < 0)
		return r < 0 ? r : err_sys(err, errno, "leave the mount namespace of layers");
	return r < 0 ? r : take_fd(&fd);
}

static int attach(int mount_fd, const char *mount_point, struct err *err)
{
	struct storage_place place = STORAGE_PLACE_INIT;
	int r = storage_place_make(mount_point, false, &place, err);

	if (r < 0)
		return r;
	r = mountfd_attach(mount_fd, place.fd);
	if (r < 0) {
		err_sys(err, -r, "mount %s", mount_point);
		storage_place_undo(&place);
	}
	storage_place_fini(&place);
	return r;
}

int multi_layer_mount(Grpc__Storage *const *list, size_t n, const char *mount_point,
	const struct storage_owner *owner, struct err *err)
{
	auto_buf struct buf base = BUF_INIT;
	struct layers l = {.lowers = BUF_INIT};
	auto_fd int mount_fd = -1;

	if (buf_printf(&base, "%s/%s/multi-layer", owner->run_dir, owner->container_id) < 0)
		return err_sys(err, ENOMEM, "layers");
	l.base = buf_str(&base);
	snprintf(l.upper, sizeof(l.upper), "%s/upper", l.base);
	mount_fd = make_apart(&l, list, n, err);
	buf_fini(&l.lowers);
	return mount_fd < 0 ? mount_fd : attach(mount_fd, mount_point, err);
}

const struct storage_driver storage_multi_layer = {
	.name = "erofs.multi-layer",
	.is_private = multi_layer_is_member,
	.check = check,
	.want_device = want_device,
};
