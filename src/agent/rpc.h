/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The agent's methods. One table names every method of grpc.AgentService and grpc.Health; what has
 * no handler yet is answered UNIMPLEMENTED by name. Handlers are grouped by what they work on, one
 * file per group; each gets the struct agent as its user.
 */
#include "wire/ttrpc_server.h"

extern const struct ttrpc_method rpc_methods[];
extern const size_t rpc_n_methods;

/* rpc_guest.c */
ttrpc_handler_fn rpc_check;
ttrpc_handler_fn rpc_version;
ttrpc_handler_fn rpc_get_guest_details;
ttrpc_handler_fn rpc_set_guest_date_time;
ttrpc_handler_fn rpc_reseed_random_dev;
