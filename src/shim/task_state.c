/* SPDX-License-Identifier: Apache-2.0 */
/* State, Pids and Connect: what containerd asks after it has restarted. */
#include "process_details.pb-c.h"
#include "shim/shim.h"
#include "task.pb-c.h"
#include "wire/message.h"

/* All processes of a container stand still together. */
static Containerd__Task__V2__Status running_status_of(const struct container *c)
{
	switch (c->pause) {
	case CONTAINER_PAUSING:
		return CONTAINERD__TASK__V2__STATUS__PAUSING;
	case CONTAINER_PAUSED:
	case CONTAINER_RESUMING:
		return CONTAINERD__TASK__V2__STATUS__PAUSED;
	case CONTAINER_RUNNABLE:
	case CONTAINER_PAUSE_COUNT:
	default:
		return CONTAINERD__TASK__V2__STATUS__RUNNING;
	}
}

static Containerd__Task__V2__Status status_of(
	const struct container *c, const struct guest_process *p)
{
	switch (p->state) {
	case GUEST_PROCESS_CREATED:
	case GUEST_PROCESS_STARTING:
		return CONTAINERD__TASK__V2__STATUS__CREATED;
	case GUEST_PROCESS_RUNNING:
		return running_status_of(c);
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
	MESSAGE_SET(&reply, status, status_of(c, p));
	MESSAGE_SET(&reply, terminal, p->terminal);
	if (p->state == GUEST_PROCESS_STOPPED) {
		events_timestamp(p->exited_at_ns, &at);
		MESSAGE_SET(&reply, exit_status, p->exit_status);
		reply.exited_at = &at;
	}
	ttrpc_call_reply(call, &reply.base);
}

/* One entry of a Pids reply, with what it points to. */
struct pid_entry {
	Containerd__Task__V2__ProcessInfo info;
	Google__Protobuf__Any any;
	struct buf details; /* owned: an encoded ProcessDetails */
};

static int fill_entry(struct pid_entry *e, uint32_t pid, const struct guest_process *p)
{
	Containerd__Runc__V1__ProcessDetails details = CONTAINERD__RUNC__V1__PROCESS_DETAILS__INIT;
	int r;

	containerd__task__v2__process_info__init(&e->info);
	google__protobuf__any__init(&e->any);
	MESSAGE_SET(&e->info, pid, pid);
	if (guest_process_is_init(p))
		return 0;
	details.exec_id = p->eid;
	r = message_encode(&details.base, &e->details);
	e->any.type_url = message_text(details.base.descriptor->name);
	e->any.has_value = 1;
	e->any.value.data = e->details.data + e->details.start;
	e->any.value.len = buf_len(&e->details);
	e->info.info = &e->any;
	return r;
}

static int add_entry(struct pid_entry *entries, Containerd__Task__V2__PidsResponse *reply,
	uint32_t pid, const struct guest_process *p)
{
	struct pid_entry *e = &entries[reply->n_processes];

	if (p->state != GUEST_PROCESS_RUNNING &&
		!(p->state == GUEST_PROCESS_CREATED && guest_process_is_init(p)))
		return 0;
	reply->processes[reply->n_processes++] = &e->info;
	return fill_entry(e, pid, p);
}

/* The host sees one process, the VMM, for all that run in the guest: each is listed under its pid.
 */
static int list_processes(struct ttrpc_call *call, const struct container *c, uint32_t pid)
{
	Containerd__Task__V2__PidsResponse reply = CONTAINERD__TASK__V2__PIDS_RESPONSE__INIT;
	size_t n_max = c->execs.n_entries + 1;
	auto_free struct pid_entry *entries = calloc(n_max, sizeof(*entries));
	auto_free Containerd__Task__V2__ProcessInfo **list = calloc(n_max, sizeof(*list));
	int r;

	if (!entries || !list)
		return -ENOMEM;
	reply.processes = list;
	r = add_entry(entries, &reply, pid, c->init);
	MAP_FOREACH (e, &c->execs)
		if (r == 0)
			r = add_entry(entries, &reply, pid, e->value);
	if (r == 0)
		ttrpc_call_reply(call, &reply.base);
	for (size_t i = 0; i < n_max; i++)
		buf_fini(&entries[i].details);
	return r;
}

void task_pids(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Containerd__Task__V2__PidsRequest *request = (const void *)message;
	struct err err = ERR_INIT;
	struct container *c = shim_find_container(user, shim_text(request->id), &err);
	int r = c ? list_processes(call, c, shim_pid(user)) : 0;

	if (r < 0)
		err_sys(&err, -r, "list the processes");
	if (err_is_set(&err))
		ttrpc_call_fail(call, &err);
}

void task_connect(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	Containerd__Task__V2__ConnectResponse reply = CONTAINERD__TASK__V2__CONNECT_RESPONSE__INIT;

	(void)message;
	MESSAGE_SET(&reply, shim_pid, (uint32_t)getpid());
	MESSAGE_SET(&reply, task_pid, shim_pid(user));
	ttrpc_call_reply(call, &reply.base);
}
