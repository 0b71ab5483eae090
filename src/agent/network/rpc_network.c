/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/agent.h"
#include "agent/network/methods.h"
#include "agent/rpc.h"

static void start(struct ttrpc_call *call, const struct network_method *method, void *user)
{
	const struct agent *agent = user;

	network_start(agent->network, method, call);
}

void rpc_update_interface(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	(void)request;
	start(call, &network_update_interface, user);
}

void rpc_list_interfaces(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	(void)request;
	start(call, &network_list_interfaces, user);
}

void rpc_update_routes(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	(void)request;
	start(call, &network_update_routes, user);
}

void rpc_list_routes(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	(void)request;
	start(call, &network_list_routes, user);
}

void rpc_add_arp_neighbors(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	(void)request;
	start(call, &network_add_neighbors, user);
}

void rpc_get_iptables(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	(void)request;
	start(call, &network_get_iptables, user);
}

void rpc_set_iptables(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	(void)request;
	start(call, &network_set_iptables, user);
}
