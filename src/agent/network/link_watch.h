/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Is told by the kernel of each link that comes or changes. */
#include "linux/net_address.h"
#include "loop/loop.h"

struct link_watch;

/* mac NULL: notifications were lost, so perhaps any. May free the watch. */
typedef void link_watch_fn(void *data, const struct mac_address *mac);

int link_watch_new(
	struct loop *loop, link_watch_fn *fn, void *data, struct link_watch **ret) must_check;
/* NULL is fine. */
void link_watch_free(struct link_watch *watch);
