/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a cgroup has used (linux/cgroup_stats.h) as the answer to StatsContainer. */
#include "linux/cgroup_stats.h"
#include "wire/ttrpc_server.h"

/* Answers the call. network_stats are left out: in a pod all containers have the same interfaces,
 * and the host knows them. */
void stats_reply(struct ttrpc_call *call, struct cgroup_stats *stats);
