/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The agent's StatsContainer reply into what containerd expects of Stats: a Metrics message of
 * cgroup v1 or v2, which it tells apart by its name.
 *
 * The guest's cgroups decide which, not the host's: the two count memory by different names, and a
 * kubelet takes the working set from one of them. (Upstream always sends v1, whose fields a v2 guest
 * leaves empty.) The guest's memory.stat tells: version 2 has a line "anon".
 *
 * The guest is hostile: numbers are passed on as they are; a name that is not UTF-8 is left out with
 * what it names, because containerd's clients would refuse the whole of it.
 */
#include "agent.pb-c.h"
#include "base/buf.h"

struct metrics {
	const char *type; /* static: what the bytes are, for google.protobuf.Any */
	struct buf bytes; /* owned */
};

/* -ENOMEM. ret is an empty struct metrics, whose bytes the caller frees also after a failure. */
int metrics_encode(const Grpc__StatsContainerResponse *stats, struct metrics *ret) must_check;
