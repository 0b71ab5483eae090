/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "agent.pb-c.h"
#include "agent/network/methods.h"
#include "linux/rtnl.h"

/* No host decodes a longer list (wire/message_limits.c). */
enum { MAX_ENTRIES = 4096 };

/* The messages of an answer with the texts that they point to. */
struct address_entry {
	Types__IPAddress message;
	int index; /* of its link */
	char address[IP_ADDRESS_TEXT_SIZE], mask[4];
};

struct link_entry {
	Types__Interface message;
	int index;
	char name[IFNAMSIZ], mac[MAC_ADDRESS_TEXT_SIZE];
};

struct listing {
	Grpc__Interfaces reply;
	struct link_entry *links;
	struct address_entry *addresses;
	size_t n_links, n_addresses;
	Types__Interface **interfaces;
	Types__IPAddress **by_link; /* those of a link stand together */
};

static int add_link(struct listing *l, struct slice body)
{
	struct link_entry *e = &l->links[l->n_links];
	struct rtnl_link link;
	int r = rtnl_decode_link(body, &link);

	if (r < 0)
		return r;
	if (l->n_links == MAX_ENTRIES)
		return -E2BIG;
	types__interface__init(&e->message);
	e->index = link.index;
	memcpy(e->name, link.name, sizeof(e->name));
	mac_address_format(&link.mac, e->mac);
	e->message.name = e->name;
	e->message.hwaddr = e->mac;
	e->message.has_mtu = 1;
	e->message.mtu = link.mtu;
	l->n_links++;
	return 0;
}

static int add_address(struct listing *l, struct slice body)
{
	struct address_entry *e = &l->addresses[l->n_addresses];
	struct rtnl_addr addr;
	int r = rtnl_decode_addr(body, &addr);

	if (r < 0)
		return r;
	if (l->n_addresses == MAX_ENTRIES)
		return -E2BIG;
	types__ipaddress__init(&e->message);
	e->index = addr.index;
	ip_address_format(&addr.ip, false, e->address);
	snprintf(e->mask, sizeof(e->mask), "%u", addr.ip.prefix);
	e->message.has_family = 1;
	e->message.family = addr.ip.family == AF_INET6 ? TYPES__IPFAMILY__v6 : TYPES__IPFAMILY__v4;
	e->message.address = e->address;
	e->message.mask = e->mask;
	l->n_addresses++;
	return 0;
}

static int read_list(struct rtnl *nl, uint16_t type, uint16_t kind, struct listing *l,
	int (*add)(struct listing *l, struct slice body))
{
	auto_buf struct buf list = BUF_INIT;
	int r = rtnl_dump(nl, type, AF_UNSPEC, &list);
	struct slice rest = buf_slice(&list);
	struct rtnl_message m;

	while (r >= 0 && (r = rtnl_next_message(&rest, &m)) > 0)
		if (m.type == kind)
			r = add(l, m.body);
	return r;
}

static void join(struct listing *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n_links; i++) {
		Types__Interface *message = &l->links[i].message;

		message->ipaddresses = l->by_link + n;
		for (size_t k = 0; k < l->n_addresses; k++)
			if (l->addresses[k].index == l->links[i].index)
				l->by_link[n++] = &l->addresses[k].message;
		message->n_ipaddresses = (size_t)(l->by_link + n - message->ipaddresses);
		l->interfaces[i] = message;
	}
	grpc__interfaces__init(&l->reply);
	l->reply.interfaces = l->interfaces;
	l->reply.n_interfaces = l->n_links;
}

static int fill(struct listing *l, struct err *err)
{
	auto_rtnl struct rtnl nl = RTNL_INIT;
	int r = rtnl_open(&nl);

	if (r < 0)
		return err_sys(err, -r, "open rtnetlink");
	/* Zeroed memory takes no room until it is used. */
	l->links = calloc(MAX_ENTRIES + 1, sizeof(*l->links));
	l->addresses = calloc(MAX_ENTRIES + 1, sizeof(*l->addresses));
	l->interfaces = calloc(MAX_ENTRIES, sizeof(Types__Interface *));
	l->by_link = calloc(MAX_ENTRIES, sizeof(Types__IPAddress *));
	if (!l->links || !l->addresses || !l->interfaces || !l->by_link)
		return err_sys(err, ENOMEM, "list interfaces");
	r = read_list(&nl, RTM_GETLINK, RTM_NEWLINK, l, add_link);
	if (r == 0)
		r = read_list(&nl, RTM_GETADDR, RTM_NEWADDR, l, add_address);
	if (r < 0)
		return rtnl_error(&nl, r, err, "list interfaces");
	join(l);
	return 0;
}

static int run(const ProtobufCMessage *request, struct network_reply *reply, struct err *err)
{
	struct listing l = {.links = NULL};
	int r = fill(&l, err);

	(void)request;
	if (r == 0)
		r = network_reply_set(reply, &l.reply.base, err);
	free(l.links);
	free(l.addresses);
	free(l.interfaces);
	free(l.by_link);
	return r;
}

const struct network_method network_list_interfaces = {
	.name = "list interfaces",
	.lane = NETWORK_LANE_KERNEL,
	.run = run,
	.reply = &grpc__interfaces__descriptor,
};
