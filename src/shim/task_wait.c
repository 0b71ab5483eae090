/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/shim.h"
#include "task.pb-c.h"
#include "wire/message.h"

/* A parked Wait; freed when it is answered or its client leaves. */
struct wait {
	struct guest_process_waiter waiter;
	struct ttrpc_call *call;
};

static void answer(struct guest_process_waiter *w, const struct guest_process *p)
{
	struct wait *wait = container_of(w, struct wait, waiter);
	Containerd__Task__V2__WaitResponse reply = CONTAINERD__TASK__V2__WAIT_RESPONSE__INIT;
	Google__Protobuf__Timestamp at;

	events_timestamp(p->exited_at_ns, &at);
	MESSAGE_SET(&reply, exit_status, p->exit_status);
	reply.exited_at = &at;
	ttrpc_call_on_cancel(wait->call, NULL, NULL);
	ttrpc_call_reply(wait->call, &reply.base);
	free(wait);
}

static void on_cancel(void *data)
{
	struct wait *wait = data;

	list_remove(&wait->waiter.link);
	ttrpc_call_drop(wait->call);
	free(wait);
}

void task_wait(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Containerd__Task__V2__WaitRequest *request = (const void *)message;
	struct err err = ERR_INIT;
	struct guest_process *p = shim_find_process(
		user, shim_text(request->id), shim_text(request->exec_id), NULL, &err);
	struct wait *wait = p ? malloc(sizeof(*wait)) : NULL;

	if (p && !wait)
		err_sys(&err, ENOMEM, "wait for the process");
	if (!wait) {
		ttrpc_call_fail(call, &err);
		return;
	}
	*wait = (struct wait){.waiter.told = answer, .call = call};
	ttrpc_call_on_cancel(call, on_cancel, wait);
	guest_process_add_waiter(p, &wait->waiter);
}
