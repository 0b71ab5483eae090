/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/metrics.h"

#include <string.h>

#include "base/utf8.h"
#include "cgroup_metrics_v1.pb-c.h"
#include "cgroup_metrics_v2.pb-c.h"
#include "runtime/metrics_private.h"

bool metrics_is_text(const char *s)
{
	size_t left = s ? strlen(s) : 0;

	while (left > 0) {
		size_t n = utf8_sequence(s, left);

		if (n == 0)
			return false;
		s += n;
		left -= n;
	}
	return s != NULL;
}

static const uint64_t *find(const Grpc__MemoryStats *m, const char *key)
{
	for (size_t i = 0; m && i < m->n_stats; i++)
		if (strcmp(m->stats[i]->key, key) == 0)
			return &m->stats[i]->value;
	return NULL;
}

void metrics_fill(const Grpc__MemoryStats *from, const struct metrics_row *rows, size_t n_rows,
	ProtobufCMessage *to)
{
	for (size_t i = 0; i < n_rows; i++) {
		const uint64_t *value = find(from, rows[i].key);

		if (!value)
			continue;
		*(uint64_t *)(void *)((char *)to + rows[i].value) = *value;
		*(protobuf_c_boolean *)(void *)((char *)to + rows[i].has) = 1;
	}
}

int metrics_encode(const Grpc__StatsContainerResponse *stats, struct metrics *ret)
{
	const Grpc__CgroupStats *cgroup = stats->cgroup_stats;

	if (cgroup && find(cgroup->memory_stats, "anon")) {
		ret->type = io__containerd__cgroups__v2__metrics__descriptor.name;
		return metrics_encode_v2(stats, &ret->bytes);
	}
	ret->type = io__containerd__cgroups__v1__metrics__descriptor.name;
	return metrics_encode_v1(stats, &ret->bytes);
}
