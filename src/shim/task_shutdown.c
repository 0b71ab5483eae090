/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shutdown ends the daemon if it serves no container any more, or if it is told to end now: then
 * what is there, also a Create that is under way, is given up. A Delete that is under way ends
 * first.
 */
#include "base/clock.h"
#include "base/log.h"
#include "shim/shim_end.h"
#include "task.pb-c.h"
#include "wire/status.h"

enum { FLUSH_S = 2, NEWBORN_S = 30, IDLE_S = 5, KILLED_STATUS = 128 + 9 };

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

static bool is_idle(const struct shim *shim)
{
	return !shim->sandbox && shim->creates.n_entries == 0 && shim->containers.n_entries == 0 &&
	       shim->n_draining == 0;
}

void shim_end_if_wanted(struct shim *shim)
{
	if (shim->has_ended || !is_idle(shim))
		return;
	if (shim->is_ending)
		end(shim);
	else if (shim->idle)
		source_set_deadline(shim->idle, clock_now_ns() + IDLE_S * NS_PER_S);
}

static void on_idle(void *data)
{
	struct shim *shim = data;

	if (shim->is_ending || !is_idle(shim))
		return;
	log_write(LOG_WARN, "shim", "nobody needs this daemon", NULL);
	shim->is_ending = true;
	shim_end_if_wanted(shim);
}

int shim_watch_idle(struct shim *shim)
{
	return loop_add_timer(
		shim->loop, clock_now_ns() + NEWBORN_S * NS_PER_S, on_idle, shim, &shim->idle);
}

static void cancel_creates(struct shim *shim)
{
	struct err why = ERR_INIT;

	err_status(&why, ECANCELED, WIRE_CANCELLED, "the shim is told to end");
	/* From the end, for one that is given up leaves the map: at once or later. */
	for (size_t i = shim->creates.n_entries; i-- > 0;)
		shim_cancel_create(shim->creates.entries[i].value, &why);
}

/* Their exits are told before they go; a Delete finds nothing any more. One that is being deleted
 * goes by that. */
static void drop_containers(struct shim *shim)
{
	shim_abort_containers(shim, KILLED_STATUS);
	for (size_t i = shim->containers.n_entries; i-- > 0;) {
		struct container *c = shim->containers.entries[i].value;

		if (map_find(&shim->deletions, c->id))
			continue;
		map_remove(&shim->containers, c->id);
		container_free(c);
	}
}

void task_shutdown(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Containerd__Task__V2__ShutdownRequest *request = (const void *)message;
	struct shim *shim = user;
	bool is_used = shim->containers.n_entries > 0 || shim->creates.n_entries > 0;
	bool now = request->now;

	/* The request goes with its answer. */
	ttrpc_call_reply(call, NULL);
	if (is_used && !now)
		return;
	shim->is_ending = true;
	cancel_creates(shim);
	drop_containers(shim);
	if (shim->sandbox)
		shim_stop_sandbox(shim, NULL);
	shim_let_go(shim);
}
