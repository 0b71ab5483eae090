/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a host asks for in CreateContainerRequest.devices, by type (spec/agent.md 8.4):
 *
 *	blk, scsi, mmioblk, nvdimm    a disk: the spec's device gets the guest's numbers
 *	vfio-pci                      PCI devices of one IOMMU group, bound to vfio-pci; the spec's
 *				      device becomes that group's
 *	vfio-pci-gk                   PCI devices that the guest's kernel drives: only waited for
 *	blk-ccw, vfio-ap(-cold)       of s390x: checked, and refused
 *
 * and what has been found for it.
 */
#include "agent.pb-c.h"
#include "agent/device/want.h"

struct device_update {
	const Grpc__Device *request; /* borrowed */
	struct device_found found;
};

struct pci_pair {
	struct pci_address host, guest;
};

struct device_set {
	struct device_update *updates; /* owned: what of the spec is something else in the guest */
	size_t n_updates;
	struct pci_pair *pairs; /* owned: the PCI devices of the host */
	size_t n_pairs;
};

void device_set_fini(struct device_set *set);
/* Frees the updates, which borrow from a request. */
void device_set_forget_updates(struct device_set *set);

/* What can be said before anything is waited for: INVALID_ARGUMENT, or UNIMPLEMENTED for what this
 * machine cannot have. linux_spec must list the device. */
int device_requests_check(Grpc__Device *const *devices, size_t n, const Grpc__Linux *linux_spec,
	struct err *err) must_check;

enum device_use {
	DEVICE_USE_DISK,
	DEVICE_USE_VFIO,
	DEVICE_USE_PCI, /* by the guest's kernel */
};

enum device_use device_request_use(const Grpc__Device *d);

/* How many devices a request is about, and the n-th: 1; or 0 for one that is not waited for.
 * ret_host is set for PCI devices of the host. */
size_t device_request_count(const Grpc__Device *d);
int device_request_want(const Grpc__Device *d, size_t n, struct device_want *ret,
	struct pci_address *ret_host, struct err *err) must_check;
