/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where a QEMU machine of type q35 has room for devices, and which room is taken.
 *
 * PCI devices go behind PCI bridges, 30 each: a bridge costs the guest one device to probe where as
 * many root ports would cost 30, and ACPI plugs and unplugs there in a moment. VFIO devices get a PCIe
 * root port each. SCSI disks share one controller. The places of bridges and ports on the root bus are
 * fixed, since the guest is told the path.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/own.h"
#include "hypervisor/device.h"

enum {
	QEMU_BRIDGES_MAX = 5,
	QEMU_BRIDGE_SLOTS = 30, /* 1 to 30, as upstream has it */
	QEMU_ROOT_PORTS_MAX = 16,
	QEMU_SCSI_MAX = 256,	 /* LUNs of target 0 */
	QEMU_BRIDGE_ADDR = 0x02, /* of the first one on the root bus */
	QEMU_ROOT_PORT_ADDR = 0x0a,
	QEMU_BUS_NAME_SIZE = 16,
};

enum qemu_place_kind { QEMU_PLACE_NONE, QEMU_PLACE_BRIDGE, QEMU_PLACE_ROOT_PORT, QEMU_PLACE_SCSI };

struct qemu_bus {
	uint32_t n_bridges, n_root_ports;
	bool has_scsi;
	/* Bits of what is taken. */
	uint32_t slots[QEMU_BRIDGES_MAX];
	uint32_t root_ports;
	uint64_t luns[QEMU_SCSI_MAX / 64];
};

struct qemu_place {
	enum qemu_place_kind kind;
	uint32_t bus;  /* which bridge or port */
	uint32_t slot; /* on the bridge; the LUN */
};

/* The first that is free; -ENOSPC. */
int qemu_bus_take(
	struct qemu_bus *bus, enum qemu_place_kind kind, struct qemu_place *ret) must_check;
void qemu_bus_release(struct qemu_bus *bus, const struct qemu_place *place);
void qemu_bus_get_capacity(const struct qemu_bus *bus, struct hypervisor_capacity *ret);

/* QEMU's name of the bus that a place is on: "pci-bridge-0", "rp3", "scsi0.0". */
void qemu_place_format_bus(const struct qemu_place *place, char ret[static QEMU_BUS_NAME_SIZE]);
/* The guest's. */
void qemu_place_format_address(
	const struct qemu_place *place, struct hypervisor_guest_address *ret);
