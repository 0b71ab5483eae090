/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/network/scan.h"

#include <assert.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/io.h"
#include "linux/namespace.h"
#include "linux/rtnl.h"
#include "linux/rtnl_tc.h"

enum { ETHERNET_ADDRESS_SIZE = 6, RESOLV_CONF_MAX_SIZE = 64 << 10 };

static const char *const kinds[] = {
	[NETWORK_VETH] = "veth",
	[NETWORK_IPVLAN] = "ipvlan",
	[NETWORK_MACVLAN] = "macvlan",
	[NETWORK_VLAN] = "vlan",
	[NETWORK_TAP] = "tun",
	[NETWORK_DEVICE] = "",
};
static_assert(ARRAY_SIZE(kinds) == NETWORK_TYPE_COUNT, "a row for every type");

/* One namespace being looked at. */
struct look {
	struct rtnl nl;
	const char *netns; /* borrowed */
	struct network_scan *scan;
};

int network_open_netns(const char *path, uint64_t *ret_dev, uint64_t *ret_ino, struct err *err)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	int type;

	if (fd < 0)
		return err_sys(err, errno, "open the network namespace %s", path);
	type = namespace_type(fd);
	if (type != CLONE_NEWNET)
		return err_set(err, EINVAL, "%s is not a network namespace", path);
	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "look at the network namespace %s", path);
	if (ret_dev)
		*ret_dev = st.st_dev;
	if (ret_ino)
		*ret_ino = st.st_ino;
	return take_fd(&fd);
}

const struct network_endpoint *network_scan_find(const struct network_scan *scan, int index)
{
	for (size_t i = 0; i < scan->n_endpoints; i++)
		if (scan->endpoints[i].link.index == index)
			return &scan->endpoints[i];
	return NULL;
}

/* Calls fn for each message of a dump until it fails. */
typedef int look_fn(struct look *l, const struct rtnl_message *m, struct err *err);

static int look_at(struct look *l, uint16_t type, uint8_t family, const char *what, look_fn *fn,
	struct err *err)
{
	auto_buf struct buf list = BUF_INIT;
	struct rtnl_message m;
	struct slice rest;
	int r = rtnl_dump(&l->nl, type, family, &list), more = 0;

	rest = buf_slice(&list);
	while (r == 0 && (more = rtnl_next_message(&rest, &m)) > 0)
		r = fn(l, &m, err);
	if (err_is_set(err))
		return r;
	r = r < 0 ? r : more;
	return r < 0 ? rtnl_error(&l->nl, r, err, "list the %s of %s", what, l->netns) : 0;
}

static int refuse_too_many(const struct look *l, size_t max, const char *what, struct err *err)
{
	return err_set(
		err, E2BIG, "network namespace %s holds more than %zu %s", l->netns, max, what);
}

/* ---- Addresses: which links count ---- */

static bool is_link_local(const struct ip_address *ip)
{
	return ip->family == AF_INET6 && ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0x80;
}

static int on_address(struct look *l, const struct rtnl_message *m, struct err *err)
{
	struct network_scan *scan = l->scan;
	struct rtnl_addr addr;
	int r;

	if (m->type != RTM_NEWADDR)
		return 0;
	r = rtnl_decode_addr(m->body, &addr);
	if (r < 0 || is_link_local(&addr.ip) || addr.scope == RT_SCOPE_HOST)
		return r;
	if (scan->n_addresses == NETWORK_ADDRESSES_MAX)
		return refuse_too_many(l, NETWORK_ADDRESSES_MAX, "addresses", err);
	scan->addresses[scan->n_addresses++] = addr;
	return 0;
}

static bool has_address(const struct network_scan *scan, int index)
{
	for (size_t i = 0; i < scan->n_addresses; i++)
		if (scan->addresses[i].index == index)
			return true;
	return false;
}

/* ---- Links ---- */

/* A card of the host has a place on its PCI bus: "0000:03:00.0". */
static bool is_physical(const struct rtnl_link *link)
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq request = {.ifr_data = (void *)&info};
	auto_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const char *colon;

	memcpy(request.ifr_name, link->name, sizeof(request.ifr_name));
	if (fd < 0 || ioctl(fd, SIOCETHTOOL, &request) < 0)
		return false;
	info.bus_info[sizeof(info.bus_info) - 1] = '\0';
	colon = strchr(info.bus_info, ':');
	return colon && strchr(colon + 1, ':');
}

static int judge(
	const struct look *l, const struct rtnl_link *link, enum network_type *ret, struct err *err)
{
	size_t type = 0;

	while (type < NETWORK_TYPE_COUNT && strcmp(kinds[type], link->kind) != 0)
		type++;
	if (type == NETWORK_TYPE_COUNT || (type == NETWORK_DEVICE && link->is_virtual))
		return err_set(err, ENOTSUP,
			"network namespace %s: interface %s: links of kind \"%s\" are not "
			"supported",
			l->netns, link->name, link->kind);
	if (link->mac.len != ETHERNET_ADDRESS_SIZE)
		return err_set(err, ENOTSUP, "network namespace %s: interface %s is no Ethernet",
			l->netns, link->name);
	if (type == NETWORK_DEVICE && is_physical(link))
		return err_set(err, ENOTSUP,
			"network namespace %s: interface %s is a card of the host (VFIO): not "
			"supported yet",
			l->netns, link->name);
	*ret = (enum network_type)type;
	return 0;
}

static int on_link(struct look *l, const struct rtnl_message *m, struct err *err)
{
	struct network_scan *scan = l->scan;
	struct network_endpoint endpoint;
	int r;

	if (m->type != RTM_NEWLINK)
		return 0;
	r = rtnl_decode_link(m->body, &endpoint.link);
	if (r < 0 || endpoint.link.flags & IFF_LOOPBACK || !has_address(scan, endpoint.link.index))
		return r;
	r = judge(l, &endpoint.link, &endpoint.type, err);
	if (r < 0)
		return r;
	if (scan->n_endpoints == NETWORK_ENDPOINTS_MAX)
		return refuse_too_many(l, NETWORK_ENDPOINTS_MAX, "configured interfaces", err);
	scan->endpoints[scan->n_endpoints++] = endpoint;
	return 0;
}

static int on_qdisc(struct look *l, const struct rtnl_message *m, struct err *err)
{
	const struct network_endpoint *endpoint;
	struct rtnl_qdisc qdisc;
	int r;

	if (m->type != RTM_NEWQDISC)
		return 0;
	r = rtnl_decode_qdisc(m->body, &qdisc);
	endpoint = r == 0 && qdisc.is_ingress ? network_scan_find(l->scan, qdisc.index) : NULL;
	if (endpoint)
		return err_set(err, EEXIST,
			"network namespace %s: interface %s has filters (tc) for what it receives "
			"already",
			l->netns, endpoint->link.name);
	return r;
}

/* ---- Routes and neighbours ---- */

static bool has_same_destination(const struct rtnl_route *a, const struct rtnl_route *b)
{
	return a->family == b->family && a->dest.prefix == b->dest.prefix &&
	       ip_address_is_same(&a->dest, &b->dest) && a->from.prefix == b->from.prefix &&
	       ip_address_is_same(&a->from, &b->from);
}

/* The agent is told no priorities: of routes to one destination it gets the one that counts. */
static struct rtnl_route *find_rival(struct network_scan *scan, const struct rtnl_route *route)
{
	for (size_t i = 0; i < scan->n_routes; i++)
		if (has_same_destination(&scan->routes[i], route))
			return &scan->routes[i];
	return NULL;
}

static int on_route(struct look *l, const struct rtnl_message *m, struct err *err)
{
	struct network_scan *scan = l->scan;
	struct rtnl_route route, *rival;
	int r;

	if (m->type != RTM_NEWROUTE)
		return 0;
	r = rtnl_decode_route(m->body, &route);
	/* Those of the kernel follow from the addresses. Those of a router's advertisements have a
	 * time to live, and the guest hears the router itself. */
	if (r < 0 || route.table != RT_TABLE_MAIN || route.protocol == RTPROT_KERNEL ||
		route.protocol == RTPROT_RA || route.flags & RTM_F_CLONED)
		return r;
	if (route.type != RTN_UNICAST || !network_scan_find(scan, route.index)) {
		scan->n_untold++;
		return 0;
	}
	if (scan->n_routes == NETWORK_ROUTES_MAX)
		return refuse_too_many(l, NETWORK_ROUTES_MAX, "routes", err);
	rival = find_rival(scan, &route);
	if (rival) {
		scan->n_untold++;
		if (route.priority < rival->priority)
			*rival = route;
		return 0;
	}
	scan->routes[scan->n_routes++] = route;
	return 0;
}

static int on_neighbor(struct look *l, const struct rtnl_message *m, struct err *err)
{
	struct network_scan *scan = l->scan;
	struct rtnl_neighbor n;
	int r;

	if (m->type != RTM_NEWNEIGH)
		return 0;
	r = rtnl_decode_neighbor(m->body, &n);
	if (r < 0 || !(n.state & NUD_PERMANENT) || n.ip.family == AF_UNSPEC || n.mac.len == 0 ||
		!network_scan_find(scan, n.index))
		return r;
	if (scan->n_neighbors == NETWORK_NEIGHBORS_MAX)
		return refuse_too_many(l, NETWORK_NEIGHBORS_MAX, "permanent neighbors", err);
	scan->neighbors[scan->n_neighbors++] = n;
	return 0;
}

/* Addresses before links, of which only those that have one count; links before what names them. */
static int look_at_all(struct look *l, struct err *err)
{
	static const struct {
		uint16_t type;
		uint8_t family;
		const char *what;
		look_fn *fn;
	} steps[] = {
		{RTM_GETADDR, AF_UNSPEC, "addresses", on_address},
		{RTM_GETLINK, AF_UNSPEC, "links", on_link},
		{RTM_GETQDISC, AF_UNSPEC, "queueing disciplines", on_qdisc},
		{RTM_GETROUTE, AF_INET, "routes", on_route},
		{RTM_GETROUTE, AF_INET6, "IPv6 routes", on_route},
		{RTM_GETNEIGH, AF_INET, "neighbors", on_neighbor},
		{RTM_GETNEIGH, AF_INET6, "IPv6 neighbors", on_neighbor},
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(steps) && r == 0; i++)
		r = look_at(l, steps[i].type, steps[i].family, steps[i].what, steps[i].fn, err);
	return r;
}

/* ---- DNS ---- */

static int add_dns_line(struct network_scan *scan, size_t *used, struct slice line)
{
	if (line.len == 0)
		return 0;
	if (memchr(line.p, '\0', line.len))
		return -EINVAL;
	if (scan->n_dns == NETWORK_DNS_MAX || line.len >= sizeof(scan->dns) - *used)
		return -E2BIG;
	memcpy(scan->dns + *used, line.p, line.len);
	*used += line.len + 1;
	scan->n_dns++;
	return 0;
}

static int read_dns(const char *file, struct network_scan *scan, struct err *err)
{
	auto_buf struct buf text = BUF_INIT;
	int r = io_read_file(AT_FDCWD, file, RESOLV_CONF_MAX_SIZE, &text);
	struct slice rest = buf_slice(&text);
	size_t used = 0;

	while (r == 0 && rest.len > 0) {
		const uint8_t *end = memchr(rest.p, '\n', rest.len);
		size_t len = end ? (size_t)(end - rest.p) : rest.len;

		r = add_dns_line(scan, &used, slice_of(rest.p, len));
		len += !!end;
		rest = slice_of(rest.p + len, rest.len - len);
	}
	return r < 0 ? err_sys(err, -r, "read %s for the guest's resolv.conf", file) : 0;
}

int network_scan(const char *netns, const char *resolv_conf, struct network_scan *ret, int *ret_fd,
	struct err *err)
{
	struct look l = {.nl = RTNL_INIT, .netns = netns, .scan = ret};
	auto_fd int fd = -1;
	int r = resolv_conf ? read_dns(resolv_conf, ret, err) : 0;

	if (r < 0)
		return r;
	fd = network_open_netns(netns, &ret->dev, &ret->ino, err);
	if (fd < 0)
		return fd;
	r = namespace_enter(fd, CLONE_NEWNET);
	if (r == 0)
		r = rtnl_open(&l.nl);
	if (r < 0)
		return err_sys(err, -r, "enter the network namespace %s", netns);
	r = look_at_all(&l, err);
	rtnl_close(&l.nl);
	if (r == 0)
		*ret_fd = take_fd(&fd);
	return r;
}
