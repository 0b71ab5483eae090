/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent is told: each interface by a call of its own, then the neighbors, then the routes,
 * whose gateways need the addresses.
 */
#include <linux/neighbour.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "agent.pb-c.h"
#include "runtime/network/private.h"
#include "wire/message.h"

static void tell_next(struct network *n);

static void end(struct network *n, const struct err *err)
{
	network_done_fn *done = n->done;

	n->done = NULL;
	n->agent = NULL;
	if (done)
		done(n->data, err);
}

static void fail(struct network *n, int r, const char *what)
{
	struct err err = ERR_INIT;

	err_sys(&err, -r, "tell the guest its %s", what);
	end(n, &err);
}

/* ---- Interfaces ---- */

struct address_text {
	Types__IPAddress message;
	char address[IP_ADDRESS_TEXT_SIZE], mask[8];
};

static void put_address(const struct ip_address *ip, bool has_mask, struct address_text *ret)
{
	*ret = (struct address_text){.message = TYPES__IPADDRESS__INIT};
	MESSAGE_SET(&ret->message, family,
		ip->family == AF_INET6 ? TYPES__IPFAMILY__v6 : TYPES__IPFAMILY__v4);
	ip_address_format(ip, false, ret->address);
	ret->message.address = ret->address;
	if (!has_mask)
		return;
	snprintf(ret->mask, sizeof(ret->mask), "%u", ip->prefix);
	ret->message.mask = ret->mask;
}

static void on_interface(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct network *n = data;
	struct err failed = ERR_INIT;

	(void)reply;
	if (err) {
		err_copy(&failed, err);
		err_wrap(&failed, "set up interface %s in the guest",
			n->scan->endpoints[n->n_told].link.name);
		end(n, &failed);
		return;
	}
	n->n_told++;
	tell_next(n);
}

/* A message lives during the call only. */
struct interface_text {
	struct address_text addresses[NETWORK_ADDRESSES_MAX];
	Types__IPAddress *list[NETWORK_ADDRESSES_MAX];
};

static size_t put_addresses(const struct network *n, int index, struct interface_text *t)
{
	size_t n_put = 0;

	for (size_t i = 0; i < n->scan->n_addresses; i++) {
		const struct rtnl_addr *addr = &n->scan->addresses[i];

		if (addr->index != index)
			continue;
		put_address(&addr->ip, true, &t->addresses[n_put]);
		t->list[n_put] = &t->addresses[n_put].message;
		n_put++;
	}
	return n_put;
}

static int tell_interface(struct network *n)
{
	Grpc__UpdateInterfaceRequest request = GRPC__UPDATE_INTERFACE_REQUEST__INIT;
	Types__Interface interface = TYPES__INTERFACE__INIT;
	auto_free struct interface_text *t = malloc(sizeof(*t));
	struct rtnl_link link = n->scan->endpoints[n->n_told].link;
	char mac[MAC_ADDRESS_TEXT_SIZE];

	if (!t)
		return -ENOMEM;
	request.interface = &interface;
	interface.device = interface.name = link.name;
	interface.n_ipaddresses = put_addresses(n, link.index, t);
	interface.ipaddresses = t->list;
	mac_address_format(&link.mac, mac);
	interface.hwaddr = mac;
	interface.devicepath = n->devices[n->n_told].pci;
	interface.type = link.kind;
	MESSAGE_SET(&interface, mtu, link.mtu);
	MESSAGE_SET(&interface, raw_flags, link.flags & IFF_NOARP);
	return agent_call(n->agent, AGENT_UPDATE_INTERFACE, &request.base, on_interface, n, NULL);
}

/* ---- Routes ---- */

static void on_routes(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct err failed = ERR_INIT;

	(void)reply;
	if (!err) {
		end(data, NULL);
		return;
	}
	err_copy(&failed, err);
	err_wrap(&failed, "set the routes in the guest");
	end(data, &failed);
}

struct route_text {
	Types__Route message;
	char dest[IP_ADDRESS_TEXT_SIZE], gateway[IP_ADDRESS_TEXT_SIZE],
		source[IP_ADDRESS_TEXT_SIZE], device[IFNAMSIZ];
};

static void put_route(const struct network *n, const struct rtnl_route *route, struct route_text *t)
{
	Types__Route *m = &t->message;

	*t = (struct route_text){.message = TYPES__ROUTE__INIT};
	if (route->dest.family != AF_UNSPEC)
		ip_address_format(&route->dest, true, t->dest);
	if (route->gateway.family != AF_UNSPEC)
		ip_address_format(&route->gateway, false, t->gateway);
	if (route->from.family != AF_UNSPEC)
		ip_address_format(&route->from, true, t->source);
	else if (route->source.family != AF_UNSPEC)
		ip_address_format(&route->source, false, t->source);
	memcpy(t->device, network_scan_find(n->scan, route->index)->link.name, IFNAMSIZ);
	m->dest = t->dest;
	m->gateway = t->gateway;
	m->source = t->source;
	m->device = t->device;
	MESSAGE_SET(m, scope, route->scope);
	MESSAGE_SET(
		m, family, route->family == AF_INET6 ? TYPES__IPFAMILY__v6 : TYPES__IPFAMILY__v4);
	MESSAGE_SET(m, flags, route->flags);
	MESSAGE_SET(m, mtu, route->mtu);
}

static int tell_routes(struct network *n)
{
	size_t n_routes = n->scan->n_routes;
	Grpc__UpdateRoutesRequest request = GRPC__UPDATE_ROUTES_REQUEST__INIT;
	Grpc__Routes routes = GRPC__ROUTES__INIT;
	auto_free struct route_text *texts = calloc(n_routes + 1, sizeof(*texts));
	auto_free Types__Route **list = calloc(n_routes + 1, sizeof(Types__Route *));

	if (!texts || !list)
		return -ENOMEM;
	for (size_t i = 0; i < n_routes; i++) {
		put_route(n, &n->scan->routes[i], &texts[i]);
		list[i] = &texts[i].message;
	}
	routes.routes = list;
	routes.n_routes = n_routes;
	request.routes = &routes;
	return agent_call(n->agent, AGENT_UPDATE_ROUTES, &request.base, on_routes, n, NULL);
}

static void begin_routes(struct network *n)
{
	int r = n->scan->n_routes > 0 ? tell_routes(n) : 0;

	if (r < 0)
		fail(n, r, "routes");
	else if (n->scan->n_routes == 0)
		end(n, NULL);
}

/* ---- Neighbors ---- */

static void on_neighbors(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct err failed = ERR_INIT;

	(void)reply;
	if (!err) {
		begin_routes(data);
		return;
	}
	err_copy(&failed, err);
	err_wrap(&failed, "set the neighbors in the guest");
	end(data, &failed);
}

struct neighbor_text {
	Types__ARPNeighbor message;
	struct address_text address;
	char mac[MAC_ADDRESS_TEXT_SIZE], device[IFNAMSIZ];
};

static void put_neighbor(
	const struct network *n, const struct rtnl_neighbor *neighbor, struct neighbor_text *t)
{
	Types__ARPNeighbor *m = &t->message;

	*t = (struct neighbor_text){.message = TYPES__ARPNEIGHBOR__INIT};
	put_address(&neighbor->ip, false, &t->address);
	mac_address_format(&neighbor->mac, t->mac);
	memcpy(t->device, network_scan_find(n->scan, neighbor->index)->link.name, IFNAMSIZ);
	m->toipaddress = &t->address.message;
	m->device = t->device;
	m->lladdr = t->mac;
	MESSAGE_SET(m, state, NUD_PERMANENT);
	MESSAGE_SET(m, flags, neighbor->flags);
}

static int tell_neighbors(struct network *n)
{
	size_t n_neighbors = n->scan->n_neighbors;
	Grpc__AddARPNeighborsRequest request = GRPC__ADD_ARPNEIGHBORS_REQUEST__INIT;
	Grpc__ARPNeighbors neighbors = GRPC__ARPNEIGHBORS__INIT;
	auto_free struct neighbor_text *texts = calloc(n_neighbors + 1, sizeof(*texts));
	auto_free Types__ARPNeighbor **list = calloc(n_neighbors + 1, sizeof(Types__ARPNeighbor *));

	if (!texts || !list)
		return -ENOMEM;
	for (size_t i = 0; i < n_neighbors; i++) {
		put_neighbor(n, &n->scan->neighbors[i], &texts[i]);
		list[i] = &texts[i].message;
	}
	neighbors.arpneighbors = list;
	neighbors.n_arpneighbors = n_neighbors;
	request.neighbors = &neighbors;
	return agent_call(n->agent, AGENT_ADD_ARP_NEIGHBORS, &request.base, on_neighbors, n, NULL);
}

/* ---- In turn ---- */

static void tell_next(struct network *n)
{
	int r;

	if (n->n_told < n->scan->n_endpoints) {
		r = tell_interface(n);
		if (r < 0)
			fail(n, r, "interfaces");
	} else if (n->scan->n_neighbors > 0) {
		r = tell_neighbors(n);
		if (r < 0)
			fail(n, r, "neighbors");
	} else {
		begin_routes(n);
	}
}

int network_tell(
	struct network *n, struct agent *agent, network_done_fn *done, void *data, struct err *err)
{
	int r;

	if (err_is_set(&n->device_err)) {
		err_copy(err, &n->device_err);
		return err_wrap(err, "add the network devices");
	}
	n->agent = agent;
	n->n_told = 0;
	/* The first call is made here, so that what cannot even begin is told at once. */
	r = n->scan->n_endpoints > 0 ? tell_interface(n) : -ENODATA;
	if (r < 0)
		return err_sys(err, -r, "tell the guest its interfaces");
	n->done = done;
	n->data = data;
	return 0;
}

bool network_has_endpoints(const struct network *n)
{
	return n->scan->n_endpoints > 0;
}
