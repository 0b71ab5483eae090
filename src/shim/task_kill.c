/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>

#include "base/log.h"
#include "runtime/timeline.h"
#include "shim/shim.h"
#include "task.pb-c.h"
#include "wire/message.h"
#include "wire/status.h"

/* Killing what has ended is what its sender wants; other signals have somebody to miss them. */
static bool is_deadly(uint32_t signal)
{
	return signal == SIGKILL || signal == SIGTERM;
}

static void on_signalled(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct ttrpc_call *call = data;
	const Containerd__Task__V2__KillRequest *request = (const void *)ttrpc_call_request(call);
	const char *eid = shim_text(request->exec_id);
	bool is_gone = err && (err->status == WIRE_NOT_FOUND || err->code == ECONNRESET);

	(void)reply;
	if (!err)
		timeline_end("kill", eid[0] ? eid : request->id, ttrpc_call_received_ns(call));
	if (err && !(is_gone && is_deadly(request->signal)))
		ttrpc_call_fail(call, err);
	else
		ttrpc_call_reply(call, NULL);
}

static int send_signal(struct shim *shim, struct container *c, struct guest_process *p,
	uint32_t signal, struct ttrpc_call *call, struct err *err)
{
	Grpc__SignalProcessRequest request = GRPC__SIGNAL_PROCESS_REQUEST__INIT;
	struct agent *agent = sandbox_agent(shim->sandbox);
	int r;

	/* The agent's SIGKILL without an exec id is for every process of the container: "all". */
	request.container_id = p->cid;
	request.exec_id = p->eid;
	MESSAGE_SET(&request, signal, signal);
	r = agent_call(agent, AGENT_SIGNAL_PROCESS, &request.base, on_signalled, call, NULL);
	if (r < 0)
		return err_sys(err, -r, "signal the process");
	if (signal != SIGKILL)
		return 0;
	/* A container killed before its start has an end to be waited for too. */
	if (p->state == GUEST_PROCESS_CREATED && guest_process_is_init(p) &&
		guest_process_watch(p, agent) < 0)
		guest_process_abort(p, GUEST_PROCESS_LOST_STATUS);
	guest_process_hurry(p);
	if (guest_process_is_init(p))
		container_let_die(c);
	return 0;
}

/* 0: answered or to be answered by on_signalled. */
static int try_kill(struct shim *shim, const Containerd__Task__V2__KillRequest *request,
	struct ttrpc_call *call, struct err *err)
{
	const char *eid = request->all ? "" : shim_text(request->exec_id);
	struct container *c = NULL;
	struct guest_process *p = shim_find_process(shim, shim_text(request->id), eid, &c, err);

	if (!p)
		return -ENOENT;
	if (p->state == GUEST_PROCESS_STOPPED)
		return err_status(err, ESRCH, WIRE_NOT_FOUND, "process %s has finished: not found",
			shim_event_id(p));
	if (p->state == GUEST_PROCESS_CREATED && !guest_process_is_init(p))
		return err_status(err, EINVAL, WIRE_FAILED_PRECONDITION,
			"process %s has not been started", p->eid);
	if (request->signal == 0 || request->signal > 64)
		return err_set(err, EINVAL, "signal %u: there is no such signal", request->signal);
	return send_signal(shim, c, p, request->signal, call, err);
}

void task_kill(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Containerd__Task__V2__KillRequest *request = (const void *)message;
	struct err err = ERR_INIT;
	int r = try_kill(user, request, call, &err);

	if (r == 0)
		return;
	if ((r == -ENOENT || r == -ESRCH || r == -ENOTCONN) && is_deadly(request->signal))
		ttrpc_call_reply(call, NULL);
	else
		ttrpc_call_fail(call, &err);
}
