/* SPDX-License-Identifier: Apache-2.0 */
/* A datagram of rtnetlink: each message is handed to each decoder, whatever its type says. */
#include <assert.h>

#include "linux/rtnl_message.h"
#include "linux/rtnl_tc.h"

static void check_ip(const struct ip_address *ip)
{
	char text[IP_ADDRESS_TEXT_SIZE];

	if (ip->family == AF_UNSPEC)
		return;
	assert(ip->prefix <= 8 * ip_address_size(ip->family));
	assert(*ip_address_format(ip, true, text));
}

static void check_mac(const struct mac_address *mac)
{
	char text[MAC_ADDRESS_TEXT_SIZE];

	assert(mac->len <= MAC_ADDRESS_MAX);
	assert(strlen(mac_address_format(mac, text)) == (mac->len ? mac->len * 3U - 1 : 0));
}

static void decode(const struct rtnl_message *m)
{
	struct rtnl_link link;
	struct rtnl_addr addr;
	struct rtnl_route route;
	struct rtnl_neighbor neighbor;
	struct rtnl_qdisc qdisc;
	char why[RTNL_WHY_SIZE];
	int code;

	if (rtnl_decode_link(m->body, &link) == 0) {
		assert(link.index > 0 && *link.name && strlen(link.name) < sizeof(link.name));
		assert(strlen(link.kind) < sizeof(link.kind));
		check_mac(&link.mac);
	}
	if (rtnl_decode_qdisc(m->body, &qdisc) == 0)
		assert(qdisc.index > 0);
	if (rtnl_decode_addr(m->body, &addr) == 0) {
		assert(addr.index > 0 && addr.ip.family != AF_UNSPEC);
		check_ip(&addr.ip);
	}
	if (rtnl_decode_route(m->body, &route) == 0) {
		assert(route.index >= 0);
		check_ip(&route.dest);
		check_ip(&route.from);
		check_ip(&route.source);
		check_ip(&route.gateway);
	}
	if (rtnl_decode_neighbor(m->body, &neighbor) == 0) {
		check_ip(&neighbor.ip);
		check_mac(&neighbor.mac);
	}
	if (rtnl_decode_error(m, &code, why) == 0)
		assert(code <= 0 && strlen(why) < sizeof(why));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = slice_of(data, size);
	struct rtnl_message m;
	size_t n = 0;

	while (rtnl_next_message(&rest, &m) > 0) {
		assert(m.body.len <= size && rest.len < size);
		decode(&m);
		n++;
	}
	assert(n <= size / sizeof(struct nlmsghdr));
	return 0;
}
