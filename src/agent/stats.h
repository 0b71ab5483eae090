/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a cgroup has used (linux/cgroup_stats.h) as the answer to StatsContainer. */
#include "linux/cgroup_stats.h"
#include "wire/ttrpc_server.h"

/* Answers the call, with what has gone through the network too (network/statistics.h). */
void stats_reply(struct ttrpc_call *call, struct cgroup_stats *stats);
