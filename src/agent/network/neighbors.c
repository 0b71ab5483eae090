/* SPDX-License-Identifier: Apache-2.0 */
/* AddARPNeighbors. */
#include "agent.pb-c.h"
#include "agent/network/methods.h"
#include "agent/network/snapshot.h"
#include "agent/rpc.h"
#include "wire/status.h"

struct addition {
	struct rtnl nl;
	struct rtnl_neighbor *neighbors; /* owned */
	size_t n, n_applied;
	struct buf replaced; /* what was there for the same addresses */
};

/* All but the index of its link. */
static int parse(const Types__ARPNeighbor *from, struct rtnl_neighbor *ret, struct err *err)
{
	const char *ip = from->toipaddress ? rpc_str(from->toipaddress->address) : "";
	const char *mac = rpc_str(from->lladdr);
	struct rtnl_neighbor n = {.state = NUD_PERMANENT, .flags = (uint8_t)from->flags};

	if (!ip_address_parse(ip, false, &n.ip))
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"neighbour: \"%s\" is no IP address", ip);
	if (*mac && !mac_address_parse(mac, &n.mac))
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"neighbour %s: \"%s\" is no hardware address", ip, mac);
	if (from->state < 0 || from->state > UINT16_MAX)
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"neighbour %s: there is no state %d", ip, from->state);
	if (from->state != 0)
		n.state = (uint16_t)from->state;
	*ret = n;
	return 0;
}

static int parse_all(struct addition *a, const Grpc__ARPNeighbors *list, struct err *err)
{
	int r = 0;

	a->n = list->n_arpneighbors;
	a->neighbors = calloc(a->n + 1, sizeof(*a->neighbors));
	if (!a->neighbors)
		return err_sys(err, ENOMEM, "add neighbours");
	for (size_t i = 0; i < a->n && r == 0; i++) {
		const char *device = rpc_str(list->arpneighbors[i]->device);

		r = parse(list->arpneighbors[i], &a->neighbors[i], err);
		if (r < 0)
			continue;
		a->neighbors[i].index = (int)if_nametoindex(device);
		if (a->neighbors[i].index == 0)
			r = err_set(err, ENODEV, "neighbour %s: Link not found (%s)",
				list->arpneighbors[i]->toipaddress->address, device);
	}
	return r;
}

static bool may_be_replaced(const struct rtnl_message *m, const void *data)
{
	const struct addition *a = data;
	struct rtnl_neighbor old;

	if (m->type != RTM_NEWNEIGH || rtnl_decode_neighbor(m->body, &old) < 0)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (old.index == a->neighbors[i].index &&
			ip_address_is_same(&old.ip, &a->neighbors[i].ip))
			return true;
	return false;
}

static int call_neighbor(
	struct addition *a, uint16_t type, uint16_t flags, const struct rtnl_neighbor *n)
{
	struct rtnl_request request;

	rtnl_encode_neighbor(type, flags, n, &request);
	return rtnl_call(&a->nl, &request);
}

static void undo(struct addition *a)
{
	while (a->n_applied > 0)
		(void)!call_neighbor(a, RTM_DELNEIGH, 0, &a->neighbors[--a->n_applied]);
	snapshot_restore(&a->nl, &a->replaced);
}

static int apply(struct addition *a, struct err *err)
{
	char text[IP_ADDRESS_TEXT_SIZE];
	int r = snapshot_take(&a->nl, RTM_GETNEIGH, AF_INET, may_be_replaced, a, &a->replaced);

	if (r == 0)
		r = snapshot_take(&a->nl, RTM_GETNEIGH, AF_INET6, may_be_replaced, a, &a->replaced);
	if (r < 0)
		return rtnl_error(&a->nl, r, err, "list neighbours");
	for (; a->n_applied < a->n; a->n_applied++) {
		const struct rtnl_neighbor *n = &a->neighbors[a->n_applied];

		r = call_neighbor(a, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, n);
		if (r == 0)
			continue;
		r = rtnl_error(
			&a->nl, r, err, "add neighbour %s", ip_address_format(&n->ip, false, text));
		undo(a);
		return r;
	}
	return 0;
}

static int run(const ProtobufCMessage *message, struct network_reply *reply, struct err *err)
{
	const Grpc__AddARPNeighborsRequest *request = (const Grpc__AddARPNeighborsRequest *)message;
	struct addition a = {.nl = RTNL_INIT};
	int r = rtnl_open(&a.nl);

	(void)reply;
	if (r < 0)
		return err_sys(err, -r, "open rtnetlink");
	r = parse_all(&a, request->neighbors, err);
	if (r == 0)
		r = apply(&a, err);
	rtnl_close(&a.nl);
	free(a.neighbors);
	buf_fini(&a.replaced);
	return r;
}

static int check(const ProtobufCMessage *message, struct err *err)
{
	const Grpc__AddARPNeighborsRequest *request = (const Grpc__AddARPNeighborsRequest *)message;
	struct rtnl_neighbor n;
	int r = 0;

	if (!request->neighbors)
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT, "missing neighbors");
	for (size_t i = 0; i < request->neighbors->n_arpneighbors && r == 0; i++)
		r = parse(request->neighbors->arpneighbors[i], &n, err);
	return r;
}

const struct network_method network_add_neighbors = {
	.name = "add neighbours",
	.lane = NETWORK_LANE_KERNEL,
	.check = check,
	.run = run,
};
