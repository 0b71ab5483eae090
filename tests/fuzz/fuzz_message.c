/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first byte chooses the message type, the rest is its bytes. What the walk lets through must
 * decode, or exceed the budget or a limit that merging reaches; what was decoded must encode to
 * something that decodes to the same again; and every byte of the budget must come back.
 */
#include "agent.pb-c.h"
#include "events.pb-c.h"
#include "forward.pb-c.h"
#include "options.pb-c.h"
#include "task.pb-c.h"
#include "ttrpc.pb-c.h"
#include "wire/message.h"

static const ProtobufCMessageDescriptor *const descriptors[] = {
	&grpc__create_container_request__descriptor,
	&grpc__stats_container_response__descriptor,
	&ttrpc__request__descriptor,
	&ttrpc__response__descriptor,
	&grpc__create_sandbox_request__descriptor,
	&grpc__update_routes_request__descriptor,
	&grpc__mem_agent_memcg_config__descriptor,
	&grpc__copy_file_request__descriptor,
	&containerd__task__v2__create_task_request__descriptor,
	&containerd__task__v2__state_response__descriptor,
	&containerd__task__v2__update_task_request__descriptor,
	&containerd__events__task_exit__descriptor,
	&containerd__services__events__ttrpc__v1__forward_request__descriptor,
	&runtimeoptions__v1__options__descriptor,
	&grpc__destroy_sandbox_request__descriptor,
};

static void check_again(const ProtobufCMessage *msg)
{
	auto_buf struct buf once = BUF_INIT, twice = BUF_INIT;
	struct err err = ERR_INIT;
	ProtobufCMessage *again;

	if (message_encode(msg, &once) < 0 ||
		message_decode(msg->descriptor, buf_slice(&once), NULL, &again, &err) < 0 ||
		message_encode(again, &twice) < 0)
		abort();
	if (!slice_equal(buf_slice(&once), buf_slice(&twice)))
		abort();
	message_free(again, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct message_budget connection = {.limit = 256 << 10};
	struct message_budget budget = {.limit = 1 << 20, .parent = &connection};
	const ProtobufCMessageDescriptor *desc;
	struct err err = ERR_INIT, check_err = ERR_INIT;
	ProtobufCMessage *msg = NULL;
	struct slice bytes;
	int r, check;

	if (size == 0)
		return 0;
	desc = descriptors[data[0] % ARRAY_SIZE(descriptors)];
	bytes = slice_of(data + 1, size - 1);
	check = message_check(desc, bytes, &check_err);
	r = message_decode(desc, bytes, &budget, &msg, &err);
	if (check < 0 ? r != check : r < 0 && r != -E2BIG && !strstr(err.msg, "more than"))
		abort();
	if ((r == 0) != (msg != NULL) || (r < 0) != err_is_set(&err))
		abort();
	if (msg)
		check_again(msg);
	message_free(msg, &budget);
	if (budget.used || connection.used)
		abort();
	return 0;
}
