/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/qemu_cpus.h"

#include <stdio.h>
#include <string.h>

/* Those of QEMU's CpuInstanceProperties that say where a CPU is. */
static const char *const keys[] = {
	"node-id", "socket-id", "die-id", "cluster-id", "core-id", "thread-id"};

_Static_assert(ARRAY_SIZE(keys) <= QEMU_CPU_PROPERTIES_MAX, "all of them fit");

static int read_place(const struct value *entry, struct qemu_cpus *cpus, struct err *err)
{
	const struct value *type = value_need(entry, "type", err);
	const struct value *props = type ? value_need(entry, "props", err) : NULL;
	const char *text;
	int r = props ? value_get_string(type, &text, err) : -EINVAL;

	if (r < 0)
		return r;
	if (!*text || strlen(text) >= sizeof(cpus->type))
		return value_error(type, err, "is empty or too long");
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const struct value *v = value_find(props, keys[i]);
		uint64_t n;

		if (!v)
			continue;
		r = value_get_u64(v, 0, UINT32_MAX, &n, err);
		if (r < 0)
			return r;
		cpus->properties[cpus->n_properties].key = keys[i];
		cpus->properties[cpus->n_properties++].value = (uint32_t)n;
	}
	(void)snprintf(cpus->type, sizeof(cpus->type), "%s", text);
	return 0;
}

/* QEMU lists the last place first: the place that is kept is the last in the text. */
static int read_entry(const struct value *entry, struct qemu_cpus *cpus, struct err *err)
{
	const struct value *count = value_find(entry, "vcpus-count");
	uint64_t n = 1;
	int r = value_check_type(entry, VALUE_TABLE, err);

	if (r == 0 && count)
		r = value_get_u64(count, 1, QEMU_CPUS_MAX, &n, err);
	if (r < 0)
		return r;
	if (value_find(entry, "qom-path")) {
		cpus->n_present += (uint32_t)n;
		return 0;
	}
	cpus->n_properties = 0;
	return read_place(entry, cpus, err);
}

int qemu_cpus_parse(const struct value *answer, struct qemu_cpus *ret, struct err *err)
{
	struct qemu_cpus cpus = {.n_present = 0};
	int r = value_check_type(answer, VALUE_ARRAY, err);

	if (r == 0 && value_count(answer) > QEMU_CPUS_MAX)
		r = value_error(answer, err, "more than %d entries", QEMU_CPUS_MAX);
	if (r < 0)
		return r;
	VALUE_FOREACH(entry, answer)
	{
		r = read_entry(entry, &cpus, err);
		if (r < 0)
			return r;
	}
	*ret = cpus;
	return 0;
}

void qemu_cpus_describe(const struct qemu_cpus *cpus, const char *id, struct qemu_parts *ret)
{
	struct qemu_part *part = &ret->list[0];
	char name[QEMU_PART_ID_SIZE];

	(void)snprintf(name, sizeof(name), "dev-%s", id);
	qemu_part_init(part, QEMU_PART_DEVICE, name);
	qemu_part_put(part, "driver", "%s", cpus->type);
	qemu_part_put(part, "id", "%s", part->id);
	for (size_t i = 0; i < cpus->n_properties; i++)
		qemu_part_put_number(part, cpus->properties[i].key, cpus->properties[i].value);
	ret->n = 1;
}
