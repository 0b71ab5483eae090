/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/device/want.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "wire/status.h"

#define invalid(err, ...) err_status((err), EINVAL, WIRE_INVALID_ARGUMENT, __VA_ARGS__)

int device_want_pci(
	enum device_kind kind, const char *text, struct device_want *ret, struct err *err)
{
	struct device_want want = {.kind = kind};

	if (pci_path_parse(text, &want.pci) < 0)
		return invalid(err, "\"%.128s\" is not a PCI path (\"02/00\")", text);
	*ret = want;
	return 0;
}

static bool scan_number(const char **at, unsigned int max, unsigned int *ret)
{
	unsigned int n = 0;

	if (!isdigit((unsigned char)**at))
		return false;
	for (; isdigit((unsigned char)**at); (*at)++) {
		n = n * 10 + (unsigned int)(**at - '0');
		if (n > max)
			return false;
	}
	*ret = n;
	return true;
}

int device_want_scsi(const char *text, struct device_want *ret, struct err *err)
{
	/* The most that virtio-scsi can address. */
	enum { MAX_ID = 255, MAX_LUN = 16383 };
	struct device_want want = {.kind = DEVICE_BLOCK_SCSI};
	const char *at = text;

	if (!scan_number(&at, MAX_ID, &want.id) || *at++ != ':' ||
		!scan_number(&at, MAX_LUN, &want.lun) || *at)
		return invalid(err, "\"%.128s\" is not a SCSI address (\"id:lun\")", text);
	*ret = want;
	return 0;
}

int device_want_named(const char *path, struct device_want *ret, struct err *err)
{
	struct device_want want = {.kind = DEVICE_BLOCK_NAMED};
	const char *name = path + strlen("/dev/");

	if (strncmp(path, "/dev/", strlen("/dev/")) != 0 || !*name || *name == '.' ||
		strchr(name, '/') || strlen(name) >= sizeof(want.name))
		return invalid(err, "\"%.128s\" does not name a disk below /dev", path);
	snprintf(want.name, sizeof(want.name), "%s", name);
	*ret = want;
	return 0;
}

void device_want_vfio_group(unsigned int group, struct device_want *ret)
{
	*ret = (struct device_want){.kind = DEVICE_VFIO_GROUP};
	snprintf(ret->name, sizeof(ret->name), "%u", group);
}

static void format_pci(const struct pci_path *p, char *to, size_t size)
{
	size_t len = 0;

	*to = '\0';
	if (p->root)
		len += (size_t)snprintf(to, size, "%02x", p->root);
	for (size_t i = 0; i < p->n && len < size; i++) {
		len += (size_t)snprintf(
			to + len, size - len, "%s%02x", len ? "/" : "", p->at[i].slot);
		if (p->at[i].function && len < size)
			len += (size_t)snprintf(to + len, size - len, ".%x", p->at[i].function);
	}
}

void device_want_format(const struct device_want *want, char ret[static DEVICE_TEXT_SIZE])
{
	static const char *const kinds[] = {
		[DEVICE_BLOCK_PCI] = "virtio-blk device",
		[DEVICE_BLOCK_SCSI] = "SCSI disk",
		[DEVICE_BLOCK_NAMED] = "disk",
		[DEVICE_NET_PCI] = "network interface",
		[DEVICE_PCI] = "PCI device",
		[DEVICE_VFIO_GROUP] = "VFIO group",
	};
	char pci[DEVICE_TEXT_SIZE / 2];

	switch (want->kind) {
	case DEVICE_BLOCK_SCSI:
		snprintf(ret, DEVICE_TEXT_SIZE, "%s %u:%u", kinds[want->kind], want->id, want->lun);
		return;
	case DEVICE_BLOCK_NAMED:
	case DEVICE_VFIO_GROUP:
		snprintf(ret, DEVICE_TEXT_SIZE, "%s %s", kinds[want->kind], want->name);
		return;
	case DEVICE_BLOCK_PCI:
	case DEVICE_NET_PCI:
	case DEVICE_PCI:
		format_pci(&want->pci, pci, sizeof(pci));
		snprintf(ret, DEVICE_TEXT_SIZE, "%s at PCI path %s", kinds[want->kind], pci);
		return;
	}
}

const char *device_want_subsystem(const struct device_want *want)
{
	static const char *const subsystems[] = {
		[DEVICE_BLOCK_PCI] = "block",
		[DEVICE_BLOCK_SCSI] = "block",
		[DEVICE_BLOCK_NAMED] = "block",
		[DEVICE_NET_PCI] = "net",
		[DEVICE_PCI] = "pci",
		[DEVICE_VFIO_GROUP] = "vfio",
	};

	return subsystems[want->kind];
}
