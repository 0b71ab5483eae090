/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Storages on disks, by what their source says (spec/agent.md 7.2):
 *
 *	blk       a PCI path, or the node of a disk that is there
 *	scsi      "<id>:<lun>"
 *	mmioblk   "/dev/<name>", which may be still to come
 *	nvdimm    the same: "/dev/pmem0"
 */
#include <string.h>
#include <sys/stat.h>

#include "agent/rpc.h"
#include "agent/storage/driver.h"
#include "agent/storage/mount.h"
#include "wire/status.h"

static int want_blk(const Grpc__Storage *s, struct device_want *ret, struct err *err)
{
	int r;

	if (s->source[0] == '/')
		return 0;
	r = device_want_pci(DEVICE_BLOCK_PCI, s->source, ret, err);
	return r < 0 ? r : 1;
}

static int want_scsi(const Grpc__Storage *s, struct device_want *ret, struct err *err)
{
	int r = device_want_scsi(s->source, ret, err);

	return r < 0 ? r : 1;
}

static int want_named(const Grpc__Storage *s, struct device_want *ret, struct err *err)
{
	int r = device_want_named(s->source, ret, err);

	return r < 0 ? r : 1;
}

static int check(const Grpc__Storage *s,
	int (*want)(const Grpc__Storage *s, struct device_want *ret, struct err *err),
	struct err *err)
{
	struct device_want ignored;
	int r = storage_check_fs(s, err);

	if (r == 0)
		r = want(s, &ignored, err);
	if (r < 0)
		return r;
	/* mkfs and encryption. */
	if (s->n_driver_options > 0)
		return err_status(err, EOPNOTSUPP, WIRE_UNIMPLEMENTED,
			"storage %s: driver option \"%.64s\" is not supported yet", s->mount_point,
			rpc_str(s->driver_options[0]));
	return 0;
}

static int check_blk(const Grpc__Storage *s, const struct storage_owner *owner, struct err *err)
{
	(void)owner;
	return check(s, want_blk, err);
}

static int check_scsi(const Grpc__Storage *s, const struct storage_owner *owner, struct err *err)
{
	(void)owner;
	return check(s, want_scsi, err);
}

static int check_named(const Grpc__Storage *s, const struct storage_owner *owner, struct err *err)
{
	(void)owner;
	return check(s, want_named, err);
}

/* mount(2) would take anything else for the name of what a virtual file system is to show. */
static int mount_disk(const Grpc__Storage *s, const struct storage_owner *owner, struct err *err)
{
	struct stat st;

	(void)owner;
	if (stat(s->source, &st) < 0)
		return err_sys(err, errno, "%s", s->source);
	if (!S_ISBLK(st.st_mode))
		return err_set(err, ENOTBLK, "%s is not a disk", s->source);
	return storage_mount_fs(s, s->source, err);
}

const struct storage_driver storage_blk = {
	.name = "blk",
	.check = check_blk,
	.want_device = want_blk,
	.mount = mount_disk,
};

const struct storage_driver storage_scsi = {
	.name = "scsi",
	.check = check_scsi,
	.want_device = want_scsi,
	.mount = mount_disk,
};

const struct storage_driver storage_mmioblk = {
	.name = "mmioblk",
	.check = check_named,
	.want_device = want_named,
	.mount = mount_disk,
};

const struct storage_driver storage_nvdimm = {
	.name = "nvdimm",
	.check = check_named,
	.want_device = want_named,
	.mount = mount_disk,
};
