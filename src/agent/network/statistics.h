/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The network part of StatsContainer. All containers share the guest's interfaces, so each is told
 * the same: what has gone through all of them but lo. */
#include "agent.pb-c.h"
#include "base/slice.h"

struct network_statistics {
	Grpc__NetworkStats **list; /* owned, with all that it points to */
	size_t n;
};

/* Reads /proc/net/dev, which waits for nobody. -ENOMEM. A file that cannot be read, or is longer
 * than any guest's of ours, gives none. */
int network_statistics_read(struct network_statistics *ret) must_check;
/* What text says: the other half of it, for tests. */
int network_statistics_parse(struct slice text, struct network_statistics *ret) must_check;
void network_statistics_fini(struct network_statistics *s);
