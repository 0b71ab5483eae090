/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * Names can be changed only while a link is down, which makes the kernel forget its IPv6 addresses
 * and its routes. So a link that has its name already stays up; what else is taken down, be it the
 * one whose name is wanted, gets back what the snapshot (snapshot.h) holds of it. The same snapshot
 * undoes all when a step fails.
 */
#include <fcntl.h>
#include <stdio.h>

#include "agent.pb-c.h"
#include "agent/network/interface_request.h"
#include "agent/network/methods.h"
#include "agent/network/snapshot.h"
#include "agent/rpc.h"
#include "base/io.h"
#include "wire/status.h"

struct side {
	struct rtnl_link was; /* index 0: there is none */
	struct buf tables;    /* its addresses and routes */
	bool is_down;	      /* we took it down */
};

struct update {
	struct rtnl nl;
	struct interface_request wanted;
	struct side link;
	struct side other; /* has the wanted name so far */
	char of_device
		[IFNAMSIZ]; /* what the link of the wanted device is called; "": there is none */
	bool is_renamed, has_new_mac;
};

static bool is_of_link(const struct rtnl_message *m, const void *data)
{
	const struct rtnl_link *link = data;
	struct rtnl_addr addr;
	struct rtnl_route route;

	if (m->type == RTM_NEWADDR)
		return rtnl_decode_addr(m->body, &addr) == 0 && addr.index == link->index;
	/* Those of the kernel come back with the addresses. */
	return m->type == RTM_NEWROUTE && rtnl_decode_route(m->body, &route) == 0 &&
	       route.index == link->index && route.table != RT_TABLE_LOCAL &&
	       route.protocol != RTPROT_KERNEL && !(route.flags & RTM_F_CLONED);
}

static int look_at_side(struct update *u, struct side *side)
{
	int r;

	if (side->was.index == 0)
		return 0;
	r = snapshot_take(&u->nl, RTM_GETADDR, AF_UNSPEC, is_of_link, &side->was, &side->tables);
	if (r == 0)
		r = snapshot_take(
			&u->nl, RTM_GETROUTE, AF_INET, is_of_link, &side->was, &side->tables);
	if (r == 0)
		r = snapshot_take(
			&u->nl, RTM_GETROUTE, AF_INET6, is_of_link, &side->was, &side->tables);
	return r;
}

/* Several links of one device, or none yet: the MAC address will tell. */
static void find_device(struct update *u)
{
	auto_fd int sys_fd = open("/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char devpath[PCI_DEVPATH_SIZE];
	const char *name;

	if (sys_fd < 0 || device_find(sys_fd, &u->wanted.device, devpath) < 0)
		return;
	name = strrchr(devpath, '/');
	if (name && strlen(name + 1) < IFNAMSIZ)
		memcpy(u->of_device, name + 1, strlen(name + 1) + 1);
}

/* Bridges and VLANs that containers make of a card have its address too. */
static unsigned int rank(const struct update *u, const struct rtnl_link *link)
{
	if (link->flags & IFF_LOOPBACK)
		return 0;
	if (strcmp(link->name, u->of_device) == 0)
		return 4;
	if (!mac_address_is_same(&link->mac, &u->wanted.mac))
		return 0;
	if (*u->wanted.name && strcmp(link->name, u->wanted.name) == 0)
		return 3;
	return link->is_virtual ? 1 : 2;
}

static int find_links(struct update *u)
{
	auto_buf struct buf list = BUF_INIT;
	unsigned int best = 0;
	struct rtnl_message m;
	struct rtnl_link link;
	struct slice rest;
	int r = rtnl_dump(&u->nl, RTM_GETLINK, AF_UNSPEC, &list);

	rest = buf_slice(&list);
	while (r >= 0 && (r = rtnl_next_message(&rest, &m)) > 0) {
		if (m.type != RTM_NEWLINK || rtnl_decode_link(m.body, &link) < 0)
			continue;
		if (strcmp(link.name, u->wanted.name) == 0)
			u->other.was = link;
		if (rank(u, &link) > best) {
			best = rank(u, &link);
			u->link.was = link;
		}
	}
	return r;
}

/* Hosts look for the first three words, and try again. */
static int say_missing(const struct interface_request *wanted, struct err *err)
{
	char mac[MAC_ADDRESS_TEXT_SIZE], device[DEVICE_TEXT_SIZE];

	mac_address_format(&wanted->mac, mac);
	if (!wanted->is_plugged)
		return err_set(
			err, ENODEV, "Link not found (no interface has the address %s)", mac);
	device_want_format(&wanted->device, device);
	return err_set(err, ENODEV, "Link not found (no interface has the address %s, nor a %s)",
		mac, device);
}

static int choose_links(struct update *u, struct err *err)
{
	const char *name = u->wanted.name;
	int r;

	if (u->wanted.is_plugged)
		find_device(u);
	r = find_links(u);

	if (r < 0)
		return rtnl_error(&u->nl, r, err, "list links");
	if (u->other.was.flags & IFF_LOOPBACK)
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"interface: %s is the name of the loopback interface", name);
	if (u->link.was.index == 0 && u->other.was.index != 0 && !u->wanted.is_plugged)
		u->link.was = u->other.was;
	if (u->link.was.index == 0)
		return say_missing(&u->wanted, err);
	u->has_new_mac = !mac_address_is_same(&u->link.was.mac, &u->wanted.mac);
	if (u->link.was.index == u->other.was.index)
		u->other.was = (struct rtnl_link){.index = 0};
	r = look_at_side(u, &u->link);
	if (r == 0)
		r = look_at_side(u, &u->other);
	return r < 0 ? rtnl_error(&u->nl, r, err, "look at link %s", u->link.was.name) : 0;
}

static int change(struct update *u, const struct rtnl_link_change *c)
{
	struct rtnl_request request;

	rtnl_encode_link(c, &request);
	return rtnl_call(&u->nl, &request);
}

static int set_flags(
	struct update *u, const struct side *side, unsigned int flags, unsigned int mask)
{
	return change(u, &(struct rtnl_link_change){
				 .index = side->was.index, .flags = flags, .flags_mask = mask});
}

static int set_name(struct update *u, const struct side *side, const char *name)
{
	return change(u, &(struct rtnl_link_change){.index = side->was.index, .name = name});
}

static int take_down(struct update *u, struct side *side)
{
	if (!(side->was.flags & IFF_UP) || side->is_down)
		return 0;
	side->is_down = true;
	return set_flags(u, side, 0, IFF_UP);
}

static int bring_back(struct update *u, struct side *side)
{
	int r = 0;

	if (side->is_down)
		r = set_flags(u, side, IFF_UP, IFF_UP);
	if (r == 0 && side->is_down)
		snapshot_restore(&u->nl, &side->tables);
	return r;
}

/* No other link can have it: it is of our own form, with a number that only one link has. */
static void make_spare_name(const struct side *side, char name[static IFNAMSIZ])
{
	snprintf(name, IFNAMSIZ, "swap%d", side->was.index);
}

static int rename_link(struct update *u)
{
	char spare[IFNAMSIZ];
	int r = 0;

	u->is_renamed = true;
	if (u->other.was.index != 0) {
		make_spare_name(&u->other, spare);
		r = take_down(u, &u->other);
		if (r == 0)
			r = set_name(u, &u->other, spare);
	}
	if (r == 0)
		r = take_down(u, &u->link);
	if (r == 0)
		r = set_name(u, &u->link, u->wanted.name);
	if (r < 0 || u->other.was.index == 0)
		return r;
	r = set_name(u, &u->other, u->link.was.name);
	return r < 0 ? r : bring_back(u, &u->other);
}

static int change_link(struct update *u, struct err *err)
{
	const struct rtnl_link *was = &u->link.was;
	int r = 0;

	if (u->has_new_mac) {
		r = take_down(u, &u->link);
		if (r == 0)
			r = change(u, &(struct rtnl_link_change){
					      .index = was->index, .mac = &u->wanted.mac});
		if (r < 0)
			return rtnl_error(&u->nl, r, err, "set the address of link %s", was->name);
	}
	if (*u->wanted.name && strcmp(was->name, u->wanted.name) != 0)
		r = rename_link(u);
	if (r < 0)
		return rtnl_error(
			&u->nl, r, err, "rename link %s to %s", was->name, u->wanted.name);
	if (u->wanted.mtu && u->wanted.mtu != was->mtu)
		r = change(
			u, &(struct rtnl_link_change){.index = was->index, .mtu = u->wanted.mtu});
	if (r < 0)
		return rtnl_error(
			&u->nl, r, err, "set the MTU of link %s to %u", was->name, u->wanted.mtu);
	if (u->wanted.no_arp != !!(was->flags & IFF_NOARP))
		r = set_flags(u, &u->link, u->wanted.no_arp ? IFF_NOARP : 0, IFF_NOARP);
	return r < 0 ? rtnl_error(&u->nl, r, err, "set the flags of link %s", was->name) : 0;
}

static bool is_zero(const char *path)
{
	auto_buf struct buf text = BUF_INIT;

	return io_read_file(AT_FDCWD, path, 16, &text) == 0 && buf_str(&text)[0] == '0';
}

/* Also true without IPv6 in the kernel. */
static bool ipv6_is_disabled(void)
{
	return !is_zero("/proc/sys/net/ipv6/conf/all/disable_ipv6") &&
	       !is_zero("/proc/sys/net/ipv6/conf/default/disable_ipv6");
}

static int call_addr(
	struct update *u, uint16_t type, const struct ip_address *ip, uint32_t addr_flags)
{
	struct rtnl_addr addr = {.index = u->link.was.index, .ip = *ip, .flags = addr_flags};
	struct rtnl_request request;

	rtnl_encode_addr(
		type, type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_REPLACE : 0, &addr, &request);
	return rtnl_call(&u->nl, &request);
}

/* That an address of IPv6 is nobody else's has been seen to where the host got it: a second look
 * would only keep it from being used for a second. */
static int add_addresses(struct update *u, struct err *err)
{
	bool no_ipv6 = ipv6_is_disabled();
	char text[IP_ADDRESS_TEXT_SIZE];

	for (size_t i = 0; i < u->wanted.n_addresses; i++) {
		const struct ip_address *ip = &u->wanted.addresses[i];
		int r;

		if (ip->family == AF_INET6 && no_ipv6)
			continue;
		r = call_addr(u, RTM_NEWADDR, ip, ip->family == AF_INET6 ? IFA_F_NODAD : 0);
		if (r < 0)
			return rtnl_error(&u->nl, r, err, "add address %s to link %s",
				ip_address_format(ip, true, text), u->link.was.name);
	}
	return 0;
}

static bool is_wanted(const struct update *u, const struct rtnl_addr *addr)
{
	for (size_t i = 0; i < u->wanted.n_addresses; i++)
		if (ip_address_is_same(&u->wanted.addresses[i], &addr->ip) &&
			u->wanted.addresses[i].prefix == addr->ip.prefix)
			return true;
	return false;
}

/* Before those of the request are added: with the first IPv4 address of a network go its others. */
static void remove_old_addresses(struct update *u)
{
	struct slice rest = buf_slice(&u->link.tables);
	struct rtnl_message m;
	struct rtnl_addr addr;

	if (u->wanted.n_addresses == 0)
		return;
	while (rtnl_next_message(&rest, &m) > 0)
		if (m.type == RTM_NEWADDR && rtnl_decode_addr(m.body, &addr) == 0 &&
			addr.flags & IFA_F_PERMANENT && !is_wanted(u, &addr) &&
			(addr.ip.family == AF_INET || addr.scope != RT_SCOPE_LINK))
			(void)!call_addr(u, RTM_DELADDR, &addr.ip, 0);
}

static int apply(struct update *u, struct err *err)
{
	int r = change_link(u, err);

	if (r < 0)
		return r;
	remove_old_addresses(u);
	r = add_addresses(u, err);
	if (r < 0)
		return r;
	r = set_flags(u, &u->link, IFF_UP, IFF_UP);
	if (r < 0)
		return rtnl_error(&u->nl, r, err, "bring link %s up", u->link.was.name);
	if (u->wanted.n_addresses == 0 && u->link.is_down)
		snapshot_restore(&u->nl, &u->link.tables);
	return 0;
}

static void put_names_back(struct update *u)
{
	char spare[IFNAMSIZ];

	(void)!set_flags(u, &u->link, 0, IFF_UP);
	if (u->other.was.index != 0) {
		make_spare_name(&u->link, spare);
		(void)!set_flags(u, &u->other, 0, IFF_UP);
		(void)!set_name(u, &u->link, spare);
		(void)!set_name(u, &u->other, u->other.was.name);
	}
	(void)!set_name(u, &u->link, u->link.was.name);
}

/* Each step as if it had been taken: what was not changed is then set to what it is. */
static void undo(struct update *u)
{
	const struct rtnl_link *was = &u->link.was;

	if (u->is_renamed)
		put_names_back(u);
	if (u->has_new_mac) {
		(void)!take_down(u, &u->link);
		(void)!change(u, &(struct rtnl_link_change){.index = was->index, .mac = &was->mac});
	}
	(void)!change(u, &(struct rtnl_link_change){.index = was->index, .mtu = was->mtu});
	for (size_t i = 0; i < u->wanted.n_addresses; i++)
		(void)!call_addr(u, RTM_DELADDR, &u->wanted.addresses[i], 0);
	(void)!set_flags(u, &u->link, was->flags, IFF_UP | IFF_NOARP);
	snapshot_restore(&u->nl, &u->link.tables);
	if (u->other.was.index == 0)
		return;
	(void)!set_flags(u, &u->other, u->other.was.flags, IFF_UP);
	snapshot_restore(&u->nl, &u->other.tables);
}

static int update(struct update *u, const Types__Interface *interface, struct err *err)
{
	int r = interface_request_parse(interface, &u->wanted, err);

	if (r < 0)
		return r;
	r = rtnl_open(&u->nl);
	if (r < 0)
		return err_sys(err, -r, "open rtnetlink");
	r = choose_links(u, err);
	if (r < 0)
		return r;
	r = apply(u, err);
	if (r < 0)
		undo(u);
	return r;
}

static int run(const ProtobufCMessage *message, struct network_reply *reply, struct err *err)
{
	const Grpc__UpdateInterfaceRequest *request = (const Grpc__UpdateInterfaceRequest *)message;
	struct update u = {.nl = RTNL_INIT};
	int r = update(&u, request->interface, err);

	rtnl_close(&u.nl);
	interface_request_fini(&u.wanted);
	buf_fini(&u.link.tables);
	buf_fini(&u.other.tables);
	return r < 0 ? r : network_reply_set(reply, &request->interface->base, err);
}

static int check(const ProtobufCMessage *message, struct err *err)
{
	const Grpc__UpdateInterfaceRequest *request = (const Grpc__UpdateInterfaceRequest *)message;
	auto_interface_request struct interface_request wanted = {.addresses = NULL};

	return interface_request_parse(request->interface, &wanted, err);
}

/* What check() has seen is there. */
static void get_awaited(const ProtobufCMessage *message, struct mac_address *ret)
{
	const Grpc__UpdateInterfaceRequest *request = (const Grpc__UpdateInterfaceRequest *)message;

	*ret = (struct mac_address){.len = 0};
	if (!*rpc_str(request->interface->devicepath))
		(void)!mac_address_parse(rpc_str(request->interface->hwaddr), ret);
}

static int say_missing_after_all(const ProtobufCMessage *message, struct err *err)
{
	const Grpc__UpdateInterfaceRequest *request = (const Grpc__UpdateInterfaceRequest *)message;
	auto_interface_request struct interface_request wanted = {.addresses = NULL};
	int r = interface_request_parse(request->interface, &wanted, err);

	return r < 0 ? r : say_missing(&wanted, err);
}

const struct network_method network_update_interface = {
	.name = "update interface",
	.lane = NETWORK_LANE_KERNEL,
	.check = check,
	.run = run,
	.reply = &types__interface__descriptor,
	.get_awaited = get_awaited,
	.say_missing = say_missing_after_all,
};
