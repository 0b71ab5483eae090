/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Devices of a virtual machine, whatever runs it.
 *
 *	r = hypervisor_add_net(hv, &net, on_added, data, err);
 *	... on_added: tell the agent address->pci ...
 *	r = hypervisor_remove_device(hv, net.id, on_removed, data, err);
 *
 * Before hypervisor_start() a device becomes part of the machine that is started; while the machine
 * runs it is plugged in, and of an add that fails nothing is left in the VMM. In between, while the
 * start has not ended, adding is refused with -EBUSY, and after the end with -ENOTCONN. A driver
 * that cannot do something refuses with -EOPNOTSUPP and its own name.
 *
 * Every add and remove is answered exactly once, from the loop, after the call has returned 0; but
 * for what is under way when the VM is freed, which is not answered any more. When the VM ends or is
 * stopped first, the answer is an error (ECONNRESET). Device ids are unique among all kinds
 * (-EEXIST), and what a VMM takes for an id: a letter, then letters, digits, '-', '_' and '.', at most
 * HYPERVISOR_DEVICE_ID_SIZE - 1 of them (-EINVAL). Strings are borrowed during the call.
 *
 * fds that are handed over belong to the hypervisor from the call on, also when it fails.
 *
 * There are only so many places to plug into (hypervisor_get_capacity); the one that does not fit is
 * refused with -ENOSPC by name before anything is made.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "hypervisor/hypervisor.h"

enum {
	HYPERVISOR_DEVICE_ID_SIZE = 32,
	HYPERVISOR_QUEUES_MAX = 8, /* queue pairs of a network device */
	HYPERVISOR_SERIAL_SIZE = 21,
	HYPERVISOR_GUEST_ADDRESS_SIZE = 32,
};

/* Where the guest finds a device, in the forms that the agent takes: exactly one is not "". */
struct hypervisor_guest_address {
	char pci[HYPERVISOR_GUEST_ADDRESS_SIZE];  /* "02/1f": slots from the root bus on, in hex */
	char scsi[HYPERVISOR_GUEST_ADDRESS_SIZE]; /* "0:1": target and LUN, decimal */
};

/* A network device of the guest whose other end is a tap (or macvtap) device of the host. */
struct hypervisor_net {
	const char *id;
	const int
		*tap_fds; /* one per queue pair, owned from the call on; 1..HYPERVISOR_QUEUES_MAX */
	/* /dev/vhost-net, opened once per queue, owned from the call on; NULL: the VMM moves the packets
	 * itself. */
	const int *vhost_fds;
	size_t n_queues;
	uint8_t mac[6];
	uint32_t mtu; /* offered to the guest; 0: not said */
};

/* The same, served by a process behind a vhost-user socket, which listens there. The guest's memory is
 * shared with it. */
struct hypervisor_vhost_user_net {
	const char *id;
	const char *socket; /* path */
	uint32_t n_queues;
	uint8_t mac[6];
};

enum hypervisor_block_driver {
	HYPERVISOR_BLOCK_DEFAULT, /* what the configuration says (block_device_driver) */
	HYPERVISOR_BLOCK_VIRTIO,  /* a PCI device each */
	HYPERVISOR_BLOCK_SCSI,	  /* on one virtio-scsi controller, which must be configured */
};

/* A disk: a regular file (raw) or a block device of the host. */
struct hypervisor_block {
	const char *id;
	/* Open for reading, and for writing unless read_only; owned from the call on. -1: path is opened
	 * (a symbolic link at its end is followed). */
	int fd;
	const char *path; /* for messages when fd is given; may be NULL then */
	bool read_only;
	bool discard; /* what the guest discards is given back */
	enum hypervisor_block_driver driver;
	const char *serial; /* NULL or "": none; shorter than HYPERVISOR_SERIAL_SIZE */
};

/* A disk that a process serves behind a vhost-user socket (SPDK), which listens there. */
struct hypervisor_vhost_user_blk {
	const char *id;
	const char *socket; /* path */
	uint32_t n_queues;  /* 0: 1 */
};

/* A device of the host that is bound to vfio-pci. Plugged into a PCIe root port. */
struct hypervisor_vfio {
	const char *id;
	const char *bdf; /* "0000:65:00.0" */
};

int hypervisor_add_net(struct hypervisor *hv, const struct hypervisor_net *net,
	hypervisor_added_fn *added, void *data, struct err *err) must_check;
int hypervisor_add_vhost_user_net(struct hypervisor *hv,
	const struct hypervisor_vhost_user_net *net, hypervisor_added_fn *added, void *data,
	struct err *err) must_check;
int hypervisor_add_block(struct hypervisor *hv, const struct hypervisor_block *block,
	hypervisor_added_fn *added, void *data, struct err *err) must_check;
int hypervisor_add_vhost_user_blk(struct hypervisor *hv,
	const struct hypervisor_vhost_user_blk *blk, hypervisor_added_fn *added, void *data,
	struct err *err) must_check;
int hypervisor_add_vfio(struct hypervisor *hv, const struct hypervisor_vfio *vfio,
	hypervisor_added_fn *added, void *data, struct err *err) must_check;

/*
 * Takes a device out of the machine and closes what is behind it; done after the last trace is gone
 * from the VMM. A guest that refuses, or does not answer in time (ETIMEDOUT), keeps the device, and the
 * removal may be asked for again. -ENOENT: there is none of this id; -EBUSY: it is being added or
 * removed. Before the start it is done at once.
 */
int hypervisor_remove_device(struct hypervisor *hv, const char *id, hypervisor_done_fn *done,
	void *data, struct err *err) must_check;

/* How many more devices of each kind fit. */
struct hypervisor_capacity {
	uint32_t pci;	     /* network devices and disks that are PCI devices of their own */
	uint32_t root_ports; /* VFIO devices */
	uint32_t scsi;	     /* disks on the SCSI controller */
};
void hypervisor_get_capacity(const struct hypervisor *hv, struct hypervisor_capacity *ret);
