/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delete. An exec is forgotten. A container goes in these steps:
 *
 *	kill (if it still runs), let its loggers end, remove it in the guest, unmount it, answer
 *
 * and the sandbox's own container takes the sandbox along instead of being unmounted: the others
 * end with it. None of the steps fails the call: what cannot be done in the guest ends with the VM.
 * Whoever has the answer to a Delete can read the whole log.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "runtime/timeline.h"
#include "shim/shim.h"
#include "task.pb-c.h"
#include "wire/message.h"
#include "wire/status.h"

enum { KILL_LIMIT_S = 15, KILLED_STATUS = 128 + 9 };

struct deletion {
	struct shim *shim;	     /* borrowed */
	struct ttrpc_call *call;     /* owned: to be answered */
	struct container *container; /* one of the shim's; freed at the end */
	struct guest_process_waiter waiter;
	struct shim_stop_waiter stopped;
	struct source *timer; /* owned */
};

static void reply(struct ttrpc_call *call, const struct events_exit *exit)
{
	Containerd__Task__V2__DeleteResponse response = CONTAINERD__TASK__V2__DELETE_RESPONSE__INIT;
	Google__Protobuf__Timestamp at;

	events_timestamp(exit->at_ns, &at);
	MESSAGE_SET(&response, pid, exit->pid);
	MESSAGE_SET(&response, exit_status, exit->status);
	response.exited_at = &at;
	ttrpc_call_reply(call, &response.base);
}

/* containerd runs `delete` for a sandbox whose task has been deleted. It ends the daemon that the
 * bundle names (shim/delete.c), which others still need. */
static void leave_bundle(const struct container *c)
{
	auto_free char *file = NULL;

	if (asprintf(&file, "%s/shim.pid", c->bundle) < 0)
		file = NULL;
	if (file && unlink(file) < 0 && errno != ENOENT)
		log_write(LOG_WARN, "delete", "remove the pid file", "file", file, "error",
			strerror(errno), NULL);
}

static void end(struct deletion *d)
{
	struct shim *shim = d->shim;
	struct container *c = d->container;
	struct events_exit exit = shim_exit_of(shim, c->init);

	map_remove(&shim->deletions, c->id);
	map_remove(&shim->containers, c->id);
	if (shim->containers.n_entries > 0 && strcmp(c->id, sandbox_get_id(shim->sandbox)) == 0)
		leave_bundle(c);
	events_delete(shim->events, c->id, c->id, &exit);
	timeline_end("delete", c->id, ttrpc_call_received_ns(d->call));
	reply(d->call, &exit);
	container_free(c);
	free(d);
	shim_let_go(shim);
}

static void on_sandbox_stopped(struct shim_stop_waiter *w)
{
	end(container_of(w, struct deletion, stopped));
}

static void on_unmounted(void *data, const struct err *err)
{
	struct deletion *d = data;

	if (err)
		log_write(LOG_ERROR, "delete", "not everything could be removed", "cid",
			d->container->id, "error", err->msg, NULL);
	end(d);
}

static void on_removed(void *data, const struct err *err)
{
	struct deletion *d = data;
	struct sandbox *sb = d->shim->sandbox;
	bool is_own = strcmp(d->container->id, sandbox_get_id(sb)) == 0;
	struct err failed = ERR_INIT;

	if (err)
		log_write(LOG_WARN, "delete", "remove the container in the guest", "error",
			err->msg, NULL);
	if (is_own)
		shim_abort_containers(d->shim, KILLED_STATUS);
	if (is_own || sandbox_is_stopping(sb))
		shim_stop_sandbox(d->shim, &d->stopped);
	else if (container_unmount(d->container, on_unmounted, d, &failed) < 0)
		on_unmounted(d, &failed);
}

static void remove_container(struct deletion *d);

static void on_drained(void *data)
{
	remove_container(data);
}

static void remove_container(struct deletion *d)
{
	struct guest_process *draining;
	struct err err = ERR_INIT;

	source_free(d->timer);
	d->timer = NULL;
	/* Also the execs that the init process took along without their end having been seen. */
	container_abort(d->container, KILLED_STATUS);
	draining = container_find_draining(d->container);
	if (draining)
		guest_process_on_drained(draining, on_drained, d);
	else if (sandbox_get_state(d->shim->sandbox) != SANDBOX_RUNNING)
		on_removed(d, NULL);
	else if (container_remove(d->container, on_removed, d, &err) < 0)
		on_removed(d, &err);
}

static void on_kill_timer(void *data)
{
	struct deletion *d = data;

	if (d->container->init->state != GUEST_PROCESS_STOPPED)
		log_write(LOG_WARN, "delete", "the container does not end", "cid", d->container->id,
			NULL);
	list_remove(&d->waiter.link);
	remove_container(d);
}

static void on_killed(struct guest_process_waiter *w, const struct guest_process *p)
{
	struct deletion *d = container_of(w, struct deletion, waiter);

	(void)p;
	/* Not from inside the process' own end: by way of the timer. */
	source_set_deadline(d->timer, 0);
}

static void on_signalled(void *data, const ProtobufCMessage *message, const struct err *err)
{
	(void)data;
	(void)message;
	if (err)
		log_write(LOG_WARN, "delete", "kill the container", "error", err->msg, NULL);
}

static void kill_container(struct deletion *d)
{
	Grpc__SignalProcessRequest request = GRPC__SIGNAL_PROCESS_REQUEST__INIT;
	struct guest_process *init = d->container->init;
	int r = loop_add_timer(d->shim->loop, clock_now_ns() + KILL_LIMIT_S * NS_PER_S,
		on_kill_timer, d, &d->timer);

	request.container_id = d->container->id;
	MESSAGE_SET(&request, signal, SIGKILL);
	if (r == 0)
		r = agent_call(sandbox_agent(d->shim->sandbox), AGENT_SIGNAL_PROCESS, &request.base,
			on_signalled, d->shim, NULL);
	if (r < 0) {
		remove_container(d);
		return;
	}
	guest_process_hurry(init);
	container_let_die(d->container);
	d->waiter.told = on_killed;
	guest_process_add_waiter(init, &d->waiter);
}

static void delete_container(struct shim *shim, struct container *c, struct ttrpc_call *call)
{
	struct deletion *d = calloc(1, sizeof(*d));
	struct err err = ERR_INIT;
	int r = d ? map_add(&shim->deletions, c->id, d) : -ENOMEM;

	if (r < 0) {
		free(d);
		if (r == -EEXIST)
			err_status(&err, EBUSY, WIRE_FAILED_PRECONDITION,
				"container %s is being deleted", c->id);
		else
			err_sys(&err, -r, "delete the container");
		ttrpc_call_fail(call, &err);
		return;
	}
	*d = (struct deletion){
		.shim = shim, .call = call, .container = c, .stopped.told = on_sandbox_stopped};
	list_init(&d->waiter.link);
	/* One that was never started goes quietly: there is no exit to tell of. */
	if (c->init->state == GUEST_PROCESS_STOPPED || c->init->state == GUEST_PROCESS_CREATED)
		remove_container(d);
	else
		kill_container(d);
}

/* An exec that nobody finds any more, and whose Delete waits for its logger. */
struct exec_deletion {
	struct shim *shim;	 /* borrowed */
	struct ttrpc_call *call; /* owned: to be answered */
	struct guest_process *p; /* owned */
};

static void end_exec_deletion(struct shim *shim, struct ttrpc_call *call, struct guest_process *p)
{
	struct events_exit exit = shim_exit_of(shim, p);

	timeline_end("delete exec", p->eid, ttrpc_call_received_ns(call));
	guest_process_free(p);
	reply(call, &exit);
}

static void on_exec_drained(void *data)
{
	auto_free struct exec_deletion *d = data;

	end_exec_deletion(d->shim, d->call, d->p);
	d->shim->n_draining--;
	shim_let_go(d->shim);
}

static void delete_exec(
	struct shim *shim, struct container *c, struct guest_process *p, struct ttrpc_call *call)
{
	struct exec_deletion *d;
	struct err err = ERR_INIT;

	if (p->state == GUEST_PROCESS_RUNNING || p->state == GUEST_PROCESS_STARTING) {
		err_status(&err, EBUSY, WIRE_FAILED_PRECONDITION, "process %s is running", p->eid);
		ttrpc_call_fail(call, &err);
		return;
	}
	guest_process_abort(p, GUEST_PROCESS_LOST_STATUS);
	if (!guest_process_is_draining(p)) {
		container_take_exec(c, p);
		end_exec_deletion(shim, call, p);
		return;
	}
	d = malloc(sizeof(*d));
	if (!d) {
		err_sys(&err, ENOMEM, "delete the process");
		ttrpc_call_fail(call, &err);
		return;
	}
	*d = (struct exec_deletion){shim, call, p};
	container_take_exec(c, p);
	shim->n_draining++;
	guest_process_on_drained(p, on_exec_drained, d);
}

void task_delete(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Containerd__Task__V2__DeleteRequest *request = (const void *)message;
	struct err err = ERR_INIT;
	struct container *c;
	struct guest_process *p = shim_find_process(
		user, shim_text(request->id), shim_text(request->exec_id), &c, &err);

	if (!p)
		ttrpc_call_fail(call, &err);
	else if (guest_process_is_init(p))
		delete_container(user, c, call);
	else
		delete_exec(user, c, p, call);
}
