/* SPDX-License-Identifier: Apache-2.0 */
/* Methods about one process of a container: signal, wait, streams, terminal. */
#include <signal.h>

#include "agent.pb-c.h"
#include "agent/container.h"
#include "agent/operation.h"
#include "agent/rpc.h"
#include "wire/status.h"

enum { MAX_SIGNAL = 64 };

static struct process *find_or_fail(
	struct agent *agent, const char *id, const char *exec_id, struct ttrpc_call *call)
{
	struct err err = ERR_INIT;
	struct process *p;

	if (container_find_process(agent, rpc_str(id), rpc_str(exec_id), &p, &err) == 0)
		return p;
	rpc_fail(call, &err);
	return NULL;
}

static int signal_one(struct process *p, bool is_init, int signo, struct err *err)
{
	int r;

	/* The kernel drops a signal to the init of a pid namespace that has no handler for it. */
	if (is_init && signo == SIGTERM && !process_handles(p, SIGTERM))
		signo = SIGKILL;
	r = process_signal(p, signo);
	/* It has ended: what the signal was to bring about has happened. */
	if (r == 0 || r == -ESRCH)
		return 0;
	return err_sys(err, -r, "signal %d to process %s", signo, p->id);
}

static int check_signal(const Grpc__SignalProcessRequest *request, struct err *err)
{
	if (request->signal <= MAX_SIGNAL)
		return 0;
	return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT, "container %s: invalid signal %u",
		rpc_str(request->container_id), request->signal);
}

void rpc_signal_process(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Grpc__SignalProcessRequest *request = (const Grpc__SignalProcessRequest *)message;
	struct container *c = container_find(user, rpc_str(request->container_id));
	struct err err = ERR_INIT;
	struct process *p;
	int r = check_signal(request, &err);

	if (r == 0 && c && c->has_cgroup && !*rpc_str(request->exec_id) &&
		request->signal == SIGKILL) {
		operation_start(c, OPERATION_KILL, call);
		return;
	}
	if (r == 0)
		r = container_find_process(
			user, rpc_str(request->container_id), rpc_str(request->exec_id), &p, &err);
	if (r == 0)
		r = signal_one(p, c->init == p, (int)request->signal, &err);
	if (r < 0)
		rpc_fail(call, &err);
	else
		ttrpc_call_reply(call, NULL);
}

void rpc_wait_process(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Grpc__WaitProcessRequest *request = (const Grpc__WaitProcessRequest *)message;
	struct process *p = find_or_fail(user, request->container_id, request->exec_id, call);

	if (p)
		process_wait(p, call);
}

void rpc_tty_win_resize(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Grpc__TtyWinResizeRequest *request = (const Grpc__TtyWinResizeRequest *)message;
	struct process *p = find_or_fail(user, request->container_id, request->exec_id, call);
	struct err err = ERR_INIT;
	int r;

	if (!p)
		return;
	if (request->row > UINT16_MAX || request->column > UINT16_MAX)
		r = err_status(&err, ERANGE, WIRE_INVALID_ARGUMENT, "a terminal of %u by %u",
			request->row, request->column);
	else
		r = process_resize(p, (uint16_t)request->row, (uint16_t)request->column);
	if (r == -ENOTTY)
		err_status(&err, ENOTTY, WIRE_UNAVAILABLE, "no tty");
	else if (r < 0 && !err_is_set(&err))
		err_sys(&err, -r, "resize the terminal of %s", p->id);
	if (r < 0)
		rpc_fail(call, &err);
	else
		ttrpc_call_reply(call, NULL);
}

void rpc_write_stdin(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Grpc__WriteStreamRequest *request = (const Grpc__WriteStreamRequest *)message;
	struct err err = ERR_INIT;
	struct process *p;

	if (container_find_process(user, rpc_str(request->container_id), rpc_str(request->exec_id),
		    &p, &err) < 0) {
		/* Alone among the process methods it makes no difference here. */
		err.status = WIRE_INTERNAL;
		rpc_fail(call, &err);
		return;
	}
	input_write(&p->stdin_, call, slice_of(request->data.data, request->data.len));
}

void rpc_read_stdout(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Grpc__ReadStreamRequest *request = (const Grpc__ReadStreamRequest *)message;
	struct process *p = find_or_fail(user, request->container_id, request->exec_id, call);

	if (p)
		output_read(&p->stdout_, call, request->len);
}

void rpc_read_stderr(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Grpc__ReadStreamRequest *request = (const Grpc__ReadStreamRequest *)message;
	struct process *p = find_or_fail(user, request->container_id, request->exec_id, call);

	/* A terminal has one output for both. */
	if (p)
		output_read(p->tty_fd >= 0 ? &p->stdout_ : &p->stderr_, call, request->len);
}

void rpc_close_stdin(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Grpc__CloseStdinRequest *request = (const Grpc__CloseStdinRequest *)message;
	struct process *p = find_or_fail(user, request->container_id, request->exec_id, call);

	if (!p)
		return;
	process_close_stdin(p);
	ttrpc_call_reply(call, NULL);
}
