/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/guest_devices.h"

#include <string.h>
#include <sys/sysmacros.h>

#include "wire/message.h"

int guest_devices_init(struct guest_devices *d, size_t max)
{
	*d = (struct guest_devices){.nodes = calloc(max + 1, sizeof(*d->nodes)),
		.requests = calloc(max + 1, sizeof(*d->requests)),
		.request_list = calloc(max + 1, sizeof(*d->request_list))};
	return d->nodes && d->requests && d->request_list ? 0 : -ENOMEM;
}

void guest_devices_fini(struct guest_devices *d)
{
	free(d->nodes);
	free(d->requests);
	free(d->request_list);
	*d = (struct guest_devices){0};
}

const char *guest_devices_driver(const struct hypervisor_guest_address *address)
{
	return address->scsi[0] ? "scsi" : "blk";
}

const char *guest_devices_source(const struct hypervisor_guest_address *address)
{
	return address->scsi[0] ? address->scsi : address->pci;
}

void guest_devices_add(struct guest_devices *d, const char *path,
	const struct hypervisor_guest_address *address, const struct volume_facts *node)
{
	Grpc__Device *request = &d->requests[d->n];
	Grpc__LinuxDevice *device = &d->nodes[d->n];

	grpc__device__init(request);
	request->type = message_text(guest_devices_driver(address));
	request->id = message_text(guest_devices_source(address));
	request->container_path = message_text(path);
	d->request_list[d->n++] = request;
	grpc__linux_device__init(device);
	if (!node)
		return;
	device->path = message_text(path);
	device->type = message_text("b");
	MESSAGE_SET(device, major, major(node->device));
	MESSAGE_SET(device, minor, minor(node->device));
	MESSAGE_SET(device, filemode, node->mode & 07777);
	MESSAGE_SET(device, uid, node->uid);
	MESSAGE_SET(device, gid, node->gid);
}

bool guest_devices_are_granted(
	const Grpc__LinuxDevice *device, const Grpc__LinuxResources *resources)
{
	for (size_t i = 0; resources && i < resources->n_devices; i++) {
		const Grpc__LinuxDeviceCgroup *rule = resources->devices[i];

		if (rule->allow && rule->type && strcmp(rule->type, "b") == 0 && rule->has_major &&
			rule->has_minor && rule->major == device->major &&
			rule->minor == device->minor)
			return true;
	}
	return false;
}
