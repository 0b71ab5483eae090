/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/agent_ctl/features.h"

#include <stdio.h>

#include "agent.pb-c.h"

void features_learn(struct features *features, const ProtobufCMessage *reply)
{
	const Grpc__GuestDetailsResponse *details = (const Grpc__GuestDetailsResponse *)reply;
	const Grpc__AgentDetails *agent;

	if (reply->descriptor != &grpc__guest_details_response__descriptor)
		return;
	agent = details->agent_details;
	*features = (struct features){.are_known = true};
	if (agent)
		features->extensions =
			oci_extensions_parse(agent->extra_features, agent->n_extra_features);
}

int features_are_missing(const struct features *features, const ProtobufCMessage *request,
	bool *ret, struct err *err)
{
	auto_buf struct buf names = BUF_INIT;
	int r = oci_extensions_find_unknown(request, features->extensions, &names);

	if (r < 0)
		return err_sys(err, -r, "request");
	*ret = buf_len(&names) > 0;
	return 0;
}

int features_drop(const struct features *features, ProtobufCMessage *request, struct err *err)
{
	auto_buf struct buf names = BUF_INIT;
	int r = oci_extensions_find_unknown(request, features->extensions, &names);

	if (r < 0)
		return err_sys(err, -r, "request");
	if (buf_len(&names) == 0)
		return 0;
	fprintf(stderr, "kata-agent-ctl: this agent does not know, and is not sent: %s\n",
		buf_str(&names));
	oci_extensions_remove_unknown(request, features->extensions);
	return 0;
}
