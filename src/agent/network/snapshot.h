/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the kernel's tables held before a change, kept as the messages that it sent: they are sent
 * back as they are, so that nothing is lost that we do not know of.
 */
#include "linux/rtnl.h"

/* Whether to keep a message of a dump. */
typedef bool snapshot_fn(const struct rtnl_message *m, const void *data);

/* Appends to list those of a dump that fn wants. 0, or -errno as rtnl_dump(). */
int snapshot_take(struct rtnl *nl, uint16_t type, uint8_t family, snapshot_fn *fn, const void *data,
	struct buf *list) must_check;

/* Puts all of them back as far as the kernel lets us, in their order; of routes first those without
 * a gateway. There is nothing to be done about one that it refuses. */
void snapshot_restore(struct rtnl *nl, const struct buf *list);
