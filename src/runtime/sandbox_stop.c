/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way down: ask the guest, end the VM, unmount, remove. Each step that has to be waited for
 * calls sandbox_stop_step() when it has ended, which does the next thing that is still to be done;
 * so a stop may begin in any state, also while a mount job runs or the VM is already being ended.
 */
#include <stdio.h>
#include <string.h>

#include "agent.pb-c.h"
#include "base/clock.h"
#include "base/log.h"
#include "runtime/job.h"
#include "runtime/sandbox_private.h"
#include "runtime/timeline.h"
#include "runtime/undo.h"

enum {
	GOODBYE_LIMIT_S = 3, /* for DestroySandbox: the VM is ended anyway */
	VM_GRACE_S = 2,
	UNDO_LIMIT_S = 60,
};

static void span(struct sandbox *sb, const char *what)
{
	timeline_end(what, NULL, sb->step_ns);
	sb->step_ns = clock_now_ns();
}

static void on_vm_down(void *data, const struct err *err)
{
	struct sandbox *sb = data;

	span(sb, "stop the virtual machine");
	if (err)
		log_write(LOG_WARN, "sandbox", "stop the virtual machine", "error", err->msg, NULL);
	sb->hv_phase = HV_DOWN;
	if (sb->state == SANDBOX_STOPPING)
		sandbox_stop_step(sb);
}

static void stop_vm(struct sandbox *sb, int64_t grace_ns)
{
	if (sb->hv_phase != HV_UP)
		return;
	sb->hv_phase = HV_STOPPING;
	sb->step_ns = clock_now_ns();
	hypervisor_stop(sb->hv, grace_ns, on_vm_down, sb);
}

static void end_watching(struct sandbox *sb)
{
	health_free(sb->health);
	sb->health = NULL;
	oom_watch_free(sb->oom);
	sb->oom = NULL;
	management_free(sb->management);
	sb->management = NULL;
	source_free(sb->hangup_timer);
	sb->hangup_timer = NULL;
	sizer_end(sb->sizer);
}

void sandbox_lose(struct sandbox *sb, const struct err *why)
{
	struct err copy = ERR_INIT;

	if (sb->state != SANDBOX_RUNNING)
		return;
	err_copy(&copy, why);
	log_write(LOG_ERROR, "sandbox", "the sandbox is lost", "error", copy.msg, NULL);
	sandbox_set_state(sb, SANDBOX_LOST);
	end_watching(sb);
	agent_close(sb->agent);
	stop_vm(sb, 0);
	sb->lost(sb->data, &copy);
}

static void on_unhealthy(void *data, const struct err *why)
{
	sandbox_lose(data, why);
}

int sandbox_start_health(struct sandbox *sb)
{
	return health_new(sb->loop, sb->agent, &sb->config->agent, on_unhealthy, sb, &sb->health);
}

int sandbox_start_management(struct sandbox *sb, struct err *err)
{
	char path[LAYOUT_PATH_SIZE + sizeof(MANAGEMENT_SOCKET)];
	struct management_config config = {
		.path = path, .agent = sb->agent, .hv = sb->hv, .vmm_pid = sb->pid};
	int r;

	snprintf(path, sizeof(path), "%s/" MANAGEMENT_SOCKET, sb->layout.run_dir);
	r = state_note_file(sb->journal, path);
	if (r < 0)
		return err_sys(err, -r, "write the state file");
	return management_new(sb->loop, &config, &sb->management, err);
}

static void on_hangup_limit(void *data)
{
	struct sandbox *sb = data;

	sandbox_lose(sb, &sb->hangup);
}

void sandbox_hang_up(struct sandbox *sb, const struct err *why)
{
	end_watching(sb);
	err_copy(&sb->hangup, why);
	if (loop_add_timer(sb->loop, clock_now_ns() + SANDBOX_HANGUP_MS * NS_PER_MS,
		    on_hangup_limit, sb, &sb->hangup_timer) < 0)
		sandbox_lose(sb, why);
}

static void on_destroyed(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct sandbox *sb = data;

	(void)reply;
	/* What it could not undo ends with the VM; but whoever looks for why is to find it. */
	if (err)
		log_write(err->code == ECONNRESET ? LOG_DEBUG : LOG_WARN, "sandbox",
			"DestroySandbox", "error", err->msg, NULL);
	if (!err)
		span(sb, "destroy sandbox");
	sb->destroy_answered = true;
	/* Also called by agent_close, from a step. */
	if (sb->hv_phase == HV_UP)
		sandbox_stop_step(sb);
}

static void on_goodbye_limit(void *data)
{
	struct sandbox *sb = data;

	agent_close(sb->agent);
}

/* True when there is nothing to wait for. */
static bool say_goodbye(struct sandbox *sb)
{
	Grpc__DestroySandboxRequest request = GRPC__DESTROY_SANDBOX_REQUEST__INIT;

	if (sb->destroy_asked)
		return sb->destroy_answered;
	sb->destroy_asked = true;
	if (loop_add_timer(sb->loop, clock_now_ns() + GOODBYE_LIMIT_S * NS_PER_S, on_goodbye_limit,
		    sb, &sb->stop_timer) < 0)
		sb->destroy_answered = true;
	else if (agent_call(sb->agent, AGENT_DESTROY_SANDBOX, &request.base, on_destroyed, sb,
			 NULL) < 0)
		sb->destroy_answered = true;
	return sb->destroy_answered;
}

/* Each goes as far as it can, whatever became of the other. */
static int undo_job(void *data, struct err *err)
{
	const struct sandbox *sb = data;
	struct undo undo = {.layout = &sb->layout, .state = sb->journal};
	int result = undo_network(&undo, err);
	int r = undo_mounts(&undo, result == 0 ? err : NULL);

	return result == 0 ? r : result;
}

static void on_undone(void *data, const struct err *err)
{
	struct sandbox *sb = data;

	span(sb, "unmount");
	sb->n_jobs--;
	sb->undone = true;
	if (err)
		err_copy(&sb->undo_err, err);
	sandbox_stop_step(sb);
}

/* True when there is nothing to wait for. */
static bool undo_host(struct sandbox *sb)
{
	int r;

	if (sb->undone)
		return true;
	r = job_start(sb->loop, "unmount the shared directory", UNDO_LIMIT_S * NS_PER_S, undo_job,
		sb, on_undone, sb, &sb->undo_err);
	sb->n_jobs += r == 0;
	sb->undone = r < 0;
	return r < 0;
}

static void end_stop(struct sandbox *sb)
{
	struct undo undo = {.layout = &sb->layout, .state = sb->journal};
	sandbox_done_fn *done = sb->stop_done;

	/* What could not be unmounted is still noted: the state file stays for `delete`. */
	if (!sb->is_untouched && !err_is_set(&sb->undo_err))
		(void)!undo_files(&undo, &sb->undo_err);
	sandbox_set_state(sb, SANDBOX_STOPPED);
	timeline_end("stop", NULL, sb->stop_ns);
	timeline_close();
	done(sb->stop_data, err_is_set(&sb->undo_err) ? &sb->undo_err : NULL);
}

void sandbox_stop_step(struct sandbox *sb)
{
	if (sb->n_jobs > 0 || !say_goodbye(sb))
		return;
	source_free(sb->stop_timer);
	sb->stop_timer = NULL;
	agent_close(sb->agent);
	stop_vm(sb, VM_GRACE_S * NS_PER_S);
	if (sb->hv_phase == HV_STOPPING)
		return;
	if (undo_host(sb))
		end_stop(sb);
}

void sandbox_stop(struct sandbox *sb, sandbox_done_fn *done, void *data)
{
	/* Before RUNNING the guest has nothing to say goodbye to, and before PREPARED nothing is
	 * ours: another sandbox may have the id. */
	sb->destroy_asked = sb->destroy_answered = sb->state != SANDBOX_RUNNING;
	sb->undone = sb->is_untouched = sb->state == SANDBOX_NEW;
	sb->step_ns = sb->stop_ns = clock_now_ns();
	sb->stop_done = done;
	sb->stop_data = data;
	sb->start_done = NULL;
	source_free(sb->start_timer);
	sb->start_timer = NULL;
	end_watching(sb);
	sandbox_set_state(sb, SANDBOX_STOPPING);
	sandbox_stop_step(sb);
}
