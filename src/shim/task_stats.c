/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/metrics.h"
#include "shim/shim.h"
#include "task.pb-c.h"
#include "wire/message.h"

static void reply_metrics(struct ttrpc_call *call, const Grpc__StatsContainerResponse *stats)
{
	Containerd__Task__V2__StatsResponse reply = CONTAINERD__TASK__V2__STATS_RESPONSE__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	struct metrics metrics = {0};
	struct err err = ERR_INIT;

	if (metrics_encode(stats, &metrics) < 0) {
		err_sys(&err, ENOMEM, "answer with the container's statistics");
		ttrpc_call_fail(call, &err);
	} else {
		any.type_url = message_text(metrics.type);
		any.has_value = 1;
		any.value.data = metrics.bytes.data + metrics.bytes.start;
		any.value.len = buf_len(&metrics.bytes);
		reply.stats = &any;
		ttrpc_call_reply(call, &reply.base);
	}
	buf_fini(&metrics.bytes);
}

static void on_stats(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	if (err)
		ttrpc_call_fail(data, err);
	else
		reply_metrics(data, (const void *)reply);
}

void task_stats(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Containerd__Task__V2__StatsRequest *request = (const void *)message;
	struct err err = ERR_INIT;
	struct container *c = shim_find_container(user, shim_text(request->id), &err);

	if (!c || container_stats(c, on_stats, call, &err) < 0)
		ttrpc_call_fail(call, &err);
}
