/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/endpoints.h"

#include <assert.h>
#include <string.h>

#include "agent/rpc.h"
#include "wire/status.h"

static bool is_health(const struct ttrpc_method *method)
{
	return strcmp(method->service, "grpc.Health") == 0;
}

void endpoints_limit(struct endpoints *e)
{
	assert(rpc_n_methods <= 64);
	e->is_limited = true;
}

bool endpoints_allow(struct endpoints *e, const char *request)
{
	bool found = false;

	for (size_t i = 0; i < rpc_n_methods; i++) {
		if (strcmp(rpc_methods[i].request->short_name, request) != 0)
			continue;
		e->allowed |= UINT64_C(1) << i;
		found = true;
	}
	return found;
}

static void refuse(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	struct err err = ERR_INIT;

	(void)user;
	err_status(
		&err, EPERM, WIRE_UNIMPLEMENTED, "%s is blocked", request->descriptor->short_name);
	ttrpc_call_fail(call, &err);
}

struct ttrpc_method *endpoints_make_table(const struct endpoints *e)
{
	struct ttrpc_method *table = calloc(rpc_n_methods, sizeof(*table));

	if (!table)
		return NULL;
	memcpy(table, rpc_methods, rpc_n_methods * sizeof(*table));
	for (size_t i = 0; e->is_limited && i < rpc_n_methods; i++)
		if (!(e->allowed >> i & 1) && !is_health(&table[i]))
			table[i].handle = refuse;
	return table;
}
