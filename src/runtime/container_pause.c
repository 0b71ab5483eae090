/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pausing and resuming. What a step was asked for is answered when the agent has answered, or when
 * the container goes first (container_drop_pause).
 */
#include <assert.h>

#include "base/log.h"
#include "runtime/container.h"
#include "wire/status.h"

static const bool transitions[CONTAINER_PAUSE_COUNT][CONTAINER_PAUSE_COUNT] = {
	[CONTAINER_RUNNABLE] = {[CONTAINER_PAUSING] = true},
	[CONTAINER_PAUSING] = {[CONTAINER_PAUSED] = true, [CONTAINER_RUNNABLE] = true},
	[CONTAINER_PAUSED] = {[CONTAINER_RESUMING] = true},
	[CONTAINER_RESUMING] = {[CONTAINER_RUNNABLE] = true, [CONTAINER_PAUSED] = true},
};

static void set_pause(struct container *c, enum container_pause pause)
{
	assert(transitions[c->pause][pause]);
	c->pause = pause;
}

static void end_step(struct container *c, enum container_pause pause, const struct err *err)
{
	sandbox_done_fn *done = c->pause_done;

	set_pause(c, pause);
	c->pause_call = NULL;
	c->pause_done = NULL;
	if (done)
		done(c->pause_data, err);
}

static void on_resumed(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct container *c = data;

	(void)reply;
	/* Of one that has been killed there is nothing left to resume with cgroup v2. */
	if (err && !c->pause_done)
		log_write(LOG_DEBUG, "container", "resume what was killed", "cid", c->id, "error",
			err->msg, NULL);
	end_step(c, err ? CONTAINER_PAUSED : CONTAINER_RUNNABLE, err);
}

static int send_resume(struct container *c)
{
	Grpc__ResumeContainerRequest request = GRPC__RESUME_CONTAINER_REQUEST__INIT;
	int r;

	request.container_id = c->id;
	r = agent_call(sandbox_agent(c->sandbox), AGENT_RESUME_CONTAINER, &request.base, on_resumed,
		c, &c->pause_call);
	if (r == 0)
		set_pause(c, CONTAINER_RESUMING);
	return r;
}

void container_let_die(struct container *c)
{
	c->is_killed = true;
	if (c->pause == CONTAINER_PAUSED && send_resume(c) < 0)
		log_write(LOG_DEBUG, "container", "resume what was killed", "cid", c->id, NULL);
}

static void on_paused(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct container *c = data;

	(void)reply;
	end_step(c, err ? CONTAINER_RUNNABLE : CONTAINER_PAUSED, err);
	if (c->is_killed)
		container_let_die(c);
}

static int send_pause(struct container *c)
{
	Grpc__PauseContainerRequest request = GRPC__PAUSE_CONTAINER_REQUEST__INIT;
	int r;

	request.container_id = c->id;
	r = agent_call(sandbox_agent(c->sandbox), AGENT_PAUSE_CONTAINER, &request.base, on_paused,
		c, &c->pause_call);
	if (r == 0)
		set_pause(c, CONTAINER_PAUSING);
	return r;
}

/* Whether the container is where a step may begin. */
static int check(const struct container *c, enum container_pause from, struct err *err)
{
	static const char *const words[] = {
		[CONTAINER_RUNNABLE] = "not paused",
		[CONTAINER_PAUSING] = "being paused",
		[CONTAINER_PAUSED] = "paused",
		[CONTAINER_RESUMING] = "being resumed",
	};

	if (c->init->state != GUEST_PROCESS_RUNNING)
		return err_status(err, EINVAL, WIRE_FAILED_PRECONDITION,
			"container %s is not running", c->id);
	if (c->pause != from)
		return err_status(err, EINVAL, WIRE_FAILED_PRECONDITION, "container %s is %s",
			c->id, words[c->pause]);
	return 0;
}

int container_pause(struct container *c, sandbox_done_fn *done, void *data, struct err *err)
{
	int r = check(c, CONTAINER_RUNNABLE, err);

	if (r < 0)
		return r;
	r = send_pause(c);
	if (r < 0)
		return err_sys(err, -r, "pause the container");
	c->pause_done = done;
	c->pause_data = data;
	return 0;
}

int container_resume(struct container *c, sandbox_done_fn *done, void *data, struct err *err)
{
	int r = check(c, CONTAINER_PAUSED, err);

	if (r < 0)
		return r;
	r = send_resume(c);
	if (r < 0)
		return err_sys(err, -r, "resume the container");
	c->pause_done = done;
	c->pause_data = data;
	return 0;
}

int container_check_runnable(const struct container *c, struct err *err)
{
	if (c->pause == CONTAINER_RUNNABLE)
		return 0;
	return err_status(err, EBUSY, WIRE_FAILED_PRECONDITION, "container %s is paused", c->id);
}

void container_drop_pause(struct container *c)
{
	struct err gone = ERR_INIT;

	if (!c->pause_call)
		return;
	agent_pending_cancel(c->pause_call);
	err_set(&gone, ECONNRESET, "container %s is gone", c->id);
	end_step(c, c->pause == CONTAINER_PAUSING ? CONTAINER_RUNNABLE : CONTAINER_PAUSED, &gone);
}
