/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/qemu_bus.h"

#include <stdio.h>

enum { FIRST_SLOT = 1, WORD_BITS = 64 };

static int take_slot(struct qemu_bus *bus, struct qemu_place *ret)
{
	for (uint32_t b = 0; b < bus->n_bridges; b++)
		for (uint32_t s = FIRST_SLOT; s < FIRST_SLOT + QEMU_BRIDGE_SLOTS; s++) {
			if (bus->slots[b] & 1U << s)
				continue;
			bus->slots[b] |= 1U << s;
			*ret = (struct qemu_place){QEMU_PLACE_BRIDGE, b, s};
			return 0;
		}
	return -ENOSPC;
}

static int take_root_port(struct qemu_bus *bus, struct qemu_place *ret)
{
	for (uint32_t p = 0; p < bus->n_root_ports; p++) {
		if (bus->root_ports & 1U << p)
			continue;
		bus->root_ports |= 1U << p;
		*ret = (struct qemu_place){QEMU_PLACE_ROOT_PORT, p, 0};
		return 0;
	}
	return -ENOSPC;
}

static int take_lun(struct qemu_bus *bus, struct qemu_place *ret)
{
	for (uint32_t lun = 0; bus->has_scsi && lun < QEMU_SCSI_MAX; lun++) {
		uint64_t *word = &bus->luns[lun / WORD_BITS];

		if (*word & UINT64_C(1) << lun % WORD_BITS)
			continue;
		*word |= UINT64_C(1) << lun % WORD_BITS;
		*ret = (struct qemu_place){QEMU_PLACE_SCSI, 0, lun};
		return 0;
	}
	return -ENOSPC;
}

int qemu_bus_take(struct qemu_bus *bus, enum qemu_place_kind kind, struct qemu_place *ret)
{
	switch (kind) {
	case QEMU_PLACE_BRIDGE:
		return take_slot(bus, ret);
	case QEMU_PLACE_ROOT_PORT:
		return take_root_port(bus, ret);
	case QEMU_PLACE_SCSI:
		return take_lun(bus, ret);
	case QEMU_PLACE_NONE:
		*ret = (struct qemu_place){QEMU_PLACE_NONE, 0, 0};
		return 0;
	}
	return -EINVAL;
}

void qemu_bus_release(struct qemu_bus *bus, const struct qemu_place *place)
{
	switch (place->kind) {
	case QEMU_PLACE_BRIDGE:
		bus->slots[place->bus] &= ~(1U << place->slot);
		return;
	case QEMU_PLACE_ROOT_PORT:
		bus->root_ports &= ~(1U << place->bus);
		return;
	case QEMU_PLACE_SCSI:
		bus->luns[place->slot / WORD_BITS] &= ~(UINT64_C(1) << place->slot % WORD_BITS);
		return;
	case QEMU_PLACE_NONE:
		return;
	}
}

void qemu_bus_get_capacity(const struct qemu_bus *bus, struct hypervisor_capacity *ret)
{
	*ret = (struct hypervisor_capacity){0};
	for (uint32_t b = 0; b < bus->n_bridges; b++)
		ret->pci += QEMU_BRIDGE_SLOTS - (uint32_t)__builtin_popcount(bus->slots[b]);
	ret->root_ports = bus->n_root_ports - (uint32_t)__builtin_popcount(bus->root_ports);
	if (!bus->has_scsi)
		return;
	ret->scsi = QEMU_SCSI_MAX;
	for (size_t i = 0; i < ARRAY_SIZE(bus->luns); i++)
		ret->scsi -= (uint32_t)__builtin_popcountll(bus->luns[i]);
}

void qemu_place_format_bus(const struct qemu_place *place, char ret[static QEMU_BUS_NAME_SIZE])
{
	const char *fmt = place->kind == QEMU_PLACE_BRIDGE ? "pci-bridge-" : "rp";

	if (place->kind == QEMU_PLACE_SCSI)
		(void)snprintf(ret, QEMU_BUS_NAME_SIZE, "scsi0.0");
	else
		(void)snprintf(ret, QEMU_BUS_NAME_SIZE, "%s%u", fmt, place->bus % 100);
}

void qemu_place_format_address(const struct qemu_place *place, struct hypervisor_guest_address *ret)
{
	*ret = (struct hypervisor_guest_address){.pci = ""};
	if (place->kind == QEMU_PLACE_NONE)
		return;
	if (place->kind == QEMU_PLACE_SCSI)
		(void)snprintf(ret->scsi, sizeof(ret->scsi), "0:%u", place->slot);
	else if (place->kind == QEMU_PLACE_BRIDGE)
		(void)snprintf(ret->pci, sizeof(ret->pci), "%02x/%02x",
			QEMU_BRIDGE_ADDR + place->bus, place->slot);
	else
		(void)snprintf(
			ret->pci, sizeof(ret->pci), "%02x/00", QEMU_ROOT_PORT_ADDR + place->bus);
}
