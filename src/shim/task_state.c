/* SPDX-License-Identifier: Apache-2.0 */
/* State, Pids and Connect: what containerd asks after it has restarted. */
#include "shim/shim.h"
#include "task.pb-c.h"
#include "wire/message.h"

static Containerd__Task__V2__Status status_of(const struct guest_process *p)
{
	switch (p->state) {
	case GUEST_PROCESS_CREATED:
	case GUEST_PROCESS_STARTING:
		return CONTAINERD__TASK__V2__STATUS__CREATED;
	case GUEST_PROCESS_RUNNING:
		return CONTAINERD__TASK__V2__STATUS__RUNNING;
	case GUEST_PROCESS_STOPPED:
		return CONTAINERD__TASK__V2__STATUS__STOPPED;
	case GUEST_PROCESS_STATE_COUNT:
	default:
		return CONTAINERD__TASK__V2__STATUS__UNKNOWN;
	}
}

void task_state(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Containerd__Task__V2__StateRequest *request = (const void *)message;
	Containerd__Task__V2__StateResponse reply = CONTAINERD__TASK__V2__STATE_RESPONSE__INIT;
	Google__Protobuf__Timestamp at;
	struct err err = ERR_INIT;
	struct container *c;
	struct guest_process *p = shim_find_process(
		user, shim_text(request->id), shim_text(request->exec_id), &c, &err);

	if (!p) {
		ttrpc_call_fail(call, &err);
		return;
	}
	reply.id = c->id;
	reply.bundle = c->bundle;
	reply.exec_id = p->eid;
	reply.stdin = p->in;
	reply.stdout = p->out;
	reply.stderr = p->err;
	MESSAGE_SET(&reply, pid, shim_pid(user));
	MESSAGE_SET(&reply, status, status_of(p));
	MESSAGE_SET(&reply, terminal, p->terminal);
	if (p->state == GUEST_PROCESS_STOPPED) {
		events_timestamp(p->exited_at_ns, &at);
		MESSAGE_SET(&reply, exit_status, p->exit_status);
		reply.exited_at = &at;
	}
	ttrpc_call_reply(call, &reply.base);
}

void task_pids(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Containerd__Task__V2__PidsRequest *request = (const void *)message;
	Containerd__Task__V2__PidsResponse reply = CONTAINERD__TASK__V2__PIDS_RESPONSE__INIT;
	Containerd__Task__V2__ProcessInfo info = CONTAINERD__TASK__V2__PROCESS_INFO__INIT;
	Containerd__Task__V2__ProcessInfo *list[] = {&info};
	struct err err = ERR_INIT;

	if (!shim_find_container(user, shim_text(request->id), &err)) {
		ttrpc_call_fail(call, &err);
		return;
	}
	/* The host sees one process for all that run in the guest. */
	MESSAGE_SET(&info, pid, shim_pid(user));
	reply.processes = list;
	reply.n_processes = ARRAY_SIZE(list);
	ttrpc_call_reply(call, &reply.base);
}

void task_connect(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	Containerd__Task__V2__ConnectResponse reply = CONTAINERD__TASK__V2__CONNECT_RESPONSE__INIT;

	(void)message;
	MESSAGE_SET(&reply, shim_pid, (uint32_t)getpid());
	MESSAGE_SET(&reply, task_pid, shim_pid(user));
	ttrpc_call_reply(call, &reply.base);
}
