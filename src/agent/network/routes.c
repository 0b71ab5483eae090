/* SPDX-License-Identifier: Apache-2.0 */
/* UpdateRoutes and ListRoutes. */
#include <stdio.h>

#include "agent.pb-c.h"
#include "agent/network/methods.h"
#include "agent/network/route_request.h"
#include "agent/network/snapshot.h"
#include "agent/rpc.h"
#include "wire/status.h"

enum {
	/* No host decodes a longer list (wire/message_limits.c). */
	MAX_ENTRIES = 4096,
	/* What the kernel makes of 0 (IP6_RT_PRIO_USER). */
	IPV6_PRIORITY = 1024,
};

struct update {
	struct rtnl nl;
	struct rtnl_route *routes; /* owned; in the request's order */
	size_t n;
	bool *is_applied;    /* owned */
	struct buf replaced; /* what was there, of all that routes may replace */
};

static bool is_same_address(const struct ip_address *a, const struct ip_address *b)
{
	return a->family == b->family &&
	       (a->family == AF_UNSPEC || (a->prefix == b->prefix && ip_address_is_same(a, b)));
}

static uint32_t priority(const struct rtnl_route *route)
{
	return route->family == AF_INET6 && route->priority == 0 ? IPV6_PRIORITY : route->priority;
}

static bool may_be_replaced(const struct rtnl_message *m, const void *data)
{
	const struct update *u = data;
	struct rtnl_route old;

	if (m->type != RTM_NEWROUTE || rtnl_decode_route(m->body, &old) < 0 ||
		old.table != RT_TABLE_MAIN || old.flags & RTM_F_CLONED)
		return false;
	for (size_t i = 0; i < u->n; i++)
		if (old.family == u->routes[i].family &&
			priority(&old) == priority(&u->routes[i]) &&
			is_same_address(&old.dest, &u->routes[i].dest) &&
			is_same_address(&old.from, &u->routes[i].from))
			return true;
	return false;
}

static int call_route(
	struct update *u, uint16_t type, uint16_t flags, const struct rtnl_route *route)
{
	struct rtnl_request request;

	rtnl_encode_route(type, flags, route, &request);
	return rtnl_call(&u->nl, &request);
}

static int apply_pass(struct update *u, bool with_gateway, struct err *err)
{
	char text[IP_ADDRESS_TEXT_SIZE];

	for (size_t i = 0; i < u->n; i++) {
		const struct rtnl_route *route = &u->routes[i];
		int r;

		if ((route->gateway.family != AF_UNSPEC) != with_gateway)
			continue;
		r = call_route(u, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route);
		if (r < 0 && r != -EEXIST)
			return rtnl_error(&u->nl, r, err, "route to %s",
				route->dest.family == AF_UNSPEC
					? "default"
					: ip_address_format(&route->dest, true, text));
		u->is_applied[i] = true;
	}
	return 0;
}

static void undo(struct update *u)
{
	for (size_t i = 0; i < u->n; i++)
		if (u->is_applied[i])
			(void)!call_route(u, RTM_DELROUTE, 0, &u->routes[i]);
	snapshot_restore(&u->nl, &u->replaced);
}

static int apply(struct update *u, struct err *err)
{
	int r = snapshot_take(&u->nl, RTM_GETROUTE, AF_INET, may_be_replaced, u, &u->replaced);

	if (r == 0)
		r = snapshot_take(&u->nl, RTM_GETROUTE, AF_INET6, may_be_replaced, u, &u->replaced);
	if (r < 0)
		return rtnl_error(&u->nl, r, err, "list routes");
	r = apply_pass(u, false, err);
	if (r == 0)
		r = apply_pass(u, true, err);
	if (r < 0)
		undo(u);
	return r;
}

static int parse_all(struct update *u, const Grpc__Routes *routes, struct err *err)
{
	int r = 0;

	u->n = routes->n_routes;
	u->routes = calloc(u->n + 1, sizeof(*u->routes));
	u->is_applied = calloc(u->n + 1, sizeof(*u->is_applied));
	if (!u->routes || !u->is_applied)
		return err_sys(err, ENOMEM, "update routes");
	for (size_t i = 0; i < u->n && r == 0; i++) {
		const char *device = rpc_str(routes->routes[i]->device);

		r = route_request_parse(routes->routes[i], &u->routes[i], err);
		if (r < 0 || !*device)
			continue;
		u->routes[i].index = (int)if_nametoindex(device);
		if (u->routes[i].index == 0)
			r = err_set(err, ENODEV, "route to %s: Link not found (%s)",
				*rpc_str(routes->routes[i]->dest) ? routes->routes[i]->dest
								  : "default",
				device);
	}
	return r;
}

static int list(struct rtnl *nl, struct network_reply *reply, struct err *err);

static int update(
	struct update *u, const Grpc__Routes *routes, struct network_reply *reply, struct err *err)
{
	int r = rtnl_open(&u->nl);

	if (r < 0)
		return err_sys(err, -r, "open rtnetlink");
	r = parse_all(u, routes, err);
	if (r == 0)
		r = apply(u, err);
	return r < 0 ? r : list(&u->nl, reply, err);
}

static int run_update(const ProtobufCMessage *message, struct network_reply *reply, struct err *err)
{
	const Grpc__UpdateRoutesRequest *request = (const Grpc__UpdateRoutesRequest *)message;
	struct update u = {.nl = RTNL_INIT};
	int r = update(&u, request->routes, reply, err);

	rtnl_close(&u.nl);
	free(u.routes);
	free(u.is_applied);
	buf_fini(&u.replaced);
	return r;
}

static int check_update(const ProtobufCMessage *message, struct err *err)
{
	const Grpc__UpdateRoutesRequest *request = (const Grpc__UpdateRoutesRequest *)message;
	struct rtnl_route route;
	int r = 0;

	if (!request->routes)
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT, "missing routes");
	for (size_t i = 0; i < request->routes->n_routes && r == 0; i++)
		r = route_request_parse(request->routes->routes[i], &route, err);
	return r;
}

/* A message of the answer with the texts that it points to. */
struct entry {
	Types__Route message;
	char dest[IP_ADDRESS_TEXT_SIZE], gateway[IP_ADDRESS_TEXT_SIZE];
	char source[IP_ADDRESS_TEXT_SIZE], device[IFNAMSIZ];
};

static void fill_entry(struct entry *e, const struct rtnl_route *route)
{
	types__route__init(&e->message);
	ip_address_format(&route->dest, true, e->dest);
	/* Not "", which would be a route of either family, nor what upstream writes, a host. */
	if (route->dest.family == AF_UNSPEC)
		snprintf(e->dest, sizeof(e->dest), "%s",
			route->family == AF_INET6 ? "::/0" : "0.0.0.0/0");
	ip_address_format(&route->gateway, false, e->gateway);
	ip_address_format(&route->source, false, e->source);
	if (route->from.family != AF_UNSPEC)
		ip_address_format(&route->from, true, e->source);
	if (route->index)
		(void)if_indextoname((unsigned int)route->index, e->device);
	e->message.dest = e->dest;
	e->message.gateway = e->gateway;
	e->message.source = e->source;
	e->message.device = e->device;
	e->message.has_family = e->message.has_scope = e->message.has_flags = e->message.has_mtu =
		1;
	e->message.family = route->family == AF_INET6 ? TYPES__IPFAMILY__v6 : TYPES__IPFAMILY__v4;
	e->message.scope = route->scope;
	e->message.flags = route->flags & (RTNH_F_ONLINK | RTNH_F_PERVASIVE);
	e->message.mtu = route->mtu;
}

static int list_family(struct rtnl *nl, uint8_t family, struct entry *entries, Grpc__Routes *routes)
{
	auto_buf struct buf all = BUF_INIT;
	int r = rtnl_dump(nl, RTM_GETROUTE, family, &all);
	struct slice rest = buf_slice(&all);
	struct rtnl_message m;
	struct rtnl_route route;

	while (r >= 0 && (r = rtnl_next_message(&rest, &m)) > 0) {
		if (m.type != RTM_NEWROUTE || rtnl_decode_route(m.body, &route) < 0 ||
			route.table != RT_TABLE_MAIN || route.type != RTN_UNICAST ||
			route.flags & RTM_F_CLONED)
			continue;
		if (routes->n_routes == MAX_ENTRIES)
			return -E2BIG;
		fill_entry(&entries[routes->n_routes], &route);
		routes->routes[routes->n_routes] = &entries[routes->n_routes].message;
		routes->n_routes++;
	}
	return r;
}

static int list(struct rtnl *nl, struct network_reply *reply, struct err *err)
{
	/* Zeroed memory takes no room until it is used. */
	auto_free struct entry *entries = calloc(MAX_ENTRIES, sizeof(*entries));
	auto_free Types__Route **pointers = calloc(MAX_ENTRIES, sizeof(Types__Route *));
	Grpc__Routes routes = GRPC__ROUTES__INIT;
	int r;

	if (!entries || !pointers)
		return err_sys(err, ENOMEM, "list routes");
	routes.routes = pointers;
	r = list_family(nl, AF_INET, entries, &routes);
	if (r == 0)
		r = list_family(nl, AF_INET6, entries, &routes);
	return r < 0 ? rtnl_error(nl, r, err, "list routes")
		     : network_reply_set(reply, &routes.base, err);
}

static int run_list(const ProtobufCMessage *request, struct network_reply *reply, struct err *err)
{
	auto_rtnl struct rtnl nl = RTNL_INIT;
	int r = rtnl_open(&nl);

	(void)request;
	return r < 0 ? err_sys(err, -r, "open rtnetlink") : list(&nl, reply, err);
}

const struct network_method network_update_routes = {
	.name = "update routes",
	.lane = NETWORK_LANE_KERNEL,
	.check = check_update,
	.run = run_update,
	.reply = &grpc__routes__descriptor,
};

const struct network_method network_list_routes = {
	.name = "list routes",
	.lane = NETWORK_LANE_KERNEL,
	.run = run_list,
	.reply = &grpc__routes__descriptor,
};
