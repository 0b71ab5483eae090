/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/bootstrap.h"

#include <stdlib.h>

#include "bootstrap.pb-c.h"
#include "text/json.h"
#include "wire/message.h"

enum { VERSION_JSON = 3, PARAMS_BUDGET = 64 << 10 };

/* An Any has the first two fields as well, and none of the others. */
static bool is_params(struct slice input)
{
	struct message_budget budget = {.limit = PARAMS_BUDGET};
	const Containerd__Runtime__Bootstrap__V1__BootstrapParams *params;
	ProtobufCMessage *message;
	bool is;

	if (message_decode(&containerd__runtime__bootstrap__v1__bootstrap_params__descriptor, input,
		    &budget, &message, NULL) < 0)
		return false;
	params = (const void *)message;
	is = params->instance_id && params->instance_id[0] && params->containerd_version &&
	     params->containerd_version[0];
	message_free(message, &budget);
	return is;
}

static bool is_allowed(const char *max_version)
{
	char *end = NULL;
	long version = max_version ? strtol(max_version, &end, 10) : 0;

	return version >= VERSION_JSON && *end == '\0';
}

int bootstrap_answer(
	struct slice params, const char *max_version, const char *address, struct buf *b)
{
	struct json_writer w = {.out = b};

	if (!is_params(params) && !is_allowed(max_version))
		return buf_append_str(b, address);
	json_begin_object(&w, NULL);
	json_put_u64(&w, "version", VERSION_JSON);
	json_put_string(&w, "address", address);
	json_put_string(&w, "protocol", "ttrpc");
	json_end_object(&w);
	return json_finish(&w);
}
