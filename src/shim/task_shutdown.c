/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shutdown ends the daemon if it serves no container any more, or if it is told to end now. A
 * Create or Delete that is under way ends first.
 */
#include "base/clock.h"
#include "base/log.h"
#include "shim/shim_end.h"
#include "task.pb-c.h"

enum { FLUSH_S = 2, KILLED_STATUS = 128 + 9 };

static void on_events_flushed(void *data)
{
	struct shim *shim = data;

	loop_stop(shim->loop, 0);
}

static void on_replies_flushed(void *data)
{
	struct shim *shim = data;

	if (events_on_flushed(
		    shim->events, clock_now_ns() + FLUSH_S * NS_PER_S, on_events_flushed, shim) < 0)
		loop_stop(shim->loop, 0);
}

static void end(struct shim *shim)
{
	shim->has_ended = true;
	ttrpc_server_stop_accepting(shim->server);
	if (ttrpc_server_on_flushed(shim->server, on_replies_flushed, shim) < 0)
		on_replies_flushed(shim);
}

void shim_end_if_wanted(struct shim *shim)
{
	if (shim->is_ending && !shim->has_ended && !shim->is_creating && !shim->sandbox)
		end(shim);
}

static void on_sandbox_stopped(void *data, const struct err *err)
{
	struct shim *shim = data;

	if (err)
		log_write(LOG_ERROR, "shutdown", "not everything could be removed", "error",
			err->msg, NULL);
	sandbox_free(shim->sandbox);
	shim->sandbox = NULL;
	shim_end_if_wanted(shim);
}

/* Their exits are told before they go; a Delete finds nothing any more. */
static void drop_containers(struct shim *shim)
{
	while (shim->containers.n_entries > 0) {
		struct container *c = shim->containers.entries[0].value;

		container_abort(c, KILLED_STATUS);
		map_remove(&shim->containers, c->id);
		container_free(c);
	}
}

void task_shutdown(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Containerd__Task__V2__ShutdownRequest *request = (const void *)message;
	struct shim *shim = user;
	bool has_containers = shim->containers.n_entries > 0, now = request->now;

	ttrpc_call_reply(call, NULL);
	if (has_containers && !now)
		return;
	shim->is_ending = true;
	drop_containers(shim);
	if (has_containers)
		sandbox_stop(shim->sandbox, on_sandbox_stopped, shim);
	else
		shim_end_if_wanted(shim);
}
