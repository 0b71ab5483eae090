/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A sandbox: one virtual machine, the agent in it, and what both need on the host.
 *
 *	sandbox_new	allocates; nothing is made yet
 *	sandbox_prepare	makes directories, state file and shared directory
 *	sandbox_set_network	brings the pod's network namespace in (jobs), before sandbox_start
 *	sandbox_mount	mounts what a container needs (a job), also while RUNNING
 *	sandbox_start	boots the VM and tells the agent about the sandbox
 *	sandbox_unmount	undoes the mounts of one container (a job)
 *	sandbox_stop	at any time after new: undoes all of it, in whatever state it is
 *
 * NEW -> PREPARED -> STARTING -> RUNNING -> STOPPING -> STOPPED, with LOST between RUNNING and
 * STOPPING when the VM or its agent is gone. Every state goes to STOPPING by sandbox_stop.
 */
#include "base/err.h"
#include "config/config.h"
#include "loop/loop.h"
#include "oci/extension.h"
#include "runtime/agent.h"
#include "runtime/oom_watch.h"
#include "runtime/share.h"
#include "runtime/sizing.h"

enum sandbox_state {
	SANDBOX_NEW,
	SANDBOX_PREPARED,
	SANDBOX_STARTING,
	SANDBOX_RUNNING,
	SANDBOX_LOST,
	SANDBOX_STOPPING,
	SANDBOX_STOPPED,
	SANDBOX_STATE_COUNT,
};

struct sandbox;

/* A running sandbox has been lost: its VM ended, or its agent does not answer. Calls to the agent
 * have failed by then (with -ECONNRESET, some time before). Called at most once; the VM is being
 * ended, sandbox_stop is still to come.
 */
typedef void sandbox_lost_fn(void *data, const struct err *why);
/* err NULL: done. Called once; from the loop, except that sandbox_stop calls it itself when there
 * was nothing to wait for. */
typedef void sandbox_done_fn(void *data, const struct err *err);

struct sandbox_config {
	struct loop *loop;
	const char *id;
	const char *owner;     /* the daemon's socket: runtime/state.h */
	const char *root;      /* "/run" */
	const char *hostname;  /* "" if none */
	struct config *config; /* taken over on success */
	sandbox_lost_fn *lost;
	void *data; /* borrowed from the owner */
};

/*
 * With static_sandbox_resource_mgmt: sets the size of the machine by what the sandbox's spec says of its
 * containers. -EINVAL: what it says makes no sense (checked in either case), -ERANGE: it is too much.
 */
int sandbox_size_config(struct config *config, const Grpc__Spec *spec, struct err *err) must_check;

int sandbox_new(
	const struct sandbox_config *config, struct sandbox **ret, struct err *err) must_check;
/* After sandbox_stop has ended, or instead of everything after sandbox_new. NULL is fine. */
void sandbox_free(struct sandbox *sb);

/* -EEXIST: a living sandbox has this id. What a dead one left under it is removed. */
int sandbox_prepare(struct sandbox *sb, struct err *err) must_check;
/* netns: path; resolv_conf: the host's file for the guest's own, or NULL. Once; without it the guest
 * has lo only. done is called in any case: sandbox_stop waits for it. */
int sandbox_set_network(struct sandbox *sb, const char *netns, const char *resolv_conf,
	sandbox_done_fn *done, void *data, struct err *err) must_check;
/* Notes and makes the plan's mounts, the first time those of the configuration too; plan is borrowed until
 * done, which is called in any case: sandbox_stop waits for it. */
int sandbox_mount(struct sandbox *sb, struct share_plan *plan, sandbox_done_fn *done, void *data,
	struct err *err) must_check;
/* Unmounts and removes all that a container has in the shared directory. done as above. Not once
 * sandbox_stop has been called, which does it for all. */
int sandbox_unmount(struct sandbox *sb, const char *cid, sandbox_done_fn *done, void *data,
	struct err *err) must_check;
/* deadline_ns: CLOCK_MONOTONIC; INT64_MAX: only our own limits. After a failure only sandbox_stop
 * makes sense. */
int sandbox_start(struct sandbox *sb, int64_t deadline_ns, sandbox_done_fn *done, void *data,
	struct err *err) must_check;
/* Ends and removes everything. A start that has not ended is given up: its done is not called.
 * Calls to the agent in flight fail. err says what could not be removed; the sandbox is STOPPED all
 * the same. */
void sandbox_stop(struct sandbox *sb, sandbox_done_fn *done, void *data);

/* A process that is ended with the sandbox, if need be by `delete` (runtime/state.h): noted before it
 * runs, forgotten when it is gone. */
int sandbox_note_process(
	struct sandbox *sb, const char *role, pid_t pid, uint64_t start_time) must_check;
void sandbox_forget_process(struct sandbox *sb, pid_t pid, uint64_t start_time);

/*
 * Makes the machine large enough for this need of the container, too; need NULL: the container is gone,
 * and it may become smaller. done may be NULL. A failure of done leaves the need noted: it is taken back
 * with NULL. -ENOTCONN: the sandbox does not run. -ENOMEM.
 */
int sandbox_fit(struct sandbox *sb, const char *cid, const struct sizing_need *need,
	sandbox_done_fn *done, void *data) must_check;

/* Tells somebody else from now on. */
void sandbox_set_lost(struct sandbox *sb, sandbox_lost_fn *lost, void *data);

/* Tells which containers run out of memory, until the sandbox stops or is lost. Once, while it is
 * RUNNING. */
int sandbox_watch_oom(struct sandbox *sb, oom_watch_fn *fn, void *data) must_check;

const char *sandbox_get_id(const struct sandbox *sb);
enum sandbox_state sandbox_get_state(const struct sandbox *sb);
/* Or has stopped. */
bool sandbox_is_stopping(const struct sandbox *sb);
/* Borrowed; NULL before the agent has been dialled. */
struct agent *sandbox_agent(const struct sandbox *sb);
const struct layout *sandbox_layout(const struct sandbox *sb);
const struct config *sandbox_get_config(const struct sandbox *sb);
/* The VMM's pid, 0 before there is one. */
pid_t sandbox_pid(const struct sandbox *sb);
/* The guest's agent can apply seccomp filters. */
bool sandbox_has_seccomp(const struct sandbox *sb);
/* What it says it knows of the fields that are ours. */
oci_extensions sandbox_extensions(const struct sandbox *sb);
