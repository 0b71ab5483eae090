/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A frame of 4 MiB can hold two million empty sub-messages, which cost protobuf-c about a hundred
 * bytes each; the budget stops that too, but late and with less to say. The defaults are far above
 * what any host sends and cost at most about 1 MiB per field when reached with empty elements; the
 * table names the fields whose subject has a limit of its own.
 */
#include "wire/message_limits.h"

#include <string.h>

#include "base/own.h"

enum {
	DEFAULT_SCALARS = 16384, /* numbers, strings and bytes, packed or not */
	DEFAULT_MESSAGES = 4096,
};

static const struct {
	const char *message, *field;
	size_t limit;
} limits[] = {
	/* execve takes 2 MiB of strings and pointers with the usual 8 MiB stack: this is that at 32
	 * bytes each. Pods with service links in a large namespace come near (7 per service). */
	{"grpc.Process", "args", 65536},
	{"grpc.Process", "env", 65536},
	/* NGROUPS_MAX of the kernel. */
	{"grpc.User", "additionalGids", 65536},
	{"grpc.StringUser", "additionalGids", 65536},
	/* The kernel refuses a longer map (user_namespaces(7)). */
	{"grpc.Linux", "uidMappings", 340},
	{"grpc.Linux", "gidMappings", 340},
	{"grpc.Mount", "uidMappings", 340},
	{"grpc.Mount", "gidMappings", 340},
	/* The kernel has 8 kinds of namespaces, 16 of resource limits, 41 capabilities. */
	{"grpc.Linux", "namespaces", 64},
	{"grpc.Process", "rlimits", 64},
	{"grpc.LinuxCapabilities", "bounding", 256},
	{"grpc.LinuxCapabilities", "effective", 256},
	{"grpc.LinuxCapabilities", "inheritable", 256},
	{"grpc.LinuxCapabilities", "permitted", 256},
	{"grpc.LinuxCapabilities", "ambient", 256},
	/* A system call has 6 arguments; a rule may test one several times. */
	{"grpc.LinuxSyscall", "args", 64},
	/* Each is a process to run, one after another. */
	{"grpc.Hooks", "prestart", 64},
	{"grpc.Hooks", "poststart", 64},
	{"grpc.Hooks", "poststop", 64},
	{"grpc.Hooks", "createRuntime", 64},
	{"grpc.Hooks", "createContainer", 64},
	{"grpc.Hooks", "startContainer", 64},
	/* Held as long as the call; searched linearly. */
	{"ttrpc.Request", "metadata", 128},
	{"ttrpc.Status", "details", 64},
};

size_t message_limit(const ProtobufCMessageDescriptor *desc, const ProtobufCFieldDescriptor *field)
{
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		if (strcmp(limits[i].field, field->name) == 0 &&
			strcmp(limits[i].message, desc->name) == 0)
			return limits[i].limit;
	return field->type == PROTOBUF_C_TYPE_MESSAGE ? DEFAULT_MESSAGES : DEFAULT_SCALARS;
}
