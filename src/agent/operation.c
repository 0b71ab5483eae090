/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/operation.h"

#include "agent.pb-c.h"
#include "agent/container.h"
#include "agent/rpc.h"
#include "wire/status.h"

struct operation {
	struct list link; /* in the container's operations: the first is under way */
	struct container *container;
	enum operation_kind kind;
	struct ttrpc_call *call;
	struct job *job; /* NULL: it waits for its turn */
};

static const char *const names[] = {
	[OPERATION_PAUSE] = "pause container",
	[OPERATION_RESUME] = "resume container",
	[OPERATION_UPDATE] = "update container",
	[OPERATION_KILL] = "kill container",
};

static struct operation *first_of(const struct container *c)
{
	return list_is_empty(&c->operations)
		       ? NULL
		       : container_of(c->operations.next, struct operation, link);
}

static void fail(struct operation *op, const struct err *err)
{
	rpc_fail(op->call, err);
	list_remove(&op->link);
	free(op);
}

/* Hosts send the whole of a spec's resources, with the rules for devices by their own numbers. In a job,
 * which ends soon: nothing is freed. */
static int update(const struct container *c, struct ttrpc_call *call, struct err *err)
{
	const Grpc__UpdateContainerRequest *request =
		(const Grpc__UpdateContainerRequest *)ttrpc_call_request(call);
	struct device_rules rules;

	if (device_rules_translate(c->renumbered, c->n_renumbered, request->resources, &rules) < 0)
		return err_sys(err, ENOMEM, "update container %s", c->id);
	return launch_update_cgroup(c->cgroup, c->is_unit, &rules.resources, err);
}

/* In a job. */
static int run(void *data, struct job_report *report, struct err *err)
{
	const struct operation *op = data;
	const char *cgroup = op->container->cgroup;

	(void)report;
	switch (op->kind) {
	case OPERATION_PAUSE:
		return launch_freeze_cgroup(cgroup, true, err);
	case OPERATION_RESUME:
		return launch_freeze_cgroup(cgroup, false, err);
	case OPERATION_KILL:
		return launch_kill_cgroup(cgroup, err);
	case OPERATION_UPDATE:
		break;
	}
	return update(op->container, op->call, err);
}

static int refuse(const struct container *c, const char *why, struct err *err)
{
	return err_status(err, EBUSY, WIRE_FAILED_PRECONDITION, "container %s %s", c->id, why);
}

static int check(const struct operation *op, struct err *err)
{
	const struct container *c = op->container;
	bool lives = c->init && !c->init->exited &&
		     (c->state == CONTAINER_CREATED || c->state == CONTAINER_RUNNING);

	switch (op->kind) {
	case OPERATION_PAUSE:
		if (!lives)
			return refuse(c, "cannot be paused: it is not running", err);
		return c->is_paused ? refuse(c, "is paused already", err) : 0;
	case OPERATION_RESUME:
		if (!lives || !c->is_paused)
			return refuse(c, "cannot be resumed: it is not paused", err);
		return 0;
	case OPERATION_UPDATE:
	case OPERATION_KILL:
		if (!c->has_cgroup)
			return refuse(c, "is not there yet, or no longer", err);
		return 0;
	}
	return 0;
}

static void start_next(struct container *c);

static void note_result(struct container *c, enum operation_kind kind, const struct err *err)
{
	if (kind == OPERATION_PAUSE && err)
		/* Killed half-way it has not undone what it did. */
		(void)!launch_freeze_cgroup(c->cgroup, false, NULL);
	else if (kind == OPERATION_PAUSE)
		c->is_paused = true;
	else if (kind != OPERATION_UPDATE && !err)
		c->is_paused = false;
}

static void on_done(void *data, const struct err *err, uint32_t n_steps)
{
	struct operation *op = data;
	struct container *c = op->container;

	(void)n_steps;
	note_result(c, op->kind, err);
	if (err) {
		fail(op, err);
	} else {
		ttrpc_call_reply(op->call, NULL);
		list_remove(&op->link);
		free(op);
	}
	if (!c->is_to_be_removed) {
		start_next(c);
		return;
	}
	c->is_to_be_removed = false;
	container_remove(c, NULL);
}

static void start_next(struct container *c)
{
	struct operation *op;

	while ((op = first_of(c)) && !op->job) {
		struct job_config config = {
			.name = names[op->kind], .run = run, .done = on_done, .data = op};
		struct err err = ERR_INIT;

		if (check(op, &err) == 0 &&
			job_start(c->agent->reaper, &config, &op->job, &err) == 0)
			return;
		fail(op, &err);
	}
}

/* A killed container must not be frozen again, nor wait for the end of something else. */
static void put_first(struct container *c, struct operation *op)
{
	struct list *next = c->operations.next;

	if (!list_is_empty(&c->operations)) {
		struct operation *first = container_of(next, struct operation, link);

		if (first->job)
			next = first->link.next;
		if (first->job && first->kind != OPERATION_KILL)
			job_kill(first->job);
	}
	/* Before it. */
	list_add(next, &op->link);
}

static int make(struct container *c, enum operation_kind kind, struct ttrpc_call *call,
	struct operation **ret, struct err *err)
{
	struct operation *op;

	if (c->state == CONTAINER_REMOVING || c->is_to_be_removed)
		return refuse(c, "is being removed", err);
	op = calloc(1, sizeof(*op));
	if (!op)
		return err_sys(err, ENOMEM, "%s %s", names[kind], c->id);
	*op = (struct operation){.container = c, .kind = kind, .call = call};
	*ret = op;
	return 0;
}

void operation_start(struct container *c, enum operation_kind kind, struct ttrpc_call *call)
{
	struct err err = ERR_INIT;
	struct operation *op;
	int r = make(c, kind, call, &op, &err);

	if (r == -EBUSY && kind == OPERATION_KILL) {
		/* Its removal kills it. */
		ttrpc_call_reply(call, NULL);
		return;
	}
	if (r < 0) {
		rpc_fail(call, &err);
		return;
	}
	if (kind == OPERATION_KILL)
		put_first(c, op);
	else
		list_add(&c->operations, &op->link);
	start_next(c);
}

bool operation_stop_all(struct container *c)
{
	struct err err = ERR_INIT;

	if (list_is_empty(&c->operations))
		return false;
	err_status(&err, ECANCELED, WIRE_ABORTED, "container %s has been removed", c->id);
	LIST_FOREACH_SAFE (op, &c->operations, struct operation, link) {
		if (!op->job)
			fail(op, &err);
		else if (op->kind != OPERATION_KILL)
			job_kill(op->job);
	}
	c->is_to_be_removed = !list_is_empty(&c->operations);
	return c->is_to_be_removed;
}

void operation_forget_all(struct container *c)
{
	LIST_FOREACH_SAFE (op, &c->operations, struct operation, link) {
		ttrpc_call_drop(op->call);
		list_remove(&op->link);
		free(op);
	}
}
