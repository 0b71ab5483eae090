/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * PCI devices that a container drives itself: bound to vfio-pci, and known to it by their IOMMU
 * group.
 */
#include "agent/device/want.h"

/*
 * An option of a request: "<address on the host>=<PCI path in the guest>". 1 and both; 0 if the
 * path is empty (the host does not know it); INVALID_ARGUMENT.
 */
int vfio_parse_option(const char *option, struct pci_address *ret_host, struct device_want *ret,
	struct err *err) must_check;

/* Gives the device to vfio-pci, whoever drives it now; 0 also when vfio-pci does. sys_dir: where
 * sysfs is. Blocks: for jobs. */
int vfio_bind(const char *sys_dir, struct pci_address device, struct err *err) must_check;

/* The IOMMU group of the device. Does not wait. */
int vfio_find_group(const char *sys_dir, struct pci_address device, unsigned int *ret,
	struct err *err) must_check;
