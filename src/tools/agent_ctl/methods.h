/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Every method of the agent's services. Request and reply are all that the tool needs to know of a
 * method, so that a method which an agent learns later is a line in methods.c.
 */
#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

struct method {
	const char *service, *name;
	const ProtobufCMessageDescriptor *request, *reply;
};

extern const struct method methods[];
extern const size_t n_methods;

/* By name, without regard to case, '_' and '-' (create-sandbox); NULL: there is none. */
const struct method *method_find(const char *name);
