/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A device of the guest, as a host describes it before it is there, and how to find it in sysfs.
 * The rules are upstream's (spec/agent.md 7.2, 8.2 to 8.4). What waits for it: hotplug.h.
 */
#include "agent/device/pci_path.h"
#include "base/err.h"

enum {
	DEVICE_NAME_SIZE = 64,
	DEVICE_NODE_SIZE = sizeof("/dev/") + DEVICE_NAME_SIZE,
};

enum device_kind {
	DEVICE_BLOCK_PCI,   /* a disk of a virtio PCI device */
	DEVICE_BLOCK_SCSI,  /* a SCSI disk */
	DEVICE_BLOCK_NAMED, /* a disk by its name in the guest */
	DEVICE_NET_PCI,	    /* a network interface of a PCI device, virtio or not */
	DEVICE_PCI,	    /* the PCI device itself */
	DEVICE_VFIO_GROUP,
};

struct device_want {
	enum device_kind kind;
	struct pci_path pci;	     /* *_PCI */
	unsigned int id, lun;	     /* SCSI */
	char name[DEVICE_NAME_SIZE]; /* NAMED: "vda"; VFIO: the group's number */
};

struct device_found {
	char type; /* 'b', 'c'; 0: it has no node */
	unsigned int major, minor;
	char node[DEVICE_NODE_SIZE]; /* "/dev/vda"; "" */
	char name[DEVICE_NAME_SIZE]; /* "vda", "eth0", "0000:00:02.0" */
	struct pci_address address;  /* *_PCI */
};

/* Each is INVALID_ARGUMENT if the text is not what it must be. */
int device_want_pci(enum device_kind kind, const char *text, struct device_want *ret,
	struct err *err) must_check;
/* "<id>:<lun>", decimal. */
int device_want_scsi(const char *text, struct device_want *ret, struct err *err) must_check;
/* "/dev/<name>" for a whole disk. */
int device_want_named(const char *path, struct device_want *ret, struct err *err) must_check;
void device_want_vfio_group(unsigned int group, struct device_want *ret);

/* For messages: "virtio-blk device at PCI path 02/00". */
enum { DEVICE_TEXT_SIZE = 160 };
void device_want_format(const struct device_want *want, char ret[static DEVICE_TEXT_SIZE]);

/* "block": events of others say nothing about it. */
const char *device_want_subsystem(const struct device_want *want);

/*
 * Where it is below sysfs, which sys_fd is open on ("devices/.../block/vda"). -ENOENT: it is not
 * there yet; -ENOTUNIQ: more than one matches. Does not wait.
 */
int device_find(
	int sys_fd, const struct device_want *want, char ret[static PCI_DEVPATH_SIZE]) must_check;
/* What sysfs says of the device that was found there; -ENOENT if it is gone. */
int device_describe(int sys_fd, const struct device_want *want, const char *devpath,
	struct device_found *ret) must_check;
