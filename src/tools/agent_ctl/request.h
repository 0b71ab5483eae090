/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * From a method's arguments to its request. Either one argument is the whole request,
 *
 *	json://{"container_id":"c"}    {"container_id":"c"}    file:///tmp/request.json
 *
 * or each names a field of it: "name=value", or "--name=value", or "--name" and "value". A value is
 * text for a string or bytes, a number, "true" or "false", an enum's name; "a,b" or JSON for a list
 * of these; JSON for the rest. cid, sid and eid stand for container_id, sandbox_id and exec_id, and
 * are let pass where a request has no such field. Of CreateContainer's, "bundle=DIR" and
 * "spec=FILE" (also file://FILE) read OCI from a config.json.
 */
#include <stdbool.h>

#include "base/err.h"
#include "tools/agent_ctl/methods.h"

/*
 * What requests are given that do not say: the ids that earlier ones named or, for CreateContainer
 * and CreateSandbox, random ones; and the bundle of CreateContainer.
 */
struct request_defaults {
	bool no_auto_values;		 /* no ids */
	const char *bundle_dir;		 /* borrowed, or NULL */
	char *container_id, *sandbox_id; /* owned, or NULL: none named yet */
};

void request_defaults_fini(struct request_defaults *defaults);

enum { REQUEST_ID_SIZE = 65 };
/* 64 random hexadecimal digits. */
int request_make_id(char id[static REQUEST_ID_SIZE]) must_check;

/*
 * *ret is freed with protobuf_c_message_free_unpacked(*ret, NULL). err names method and argument.
 * -EINVAL, errors of reading a file, -ENOMEM. What a config.json has and the protocol cannot carry
 * is said on stderr.
 */
int request_parse(const struct method *method, char *const *arguments, size_t n_arguments,
	struct request_defaults *defaults, ProtobufCMessage **ret, struct err *err) must_check;
