/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ExecProcess: launches a further process and answers when it runs. A client that gives up or
 * leaves before that has its process killed.
 */
#include "agent/exec.h"

#include <string.h>

#include "agent/device/pci_env.h"
#include "agent/rpc.h"
#include "agent/span.h"
#include "base/log.h"
#include "wire/message.h"
#include "wire/status.h"

enum { MAX_ID = 256 };

void exec_free(struct exec *exec)
{
	struct container *c = exec->container;
	struct err err = ERR_INIT;

	if (exec->process)
		(void)map_remove(&c->execs, exec->process->id);
	if (exec->launch) {
		launch_cancel(exec->launch, NULL, NULL);
		reaper_drop(c->agent->reaper);
	}
	if (exec->call) {
		err_status(&err, ECANCELED, WIRE_ABORTED, "container %s has been removed", c->id);
		ttrpc_call_on_cancel(exec->call, NULL, NULL);
		rpc_fail(exec->call, &err);
	}
	process_free(exec->process);
	free(exec);
}

static void fail(struct exec *exec, const struct err *err)
{
	struct ttrpc_call *call = take_ptr(&exec->call);

	exec_free(exec);
	ttrpc_call_on_cancel(call, NULL, NULL);
	rpc_fail(call, err);
}

static void on_waited(void *data, struct process *process)
{
	(void)process;
	exec_free(data);
}

static void on_cancel(void *data)
{
	struct exec *exec = data;
	struct ttrpc_call *call = take_ptr(&exec->call);

	exec_free(exec);
	ttrpc_call_drop(call);
}

static void on_launched(void *data, const struct launch_result *result, const struct err *err)
{
	struct exec *exec = data;
	struct agent *agent = exec->container->agent;

	exec->launch = NULL;
	if (err) {
		reaper_drop(agent->reaper);
		fail(exec, err);
		return;
	}
	process_launched(exec->process, result->pid);
	reaper_drop(agent->reaper);
	log_write(LOG_INFO, "process", "process started", "cid", exec->container->id, "eid",
		exec->process->id, NULL);
	span_call("exec", exec->process->id, exec->call);
	ttrpc_call_on_cancel(exec->call, NULL, NULL);
	ttrpc_call_reply(take_ptr(&exec->call), NULL);
}

static int check(
	const struct container *c, const Grpc__ExecProcessRequest *request, struct err *err)
{
	const char *id = rpc_str(request->exec_id);

	if (!c)
		return err_status(err, ENOENT, WIRE_INTERNAL, "Invalid container id");
	if (c->state != CONTAINER_RUNNING || !c->init || c->init->exited)
		return err_status(
			err, EBUSY, WIRE_FAILED_PRECONDITION, "container %s is not running", c->id);
	if (c->is_paused)
		return err_status(
			err, EBUSY, WIRE_FAILED_PRECONDITION, "container %s is paused", c->id);
	if (!*id || strlen(id) > MAX_ID)
		return err_status(
			err, EINVAL, WIRE_INVALID_ARGUMENT, "an exec id has 1 to %d bytes", MAX_ID);
	if (strcmp(id, c->id) == 0 || map_find(&c->execs, id))
		return err_status(err, EEXIST, WIRE_ALREADY_EXISTS,
			"container %s already has a process %s", c->id, id);
	if (!request->process)
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT, "exec %s: no process", id);
	return 0;
}

static int launch(struct exec *exec, const Grpc__Process *process, struct err *err)
{
	struct message_budget budget = {.limit = CONTAINER_SPEC_BUDGET};
	struct container *c = exec->container;
	ProtobufCMessage *spec = NULL;
	struct launch_request request = {
		.container_id = c->id,
		.process = process,
		.cgroup = c->cgroup,
		.is_unit = c->is_unit,
		.deadline_ns = agent_launch_deadline_ns(c->agent, exec->call),
	};
	int r = message_decode(&grpc__spec__descriptor, buf_slice(&c->spec), &budget, &spec, err);

	if (r < 0)
		return err_wrap(err, "container %s: its spec", c->id);
	request.spec = (const Grpc__Spec *)spec;
	memcpy(request.ns_fds, c->ns_fds, sizeof(request.ns_fds));
	memcpy(request.stdio, exec->process->child_stdio, sizeof(request.stdio));
	reaper_hold(c->agent->reaper);
	r = launch_start(c->agent->loop, &request, on_launched, exec, &exec->launch, err);
	if (r < 0)
		reaper_drop(c->agent->reaper);
	message_free(spec, &budget);
	return r;
}

/* With the guest's addresses of the container's PCI devices. */
static int launch_translated(struct exec *exec, const Grpc__Process *wanted, struct err *err)
{
	Grpc__Process process = *wanted;
	struct pci_env env = {.vars = NULL};
	int r = pci_env_translate(wanted->env, wanted->n_env, &exec->container->devices, &env, err);

	if (env.vars)
		process.env = env.vars;
	if (r == 0)
		r = launch(exec, &process, err);
	pci_env_fini(&env);
	return r;
}

static int start(struct exec *exec, const Grpc__ExecProcessRequest *request,
	struct passfd_streams *streams, struct err *err)
{
	struct agent *agent = exec->container->agent;
	struct process_config config = {
		.id = request->exec_id,
		.terminal = request->process->terminal,
		.pipe_size = agent->options->container_pipe_size,
		.streams = streams,
		.on_waited = on_waited,
		.on_ending = container_process_ending,
		.on_exited = container_process_exited,
		.data = exec,
		.owner = exec->container,
	};
	int r = process_new(agent->loop, agent->reaper, &config, &exec->process, err);

	if (r < 0)
		return r;
	r = map_add(&exec->container->execs, request->exec_id, exec);
	if (r < 0)
		return err_sys(err, -r, "exec %s", request->exec_id);
	return launch_translated(exec, request->process, err);
}

static void begin(struct ttrpc_call *call, struct passfd_streams *streams, void *user)
{
	const Grpc__ExecProcessRequest *request =
		(const Grpc__ExecProcessRequest *)ttrpc_call_request(call);
	struct container *c = container_find(user, rpc_str(request->container_id));
	struct err err = ERR_INIT;
	struct exec *exec;

	if (check(c, request, &err) < 0) {
		rpc_fail(call, &err);
		return;
	}
	exec = calloc(1, sizeof(*exec));
	if (!exec) {
		err_sys(&err, ENOMEM, "exec %s", request->exec_id);
		rpc_fail(call, &err);
		return;
	}
	*exec = (struct exec){.container = c, .call = call};
	if (start(exec, request, streams, &err) < 0)
		fail(exec, &err);
	else
		ttrpc_call_on_cancel(call, on_cancel, exec);
}

void rpc_exec_process(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Grpc__ExecProcessRequest *request = (const Grpc__ExecProcessRequest *)message;
	const uint32_t ports[] = {request->stdin_port, request->stdout_port, request->stderr_port};
	struct agent *agent = user;

	passfd_claim(agent->passfd, call, ports, begin, agent);
}
