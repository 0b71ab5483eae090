/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/device/request.h"

#include <string.h>

#include "agent/rpc.h"
#include "wire/status.h"

#define invalid(err, ...) err_status((err), EINVAL, WIRE_INVALID_ARGUMENT, __VA_ARGS__)

struct device_driver {
	const char *type;
	int (*want)(const Grpc__Device *d, struct device_want *ret, struct err *err);
};

static int want_blk(const Grpc__Device *d, struct device_want *ret, struct err *err)
{
	return device_want_pci(DEVICE_BLOCK_PCI, rpc_str(d->id), ret, err);
}

static int want_scsi(const Grpc__Device *d, struct device_want *ret, struct err *err)
{
	return device_want_scsi(rpc_str(d->id), ret, err);
}

static int want_named(const Grpc__Device *d, struct device_want *ret, struct err *err)
{
	return device_want_named(rpc_str(d->vm_path), ret, err);
}

static const struct device_driver drivers[] = {
	{"blk", want_blk},
	{"scsi", want_scsi},
	{"mmioblk", want_named},
	{"nvdimm", want_named},
};

static const struct device_driver *find_driver(const Grpc__Device *d)
{
	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		if (strcmp(drivers[i].type, rpc_str(d->type)) == 0)
			return &drivers[i];
	return NULL;
}

void device_set_fini(struct device_set *set)
{
	free(set->updates);
	*set = (struct device_set){.updates = NULL};
}

static bool is_listed(const Grpc__Linux *l, const char *path)
{
	for (size_t i = 0; l && i < l->n_devices; i++)
		if (strcmp(rpc_str(l->devices[i]->path), path) == 0)
			return true;
	return false;
}

static int check(const Grpc__Device *d, const Grpc__Linux *linux_spec, struct err *err)
{
	const struct device_driver *driver = find_driver(d);
	struct device_want want;
	int r;

	if (!*rpc_str(d->type))
		return invalid(err, "a device without a type");
	if (!*rpc_str(d->id) && !*rpc_str(d->vm_path))
		return invalid(err, "device of type %s: neither id nor vm_path", d->type);
	if (!*rpc_str(d->container_path))
		return invalid(err, "device of type %s: no container_path", d->type);
	if (!driver)
		return invalid(
			err, "device %s: unknown type \"%.32s\"", d->container_path, d->type);
	r = driver->want(d, &want, err);
	if (r < 0)
		return err_wrap(err, "device %s", d->container_path);
	if (!is_listed(linux_spec, d->container_path))
		return invalid(err, "device %s: the spec has no such device", d->container_path);
	return 0;
}

int device_requests_check(
	Grpc__Device *const *devices, size_t n, const Grpc__Linux *linux_spec, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		int r = check(devices[i], linux_spec, err);

		if (r < 0)
			return r;
		for (size_t j = 0; j < i; j++)
			if (strcmp(devices[i]->container_path, devices[j]->container_path) == 0)
				return invalid(err, "device %s is asked for twice",
					devices[i]->container_path);
	}
	return 0;
}

int device_request_want(const Grpc__Device *d, struct device_want *ret, struct err *err)
{
	const struct device_driver *driver = find_driver(d);

	return driver ? driver->want(d, ret, err) : invalid(err, "unknown type of device");
}
