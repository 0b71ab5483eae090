/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/shim.h"

#include "base/log.h"
#include "runtime/state.h"
#include "shim/shim_end.h"
#include "wire/status.h"

struct container *shim_find_container(const struct shim *shim, const char *id, struct err *err)
{
	struct container *c = map_find(&shim->containers, id);

	if (!c)
		err_status(err, ENOENT, WIRE_NOT_FOUND, "container %s: not found", id);
	return c;
}

struct guest_process *shim_find_process(const struct shim *shim, const char *id,
	const char *exec_id, struct container **ret_container, struct err *err)
{
	struct container *c = shim_find_container(shim, id, err);
	struct guest_process *p = c ? container_find_process(c, exec_id) : NULL;

	if (c && !p)
		err_status(err, ENOENT, WIRE_NOT_FOUND, "container %s: process %s: not found", id,
			exec_id);
	if (p && ret_container)
		*ret_container = c;
	return p;
}

uint32_t shim_pid(const struct shim *shim)
{
	return shim->sandbox ? (uint32_t)sandbox_pid(shim->sandbox) : 0;
}

struct events_exit shim_exit_of(const struct shim *shim, const struct guest_process *p)
{
	return (struct events_exit){
		.pid = shim_pid(shim), .status = p->exit_status, .at_ns = p->exited_at_ns};
}

void shim_on_exit(void *data, struct guest_process *p)
{
	struct shim *shim = data;
	struct events_exit exit = shim_exit_of(shim, p);

	events_exit(shim->events, p->cid, shim_event_id(p), &exit);
}

int shim_note_logger(void *data, pid_t pid, uint64_t start_time)
{
	struct shim *shim = data;

	return shim->sandbox
		       ? sandbox_note_process(shim->sandbox, STATE_ROLE_LOGGER, pid, start_time)
		       : -ECONNRESET;
}

void shim_forget_logger(void *data, pid_t pid, uint64_t start_time)
{
	struct shim *shim = data;

	if (shim->sandbox)
		sandbox_forget_process(shim->sandbox, pid, start_time);
}

void shim_on_lost(void *data, const struct err *why)
{
	(void)why;
	shim_abort_containers(data, GUEST_PROCESS_LOST_STATUS);
}

void shim_abort_containers(struct shim *shim, uint32_t status)
{
	MAP_FOREACH (e, &shim->containers)
		container_abort(e->value, status);
}

static void on_sandbox_stopped(void *data, const struct err *err)
{
	struct shim *shim = data;
	struct shim_stop_waiter *w = shim->stop_waiters;

	if (err)
		log_write(LOG_ERROR, "shim", "not everything could be removed", "error", err->msg,
			NULL);
	shim->stop_waiters = NULL;
	while (w) {
		struct shim_stop_waiter *next = w->next;

		w->told(w);
		w = next;
	}
	shim_let_go(shim);
}

void shim_stop_sandbox(struct shim *shim, struct shim_stop_waiter *w)
{
	enum sandbox_state state = sandbox_get_state(shim->sandbox);

	if (state == SANDBOX_STOPPED) {
		if (w)
			w->told(w);
		return;
	}
	if (w) {
		w->next = shim->stop_waiters;
		shim->stop_waiters = w;
	}
	if (state != SANDBOX_STOPPING)
		sandbox_stop(shim->sandbox, on_sandbox_stopped, shim);
}

void shim_let_go(struct shim *shim)
{
	if (shim->sandbox && sandbox_get_state(shim->sandbox) == SANDBOX_STOPPED &&
		shim->containers.n_entries == 0 && shim->creates.n_entries == 0) {
		sandbox_free(shim->sandbox);
		shim->sandbox = NULL;
	}
	shim_end_if_wanted(shim);
}

void shim_on_oom(void *data, const char *cid)
{
	struct shim *shim = data;

	if (map_find(&shim->containers, cid))
		events_oom(shim->events, cid);
	else
		log_write(LOG_WARN, "oom", "the guest names a container that it does not have",
			"cid", cid, NULL);
}

void shim_answer(void *data, const struct err *err)
{
	if (err)
		ttrpc_call_fail(data, err);
	else
		ttrpc_call_reply(data, NULL);
}
