/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A container's block devices in the guest: for each an entry of linux.devices with the host's numbers
 * and a request to the agent, which puts the guest's numbers in their place.
 *
 * Of the devices of the spec the host's disks are given to the guest only if the container may use
 * exactly this one (a rule of linux.resources.devices with its numbers, as Kubernetes writes it for
 * volumeDevices): a privileged container is given all that the host has, and its guest gets none.
 */
#include <stdbool.h>

#include "agent.pb-c.h"
#include "base/err.h"
#include "hypervisor/device.h"
#include "runtime/volume.h"

struct guest_devices {
	Grpc__LinuxDevice *nodes; /* owned arrays, all of one size */
	Grpc__Device *requests;
	Grpc__Device **request_list;
	size_t n;
};

/* For at most max devices. */
int guest_devices_init(struct guest_devices *d, size_t max) must_check;
void guest_devices_fini(struct guest_devices *d);

/* The disk at address stands at path; path and address are borrowed. node NULL: linux.devices lists it. */
void guest_devices_add(struct guest_devices *d, const char *path,
	const struct hypervisor_guest_address *address, const struct volume_facts *node);

/* What the agent is told about where a disk is: the driver's name, and the source or id. Borrowed. */
const char *guest_devices_driver(const struct hypervisor_guest_address *address);
const char *guest_devices_source(const struct hypervisor_guest_address *address);

/* Whether the rules name this block device itself. */
bool guest_devices_are_granted(
	const Grpc__LinuxDevice *device, const Grpc__LinuxResources *resources);
