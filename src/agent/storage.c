/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/storage.h"

#include <string.h>

#include "agent/rpc.h"
#include "agent/storage/mount.h"
#include "agent/storage/multi_layer.h"
#include "agent/storage/place.h"
#include "wire/status.h"

static const struct storage_driver *const drivers[] = {
	&storage_virtio_fs,
	&storage_9p,
	&storage_bind,
	&storage_local,
	&storage_ephemeral,
	&storage_overlayfs,
	&storage_blk,
	&storage_scsi,
	&storage_mmioblk,
	&storage_nvdimm,
	&storage_watchable,
	&storage_multi_layer,
};

char **storage_driver_names(size_t *ret_n)
{
	static char *names[ARRAY_SIZE(drivers)];

	/* A message's strings are not const; nobody writes to these. */
	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		memcpy(&names[i], &drivers[i]->name, sizeof(names[i]));
	*ret_n = ARRAY_SIZE(drivers);
	return names;
}

const struct storage_driver *storage_find_driver(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		if (strcmp(drivers[i]->name, name) == 0)
			return drivers[i];
	return NULL;
}

int storage_check(const Grpc__Storage *s, const struct storage_owner *owner,
	const struct storage_driver **ret, struct err *err)
{
	const struct storage_driver *driver = storage_find_driver(rpc_str(s->driver));
	int r;

	if (driver && multi_layer_is_member(s))
		driver = &storage_multi_layer;
	if (!driver)
		return err_status(err, ENODEV, WIRE_INVALID_ARGUMENT,
			"Failed to find the storage handler %s", rpc_str(s->driver));
	if (!storage_place_is_valid(rpc_str(s->mount_point)))
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"storage %s: mount point \"%s\" is not an absolute path without \"..\"",
			driver->name, rpc_str(s->mount_point));
	r = driver->check ? driver->check(s, owner, err) : storage_check_fs(s, err);
	if (r == 0)
		*ret = driver;
	return r;
}

int storage_mount(const struct storage_driver *driver, const Grpc__Storage *s,
	const struct storage_owner *owner, struct err *err)
{
	int r = driver->mount ? driver->mount(s, owner, err) : storage_mount_fs(s, s->source, err);

	return r < 0 ? err_wrap(err, "storage %s", s->mount_point) : 0;
}

int storage_unmount(const struct storage_driver *driver, const char *mount_point,
	const struct storage_owner *owner, struct err *err)
{
	return driver->unmount ? driver->unmount(mount_point, owner, err)
			       : storage_unmount_fs(mount_point, err);
}
