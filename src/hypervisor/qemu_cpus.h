/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which CPUs a QEMU machine has and which it could have, by its own word: the answer to
 * query-hotpluggable-cpus, which is not trusted.
 */
#include "hypervisor/qemu_device.h"
#include "text/value.h"

enum { QEMU_CPU_TYPE_SIZE = 64, QEMU_CPU_PROPERTIES_MAX = 8, QEMU_CPUS_MAX = 1024 };

struct qemu_cpus {
	uint32_t n_present;
	/* The first place for another one; type "" if there is none. */
	char type[QEMU_CPU_TYPE_SIZE];
	struct {
		const char *key; /* static: "socket-id", ... */
		uint32_t value;
	} properties[QEMU_CPU_PROPERTIES_MAX];
	size_t n_properties;
};

/* answer: what "return" holds. */
int qemu_cpus_parse(const struct value *answer, struct qemu_cpus *ret, struct err *err) must_check;
/* A CPU in the free place, as device "dev-<id>". */
void qemu_cpus_describe(const struct qemu_cpus *cpus, const char *id, struct qemu_parts *ret);
