/* SPDX-License-Identifier: Apache-2.0 */
/* What containers have in the shared directory: mounted and unmounted by jobs, several at once. */
#include <string.h>

#include "agent.pb-c.h"
#include "base/clock.h"
#include "base/log.h"
#include "runtime/job.h"
#include "runtime/sandbox_private.h"
#include "runtime/timeline.h"
#include "runtime/undo.h"

enum { MOUNT_LIMIT_S = 60 };

struct mount_job {
	struct sandbox *sb;	 /* borrowed: it waits for its jobs before it ends */
	bool with_binds;	 /* the configuration's mounts too */
	struct share_plan *plan; /* borrowed; NULL: to unmount */
	char *cid;		 /* owned; NULL: to mount */
	sandbox_done_fn *done;
	void *data;
	int64_t from_ns;
};

static void mount_job_free(struct mount_job *job)
{
	free(job->cid);
	free(job);
}

/* A stop that waits for the job goes on after its owner has heard of the end. */
static void end_job(struct mount_job *job, const struct err *err)
{
	struct sandbox *sb = job->sb;
	bool is_awaited = sb->state == SANDBOX_STOPPING;

	sb->n_jobs--;
	job->done(job->data, err);
	mount_job_free(job);
	if (is_awaited)
		sandbox_stop_step(sb);
}

static int start_job(
	struct mount_job *job, const char *name, job_fn *fn, job_done_fn *done, struct err *err)
{
	int r = job_start(job->sb->loop, name, MOUNT_LIMIT_S * NS_PER_S, fn, job, done, job, err);

	if (r < 0)
		mount_job_free(job);
	else
		job->sb->n_jobs++;
	return r;
}

static int mount_plan(void *data, struct err *err)
{
	const struct mount_job *job = data;

	int r = job->with_binds ? share_plan_mount(&job->sb->binds, err) : 0;

	return r == 0 ? share_plan_mount(job->plan, err) : r;
}

/* That of the container that brings the sandbox along counts. */
static void learn_shm_size(struct sandbox *sb, const struct share_plan *plan)
{
	for (size_t i = 0; sb->state == SANDBOX_PREPARED && i < plan->n_items; i++)
		if (share_plan_facts(plan, i)->kind == VOLUME_SHM)
			sb->shm_size = share_plan_facts(plan, i)->size;
}

static void on_mounted(void *data, const struct err *err)
{
	struct mount_job *job = data;
	struct err failed = ERR_INIT;

	if (!err && (share_plan_collect(&job->sb->binds, &failed) < 0 ||
			    share_plan_collect(job->plan, &failed) < 0))
		err = &failed;
	if (!err) {
		timeline_end("mount", NULL, job->from_ns);
		learn_shm_size(job->sb, job->plan);
	}
	end_job(job, err);
}

int sandbox_mount(struct sandbox *sb, struct share_plan *plan, sandbox_done_fn *done, void *data,
	struct err *err)
{
	bool with_binds = sb->state == SANDBOX_PREPARED;
	struct mount_job *job;
	int r = with_binds ? sandbox_plan_binds(sb, err) : 0;

	if (r < 0)
		return r;
	job = malloc(sizeof(*job));
	r = job ? share_plan_note(plan, sb->journal) : -ENOMEM;
	if (r == 0 && with_binds)
		r = share_plan_note(&sb->binds, sb->journal);
	if (r < 0) {
		free(job);
		return err_sys(err, -r, "write the state file");
	}
	*job = (struct mount_job){.sb = sb,
		.with_binds = with_binds,
		.plan = plan,
		.done = done,
		.data = data,
		.from_ns = clock_now_ns()};
	return start_job(job, "mount the container's file systems", mount_plan, on_mounted, err);
}

static int unmount_container(void *data, struct err *err)
{
	const struct mount_job *job = data;

	return undo_container(&job->sb->layout, job->cid, err);
}

static void on_told(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	(void)data;
	(void)reply;
	if (err)
		log_write(LOG_DEBUG, "sandbox", "RemoveStaleVirtiofsShareMounts", "error", err->msg,
			NULL);
}

/* The guest holds on to what it has seen of a directory until it looks again, and virtiofsd to the
 * files of it: it is asked to look. */
static void tell_guest(struct sandbox *sb)
{
	Grpc__RemoveStaleVirtiofsShareMountsRequest request =
		GRPC__REMOVE_STALE_VIRTIOFS_SHARE_MOUNTS_REQUEST__INIT;

	if (sb->state == SANDBOX_RUNNING)
		(void)!agent_call(
			sb->agent, AGENT_REMOVE_STALE_MOUNTS, &request.base, on_told, NULL, NULL);
}

static void on_unmounted(void *data, const struct err *err)
{
	struct mount_job *job = data;
	struct sandbox *sb = job->sb;
	char dir[LAYOUT_CONTAINER_SIZE];

	/* A note that stays does no harm. */
	if (!err && layout_container(&sb->layout, job->cid, dir) == 0 &&
		state_forget_mounts(sb->journal, dir) < 0)
		log_write(LOG_WARN, "sandbox", "write the state file", "cid", job->cid, NULL);
	if (!err)
		tell_guest(sb);
	end_job(job, err);
}

int sandbox_unmount(
	struct sandbox *sb, const char *cid, sandbox_done_fn *done, void *data, struct err *err)
{
	struct mount_job *job = malloc(sizeof(*job));

	if (job)
		*job = (struct mount_job){.sb = sb, .cid = strdup(cid), .done = done, .data = data};
	if (!job || !job->cid) {
		free(job);
		return err_sys(err, ENOMEM, "unmount container %s", cid);
	}
	return start_job(
		job, "unmount the container's file systems", unmount_container, on_unmounted, err);
}
