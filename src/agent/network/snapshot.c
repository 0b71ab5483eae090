/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/network/snapshot.h"

int snapshot_take(struct rtnl *nl, uint16_t type, uint8_t family, snapshot_fn *fn, const void *data,
	struct buf *list)
{
	static const uint8_t padding[NLMSG_ALIGNTO];
	auto_buf struct buf all = BUF_INIT;
	int r = rtnl_dump(nl, type, family, &all);
	struct slice rest = buf_slice(&all);
	struct rtnl_message m;

	while (r >= 0 && (r = rtnl_next_message(&rest, &m)) > 0)
		if (fn(&m, data) &&
			(buf_append(list, m.whole.p, m.whole.len) < 0 ||
				buf_append(list, padding, -m.whole.len % NLMSG_ALIGNTO) < 0))
			return -ENOMEM;
	return r;
}

static bool needs_gateway(const struct rtnl_message *m)
{
	struct rtnl_route route;

	return m->type == RTM_NEWROUTE && rtnl_decode_route(m->body, &route) == 0 &&
	       route.gateway.family != AF_UNSPEC;
}

static void restore_pass(struct rtnl *nl, const struct buf *list, bool with_gateway)
{
	struct slice rest = buf_slice(list);
	struct rtnl_message m;

	while (rtnl_next_message(&rest, &m) > 0)
		if (needs_gateway(&m) == with_gateway)
			(void)!rtnl_call_again(nl, &m);
}

void snapshot_restore(struct rtnl *nl, const struct buf *list)
{
	restore_pass(nl, list, false);
	restore_pass(nl, list, true);
}
