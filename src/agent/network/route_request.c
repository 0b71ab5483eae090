/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/network/route_request.h"

#include "agent/rpc.h"
#include "wire/status.h"

static int refuse(const Types__Route *from, struct err *err, const char *what, const char *value)
{
	return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT, "route to %s: %s \"%s\"",
		*rpc_str(from->dest) ? from->dest : "default", what, value);
}

/* text "": none. All addresses of a route are of one family; the first decides, if none was given. */
static int parse(const Types__Route *from, const char *what, const char *text, bool allow_prefix,
	uint8_t *family, struct ip_address *ret, struct err *err)
{
	if (!*text)
		return 0;
	if (!ip_address_parse(text, allow_prefix, ret))
		return refuse(from, err, what, text);
	if (*family == AF_UNSPEC)
		*family = ret->family;
	if (*family != ret->family)
		return refuse(from, err, "another family:", text);
	return 0;
}

/* Hosts send v4 by leaving the field out, so only v6 says something. */
static uint8_t given_family(const Types__Route *from)
{
	return from->family == TYPES__IPFAMILY__v6 ? AF_INET6 : AF_UNSPEC;
}

int route_request_parse(const Types__Route *from, struct rtnl_route *ret, struct err *err)
{
	struct rtnl_route route = {.family = given_family(from),
		.scope = (uint8_t)from->scope,
		/* The others tell of a state that the host's link is in. */
		.flags = from->flags & (RTNH_F_ONLINK | RTNH_F_PERVASIVE),
		.mtu = from->mtu};
	const char *source = rpc_str(from->source);
	struct ip_address ip = {.family = AF_UNSPEC};
	int r = parse(
		from, "destination", rpc_str(from->dest), true, &route.family, &route.dest, err);

	if (r == 0)
		r = parse(from, "gateway", rpc_str(from->gateway), false, &route.family,
			&route.gateway, err);
	if (r == 0)
		r = parse(from, "source", source, true, &route.family, &ip, err);
	if (r < 0)
		return r;
	if (strchr(source, '/') && ip.prefix > 0)
		route.from = ip;
	else
		route.source = ip;
	if (route.dest.prefix == 0)
		route.dest.family = AF_UNSPEC;
	if (route.family == AF_UNSPEC)
		route.family = AF_INET;
	if (!*rpc_str(from->device) && route.gateway.family == AF_UNSPEC)
		return refuse(from, err, "neither device nor gateway:", "");
	*ret = route;
	return 0;
}
