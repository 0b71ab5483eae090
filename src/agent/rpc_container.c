/* SPDX-License-Identifier: Apache-2.0 */
/* StartContainer and RemoveContainer; CreateContainer is create.c. */
#include "agent.pb-c.h"
#include "agent/container_hooks.h"
#include "agent/rpc.h"
#include "agent/span.h"
#include "base/clock.h"
#include "base/log.h"
#include "wire/status.h"

static int find(struct agent *agent, const char *id, struct container **ret, struct err *err)
{
	*ret = container_find(agent, id);
	return *ret ? 0 : err_status(err, ENOENT, WIRE_INTERNAL, "Invalid container id");
}

static void finish_start(struct container *c)
{
	struct ttrpc_call *call = take_ptr(&c->start_call);

	c->state = CONTAINER_RUNNING;
	log_write(LOG_INFO, "container", "container started", "cid", c->id, NULL);
	span_call("start container", c->id, call);
	ttrpc_call_reply(call, NULL);
}

static int run_poststart(void *data, struct job_report *report, struct err *err)
{
	return container_hooks_run(data, HOOKS_POSTSTART, report, err);
}

static void on_poststart_done(void *data, const struct err *err, uint32_t n_steps)
{
	struct container *c = data;

	(void)n_steps;
	c->job = NULL;
	if (c->is_to_be_removed) {
		c->is_to_be_removed = false;
		c->state = CONTAINER_RUNNING;
		container_remove(c, NULL);
		return;
	}
	/* The program runs, whatever happened to its hooks. */
	if (err)
		log_write(LOG_WARN, "container", "poststart hooks", "cid", c->id, "error", err->msg,
			NULL);
	finish_start(c);
}

static void on_released(void *data, const struct err *err)
{
	struct job_config job = {.name = "poststart hooks",
		.run = run_poststart,
		.done = on_poststart_done,
		.data = data};
	struct container *c = data;
	struct err failure = ERR_INIT;

	c->launch = NULL;
	if (err) {
		c->state = CONTAINER_RUNNING;
		rpc_fail(take_ptr(&c->start_call), err);
		return;
	}
	if (!container_hooks_any(c, HOOKS_POSTSTART)) {
		finish_start(c);
		return;
	}
	c->state = CONTAINER_POSTSTART;
	if (job_start(c->agent->reaper, &job, &c->job, &failure) < 0)
		on_poststart_done(c, &failure, 0);
}

void rpc_start_container(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Grpc__StartContainerRequest *request = (const Grpc__StartContainerRequest *)message;
	struct err err = ERR_INIT;
	struct container *c;
	int r = find(user, rpc_str(request->container_id), &c, &err);

	if (r == 0 && c->state != CONTAINER_CREATED)
		r = err_status(&err, EBUSY, WIRE_FAILED_PRECONDITION,
			"container %s cannot be started: it is not a created one", c->id);
	if (r == 0 && (c->is_paused || !list_is_empty(&c->operations)))
		r = err_status(&err, EBUSY, WIRE_FAILED_PRECONDITION,
			"container %s cannot be started: %s", c->id,
			c->is_paused ? "it is paused" : "another call is changing it");
	if (r < 0) {
		rpc_fail(call, &err);
		return;
	}
	c->state = CONTAINER_STARTING;
	c->start_call = call;
	launch_release(c->launch, on_released, c);
}

/* One RemoveContainer call: answered when the container is gone or its time is up, which does not
 * stop the removal. */
struct removal {
	struct container_removal base;
	struct ttrpc_call *call; /* NULL: answered */
	struct source *timer;	 /* NULL: no limit */
};

static void on_removed(struct container_removal *base, const struct err *err)
{
	struct removal *removal = container_of(base, struct removal, base);

	if (removal->call && err)
		rpc_fail(removal->call, err);
	if (removal->call && !err) {
		span_call("remove container", NULL, removal->call);
		ttrpc_call_reply(removal->call, NULL);
	}
	source_free(removal->timer);
	free(removal);
}

static void on_timeout(void *data)
{
	struct removal *removal = data;
	struct err err = ERR_INIT;

	err_status(&err, ETIME, WIRE_INTERNAL, "remove container: %s", strerror(ETIME));
	rpc_fail(take_ptr(&removal->call), &err);
}

static int remove_container(
	struct container *c, struct ttrpc_call *call, uint32_t timeout_s, struct err *err)
{
	struct removal *removal = calloc(1, sizeof(*removal));
	int r = 0;

	if (!removal)
		return err_sys(err, ENOMEM, "remove container %s", c->id);
	*removal = (struct removal){.base.done = on_removed, .call = call};
	if (timeout_s > 0)
		r = loop_add_timer(c->agent->loop, clock_now_ns() + timeout_s * NS_PER_S,
			on_timeout, removal, &removal->timer);
	if (r < 0) {
		free(removal);
		return err_sys(err, -r, "remove container %s", c->id);
	}
	container_remove(c, &removal->base);
	return 0;
}

void rpc_remove_container(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Grpc__RemoveContainerRequest *request = (const Grpc__RemoveContainerRequest *)message;
	struct err err = ERR_INIT;
	struct container *c;
	int r = find(user, rpc_str(request->container_id), &c, &err);

	if (r == 0)
		r = remove_container(c, call, request->timeout, &err);
	if (r < 0)
		rpc_fail(call, &err);
}
