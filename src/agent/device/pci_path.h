/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where a PCI device is plugged in, in words that hold before the guest has numbered its buses: the
 * slot on the root bus, then the slot behind each bridge, "02/00" or "02/01.1" (slot and function
 * in hex; upstream's form, spec/agent.md 8.2). The bus numbers are found in sysfs when they are
 * asked for.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/own.h"

enum {
	/* Each bridge costs a bus number of 256 and hosts nest two or three. */
	PCI_PATH_MAX = 16,
	PCI_ADDRESS_SIZE = sizeof("0000:00:00.0"),
	PCI_DEVPATH_SIZE = 512,
};

struct pci_address {
	uint16_t domain;
	uint8_t bus, slot, function;
};

struct pci_path {
	uint8_t root; /* the root complex: 0, or the bus number of a pxb-pcie (0x20 and above) */
	uint8_t n;
	struct {
		uint8_t slot, function;
	} at[PCI_PATH_MAX];
};

/* -EINVAL, also for more than PCI_PATH_MAX elements. The first of three or more is a root complex
 * if it is two digits from 20 on, which no slot is. */
int pci_path_parse(const char *text, struct pci_path *ret) must_check;

/* "0000:01:02.0", with all its digits. */
int pci_address_parse(const char *text, struct pci_address *ret) must_check;
/* The same at the start of a longer text. */
bool pci_address_scan(const char *text, struct pci_address *ret);
void pci_address_format(struct pci_address a, char ret[static PCI_ADDRESS_SIZE]);

/*
 * The device's directory below sysfs ("devices/pci0000:00/0000:00:02.0/0000:01:00.0") and its
 * address. sys_fd is open on sysfs. -ENOENT: it, or a bridge on the way, is not there; -ENOTUNIQ: a
 * bridge has more than one bus behind it.
 */
int pci_path_resolve(int sys_fd, const struct pci_path *path,
	char ret_devpath[static PCI_DEVPATH_SIZE], struct pci_address *ret) must_check;
