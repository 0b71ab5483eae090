/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/device/request.h"

#include <string.h>

#include "agent/device/s390.h"
#include "agent/device/vfio.h"
#include "agent/rpc.h"
#include "wire/status.h"

#define invalid(err, ...) err_status((err), EINVAL, WIRE_INVALID_ARGUMENT, __VA_ARGS__)

struct device_driver {
	const char *type;
	enum device_use use;
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

static int refuse_here(const Grpc__Device *d, struct err *err)
{
	return err_status(err, EOPNOTSUPP, WIRE_UNIMPLEMENTED,
		"devices of type %s exist on s390x only", d->type);
}

static int want_ccw(const Grpc__Device *d, struct device_want *ret, struct err *err)
{
	(void)ret;
	if (!s390_is_ccw(rpc_str(d->id)))
		return invalid(
			err, "\"%.128s\" is not a CCW device (\"0.<0-3>.<hex>\")", rpc_str(d->id));
	return refuse_here(d, err);
}

static int want_ap(const Grpc__Device *d, struct device_want *ret, struct err *err)
{
	(void)ret;
	for (size_t i = 0; i < d->n_options; i++)
		if (!s390_is_ap_queue(rpc_str(d->options[i])))
			return invalid(err, "\"%.128s\" is not an AP queue (\"xx.xxxx\")",
				rpc_str(d->options[i]));
	return refuse_here(d, err);
}

/* want NULL: its PCI devices are named in the options. */
static const struct device_driver drivers[] = {
	{"blk", DEVICE_USE_DISK, want_blk},
	{"scsi", DEVICE_USE_DISK, want_scsi},
	{"mmioblk", DEVICE_USE_DISK, want_named},
	{"nvdimm", DEVICE_USE_DISK, want_named},
	{"blk-ccw", DEVICE_USE_DISK, want_ccw},
	{"vfio-pci", DEVICE_USE_VFIO, NULL},
	{"vfio-pci-gk", DEVICE_USE_PCI, NULL},
	{"vfio-ap", DEVICE_USE_DISK, want_ap},
	{"vfio-ap-cold", DEVICE_USE_DISK, want_ap},
};

static const struct device_driver *find_driver(const Grpc__Device *d)
{
	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		if (strcmp(drivers[i].type, rpc_str(d->type)) == 0)
			return &drivers[i];
	return NULL;
}

void device_set_forget_updates(struct device_set *set)
{
	free(set->updates);
	set->updates = NULL;
	set->n_updates = 0;
}

void device_set_fini(struct device_set *set)
{
	device_set_forget_updates(set);
	free(set->pairs);
	*set = (struct device_set){.pairs = NULL};
}

static bool is_listed(const Grpc__Linux *l, const char *path)
{
	for (size_t i = 0; l && i < l->n_devices; i++)
		if (strcmp(rpc_str(l->devices[i]->path), path) == 0)
			return true;
	return false;
}

static int check_wants(const Grpc__Device *d, struct err *err)
{
	size_t n = device_request_count(d);
	struct pci_address host;
	struct device_want want;
	int r = 0;

	if (n == 0)
		return invalid(err, "its options name no PCI device");
	for (size_t i = 0; i < n && r >= 0; i++)
		r = device_request_want(d, i, &want, &host, err);
	return r < 0 ? r : 0;
}

static int check(const Grpc__Device *d, const Grpc__Linux *linux_spec, struct err *err)
{
	int r;

	if (!*rpc_str(d->type))
		return invalid(err, "a device without a type");
	if (!*rpc_str(d->id) && !*rpc_str(d->vm_path))
		return invalid(err, "device of type %s: neither id nor vm_path", d->type);
	if (!*rpc_str(d->container_path))
		return invalid(err, "device of type %s: no container_path", d->type);
	if (!find_driver(d))
		return invalid(
			err, "device %s: unknown type \"%.32s\"", d->container_path, d->type);
	r = check_wants(d, err);
	if (r < 0)
		return err_wrap(err, "device %s", d->container_path);
	/* Of what the guest's kernel drives the container may have no node. */
	if (device_request_use(d) != DEVICE_USE_PCI && !is_listed(linux_spec, d->container_path))
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

enum device_use device_request_use(const Grpc__Device *d)
{
	const struct device_driver *driver = find_driver(d);

	return driver ? driver->use : DEVICE_USE_DISK;
}

size_t device_request_count(const Grpc__Device *d)
{
	return device_request_use(d) == DEVICE_USE_DISK ? 1 : d->n_options;
}

int device_request_want(const Grpc__Device *d, size_t n, struct device_want *ret,
	struct pci_address *ret_host, struct err *err)
{
	const struct device_driver *driver = find_driver(d);
	int r;

	if (!driver)
		return invalid(err, "unknown type of device");
	if (!driver->want)
		return vfio_parse_option(rpc_str(d->options[n]), ret_host, ret, err);
	r = driver->want(d, ret, err);
	return r < 0 ? r : 1;
}
