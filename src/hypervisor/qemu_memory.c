/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/qemu_memory.h"

#include <stdio.h>

enum { MIB_SHIFT = 20 };

void qemu_memory_describe(
	const struct qemu_memory *memory, const char *id, uint64_t mib, struct qemu_part *part)
{
	bool has_file = memory->file_dir && *memory->file_dir;

	qemu_part_init(part, QEMU_PART_OBJECT, id);
	qemu_part_put(
		part, "qom-type", "%s", has_file ? "memory-backend-file" : "memory-backend-memfd");
	qemu_part_put(part, "id", "%s", id);
	qemu_part_put_number(part, "size", mib << MIB_SHIFT);
	qemu_part_put_bool(part, "share", true);
	if (has_file)
		qemu_part_put(part, "mem-path", "%s", memory->file_dir);
	if (memory->hugepages && !has_file)
		qemu_part_put_bool(part, "hugetlb", true);
	if (memory->prealloc)
		qemu_part_put_bool(part, "prealloc", true);
}

void qemu_memory_describe_dimm(const struct qemu_memory *memory, const char *id, uint32_t number,
	uint64_t mib, struct qemu_parts *ret)
{
	struct qemu_part *front = &ret->list[1];
	char name[QEMU_PART_ID_SIZE];

	(void)snprintf(name, sizeof(name), "mem%u", number);
	qemu_memory_describe(memory, name, mib, &ret->list[0]);
	(void)snprintf(name, sizeof(name), "dev-%s", id);
	qemu_part_init(front, QEMU_PART_DEVICE, name);
	qemu_part_put(front, "driver", "pc-dimm");
	qemu_part_put(front, "id", "%s", front->id);
	qemu_part_put(front, "memdev", "%s", ret->list[0].id);
	ret->n = 2;
}
