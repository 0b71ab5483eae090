/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/timeline.h"
#include "shim/shim.h"
#include "task.pb-c.h"
#include "wire/message.h"
#include "wire/status.h"

struct start {
	struct shim *shim;	 /* borrowed */
	struct guest_process *p; /* borrowed: nothing removes it while it starts */
	struct ttrpc_call *call; /* owned: to be answered */
};

static void on_started(void *data, const struct err *err)
{
	auto_free struct start *start = data;
	Containerd__Task__V2__StartResponse reply = CONTAINERD__TASK__V2__START_RESPONSE__INIT;
	uint32_t pid = shim_pid(start->shim);

	if (err) {
		ttrpc_call_fail(start->call, err);
		return;
	}
	if (guest_process_is_init(start->p)) {
		events_start(start->shim->events, start->p->cid, pid);
		timeline_end("start container", start->p->cid, ttrpc_call_received_ns(start->call));
	} else {
		events_exec_started(start->shim->events, start->p->cid, start->p->eid, pid);
		timeline_end("exec", start->p->eid, ttrpc_call_received_ns(start->call));
	}
	MESSAGE_SET(&reply, pid, pid);
	ttrpc_call_reply(start->call, &reply.base);
}

static int check(const struct container *c, const struct guest_process *p, struct err *err)
{
	if (p->state == GUEST_PROCESS_STOPPED)
		return err_status(err, EINVAL, WIRE_FAILED_PRECONDITION, "process %s has ended%s",
			shim_event_id(p),
			sandbox_get_state(c->sandbox) == SANDBOX_LOST
				? ": its virtual machine is gone"
				: "");
	if (p->state != GUEST_PROCESS_CREATED)
		return err_status(err, EINVAL, WIRE_FAILED_PRECONDITION,
			"process %s has been started before", shim_event_id(p));
	if (guest_process_is_init(p))
		return 0;
	if (c->init->state != GUEST_PROCESS_RUNNING)
		return err_status(err, EINVAL, WIRE_FAILED_PRECONDITION,
			"container %s is not running", c->id);
	return container_check_runnable(c, err);
}

void task_start(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Containerd__Task__V2__StartRequest *request = (const void *)message;
	struct shim *shim = user;
	struct err err = ERR_INIT;
	struct container *c;
	struct guest_process *p = shim_find_process(
		shim, shim_text(request->id), shim_text(request->exec_id), &c, &err);
	struct start *start = NULL;

	if (p && check(c, p, &err) == 0) {
		start = malloc(sizeof(*start));
		if (!start)
			err_sys(&err, ENOMEM, "start the process");
	}
	if (start) {
		*start = (struct start){shim, p, call};
		if (guest_process_is_init(p))
			timeline_span(
				"wait for start", c->id, c->step_ns, ttrpc_call_received_ns(call));
		if (guest_process_start(p, sandbox_agent(shim->sandbox), on_started, start, &err) ==
			0)
			return;
		free(start);
	}
	ttrpc_call_fail(call, &err);
}
