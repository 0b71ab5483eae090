/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/container.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "agent/cgroup_path.h"
#include "agent/container_hooks.h"
#include "agent/exec.h"
#include "agent/operation.h"
#include "agent/rpc.h"
#include "base/log.h"
#include "base/path.h"
#include "linux/mountfd.h"
#include "wire/status.h"

static int check_new(struct agent *agent, const struct container *c, struct err *err)
{
	if (!path_is_valid_id(c->id))
		return err_status(
			err, EINVAL, WIRE_INVALID_ARGUMENT, "invalid container id \"%s\"", c->id);
	MAP_FOREACH (e, &agent->sandbox.containers) {
		const struct container *other = e->value;

		if (strcmp(other->id, c->id) == 0)
			return err_status(err, EEXIST, WIRE_ALREADY_EXISTS,
				"container %s already exists", c->id);
		/* They would share limits, and killing one would kill both. */
		if (strcmp(other->cgroup, c->cgroup) == 0)
			return err_status(err, EEXIST, WIRE_ALREADY_EXISTS,
				"container %s already has cgroup %s", other->id, c->cgroup);
	}
	return 0;
}

static int set_up(struct container *c, const char *id, const char *cgroup, struct err *err)
{
	const char *run_dir = c->agent->options->run_dir;
	int r;

	if (!path_is_valid_id(id))
		return err_status(
			err, EINVAL, WIRE_INVALID_ARGUMENT, "invalid container id \"%s\"", id);
	c->id = strdup(id);
	if (!c->id)
		return err_sys(err, ENOMEM, "container");
	r = cgroup_path_parse(cgroup, id, c->agent->has_systemd, &c->cgroup, &c->is_unit, err);
	if (r == 0)
		r = check_new(c->agent, c, err);
	if (r < 0)
		return r;
	if (asprintf(&c->bundle, "%s/%s", run_dir, id) < 0)
		c->bundle = NULL;
	if (asprintf(&c->rootfs, "%s/%s/rootfs", run_dir, id) < 0)
		c->rootfs = NULL;
	if (!c->bundle || !c->rootfs || map_add(&c->agent->sandbox.containers, id, c) < 0)
		return err_sys(err, ENOMEM, "container %s", id);
	return 0;
}

int container_new(struct agent *agent, const char *id, const char *cgroup, struct container **ret,
	struct err *err)
{
	struct container *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_sys(err, ENOMEM, "container");
	c->agent = agent;
	list_init(&c->removals);
	list_init(&c->operations);
	for (size_t i = 0; i < ARRAY_SIZE(c->ns_fds); i++)
		c->ns_fds[i] = -1;
	r = set_up(c, id, cgroup, err);
	if (r < 0) {
		container_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

static void free_execs(struct container *c)
{
	while (c->execs.n_entries > 0)
		exec_free(c->execs.entries[0].value);
	map_fini(&c->execs);
}

void container_free(struct container *c)
{
	struct map *containers = &c->agent->sandbox.containers;

	if (c->id && map_find(containers, c->id) == c)
		(void)map_remove(containers, c->id);
	operation_forget_all(c);
	attach_cancel(c->attach);
	device_set_fini(&c->devices);
	free(c->renumbered);
	oom_watch_free(c->oom);
	free_execs(c);
	process_free(c->init);
	if (!c->has_left)
		storages_leave(&c->storages);
	storages_forget(&c->agent->sandbox.storages, &c->storages);
	for (size_t i = 0; i < ARRAY_SIZE(c->ns_fds); i++)
		close_fd(c->ns_fds[i]);
	buf_fini(&c->spec);
	free(c->id);
	free(c->cgroup);
	free(c->bundle);
	free(c->rootfs);
	free(c);
}

struct container *container_find(struct agent *agent, const char *id)
{
	return map_find(&agent->sandbox.containers, id);
}

int container_find_process(struct agent *agent, const char *id, const char *exec_id,
	struct process **ret, struct err *err)
{
	struct container *c = container_find(agent, id);
	struct exec *exec;

	if (!c || c->state == CONTAINER_PREPARING || c->state == CONTAINER_LAUNCHING)
		return err_status(
			err, ENOENT, WIRE_INVALID_ARGUMENT, "invalid container id %s", id);
	if (!*exec_id || strcmp(exec_id, id) == 0) {
		if (!c->init)
			return err_status(err, ESRCH, WIRE_NOT_FOUND,
				"the init process of container %s has ended", id);
		*ret = c->init;
		return 0;
	}
	exec = map_find(&c->execs, exec_id);
	if (!exec || exec->launch)
		return err_status(
			err, ESRCH, WIRE_NOT_FOUND, "container %s has no process %s", id, exec_id);
	*ret = exec->process;
	return 0;
}

/* Unmounts the root, however often something was mounted on it, and deletes the bundle. */
static int remove_bundle(const struct container *c, struct err *err)
{
	int r;

	do
		r = mountfd_detach(c->rootfs);
	while (r == 0);
	/* EINVAL: no mount point (any more). */
	if (r != -EINVAL && r != -ENOENT)
		return err_sys(err, -r, "unmount %s", c->rootfs);
	r = path_remove_tree(AT_FDCWD, c->bundle);
	return r < 0 ? err_sys(err, -r, "remove %s", c->bundle) : 0;
}

/* In a job. Does as much as it can, and reports what failed first. */
static int tear_down(void *data, struct job_report *report, struct err *err)
{
	const struct container *c = data;
	struct err errs[3] = {ERR_INIT, ERR_INIT, ERR_INIT};
	int r = 0;

	/* What still runs there would keep the mounts below busy. */
	if (c->has_cgroup)
		r = c->is_unit ? launch_remove_unit(c->cgroup, &errs[0])
			       : launch_remove_cgroup(c->cgroup, &errs[0]);
	if (r < 0)
		return err_copy(err, &errs[0]);
	(void)!remove_bundle(c, &errs[1]);
	(void)!storages_unmount(&c->storages, c->n_begun, &errs[2]);
	for (size_t i = 0; i < ARRAY_SIZE(errs); i++)
		if (err_is_set(&errs[i]))
			return err_copy(err, &errs[i]);
	return container_hooks_run(c, HOOKS_POSTSTOP, report, err);
}

/* The calls of creation and start, if they are still open. */
static void fail_calls(struct container *c)
{
	struct err err = ERR_INIT;

	if (!err_is_set(&c->failure))
		err_status(&c->failure, ECANCELED, WIRE_ABORTED, "container %s has been removed",
			c->id);
	if (c->create_call)
		rpc_fail(take_ptr(&c->create_call), &c->failure);
	err_status(&err, ECANCELED, WIRE_ABORTED, "container %s has been removed", c->id);
	if (c->start_call)
		rpc_fail(take_ptr(&c->start_call), &err);
}

static void finish_removal(struct container *c, const struct err *err)
{
	struct list removals = LIST_INIT(removals);

	fail_calls(c);
	while (!list_is_empty(&c->removals)) {
		struct list *link = c->removals.next;

		list_remove(link);
		list_add(&removals, link);
	}
	if (err) {
		log_write(LOG_ERROR, "container", "cannot remove container", "cid", c->id, "error",
			err->msg, NULL);
		c->state = CONTAINER_BROKEN;
	} else {
		log_write(LOG_INFO, "container", "container removed", "cid", c->id, NULL);
		container_free(c);
	}
	while (!list_is_empty(&removals)) {
		struct container_removal *removal =
			container_of(removals.next, struct container_removal, link);

		list_remove(&removal->link);
		removal->done(removal, err);
	}
}

/* False if one of its processes has not been collected yet. Kills those. */
static bool is_dead(struct container *c)
{
	bool dead = !c->init || process_signal(c->init, SIGKILL) == -ESRCH;

	MAP_FOREACH (e, &c->execs) {
		struct exec *exec = e->value;

		dead &= process_signal(exec->process, SIGKILL) == -ESRCH;
	}
	return dead;
}

/* An exit for want of memory is to be known as one when it is told. */
void container_process_ending(void *owner)
{
	struct container *c = owner;

	oom_watch_check(c->oom);
}

void container_process_exited(void *owner)
{
	struct container *c = owner;

	if (c->is_torn_down && is_dead(c))
		finish_removal(c, NULL);
}

/*
 * A process has left its cgroup a moment before it can be collected, and a privileged one may have
 * moved to another. Their exit codes are still to be told.
 */
static void on_torn_down(void *data, const struct err *err, uint32_t n_steps)
{
	struct container *c = data;

	(void)n_steps;
	c->job = NULL;
	if (err) {
		finish_removal(c, err);
		return;
	}
	c->is_torn_down = true;
	container_process_exited(c);
}

/* Those that run are killed with the cgroup; one that is being launched might escape that. */
static void cancel_launches(struct container *c)
{
	for (size_t i = c->execs.n_entries; i-- > 0;) {
		struct exec *exec = c->execs.entries[i].value;

		if (exec->launch)
			exec_free(exec);
	}
}

static void start_tear_down(struct container *c)
{
	struct job_config job = {
		.name = "remove container", .run = tear_down, .done = on_torn_down, .data = c};
	struct err err = ERR_INIT;

	c->state = CONTAINER_REMOVING;
	cancel_launches(c);
	if (!c->has_left)
		storages_leave(&c->storages);
	c->has_left = true;
	if (job_start(c->agent->reaper, &job, &c->job, &err) < 0)
		on_torn_down(c, &err, 0);
}

static void on_undone(void *data)
{
	start_tear_down(data);
}

/* It removes the cgroup too; two who do that at once would get into each other's way. */
static void cancel_launch(struct container *c)
{
	c->state = CONTAINER_REMOVING;
	c->has_cgroup = false;
	if (c->is_paused) {
		/* On cgroup v1 it does not die before it goes on; it must not go on alive. */
		(void)!process_signal(c->init, SIGKILL);
		(void)!launch_freeze_cgroup(c->cgroup, false, NULL);
	}
	launch_cancel(take_ptr(&c->launch), on_undone, c);
}

void container_remove(struct container *c, struct container_removal *removal)
{
	if (removal)
		list_add(&c->removals, &removal->link);
	if (operation_stop_all(c))
		return;
	switch (c->state) {
	case CONTAINER_PREPARING:
		attach_cancel(take_ptr(&c->attach));
		/* Its end calls us again. */
		if (c->job) {
			job_kill(c->job);
			return;
		}
		break;
	case CONTAINER_LAUNCHING:
		reaper_drop(c->agent->reaper);
		cancel_launch(c);
		return;
	case CONTAINER_CREATED:
	case CONTAINER_STARTING:
		cancel_launch(c);
		return;
	case CONTAINER_SHARING:
	case CONTAINER_POSTSTART:
		/* Its end calls us again. */
		c->is_to_be_removed = true;
		job_kill(c->job);
		return;
	case CONTAINER_REMOVING:
		return;
	case CONTAINER_RUNNING:
	case CONTAINER_BROKEN:
		break;
	}
	start_tear_down(c);
}
