/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a QEMU guest's memory is made of on the host. vhost-user back ends map it, so it is shared and
 * has a descriptor in every case. */
#include "hypervisor/qemu_device.h"

struct qemu_memory {
	const char *file_dir; /* a file without a name in this directory; NULL or "": a memfd */
	bool hugepages;	      /* of the host's default size */
	bool prealloc;	      /* taken from the host at once */
};

/* A back end of this name; part is uninitialised. */
void qemu_memory_describe(
	const struct qemu_memory *memory, const char *id, uint64_t mib, struct qemu_part *part);
/* A DIMM with its back end. */
void qemu_memory_describe_dimm(const struct qemu_memory *memory, const char *id, uint32_t number,
	uint64_t mib, struct qemu_parts *ret);
