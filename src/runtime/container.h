/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A container: its file systems on the host, its spec in the guest, its init process and its execs.
 *
 *	container_new		reads and checks the bundle, opens the fifos; nothing is made
 *	container_mounts	what sandbox_mount is to mount for it
 *	container_create	CreateContainer in the guest
 *	container_remove	RemoveContainer
 *	container_unmount	what sandbox_mount has mounted for it
 */
#include "base/map.h"
#include "runtime/guest_process.h"
#include "runtime/guest_spec.h"
#include "runtime/sandbox.h"

/* A pod has tens of execs; probes that leak theirs must not fill the host. */
enum { CONTAINER_MAX_EXECS = 1024 };

/* One of the mounts that make the root file system; all borrowed. */
struct container_rootfs {
	const char *type, *source;
	char *const *options;
	size_t n_options;
};

struct container_config {
	struct guest_process_config
		process; /* of the init process; its cid is the container's id */
	const char *bundle;
	/* Borrowed until container_create. None: the bundle's own root.path. */
	const struct container_rootfs *rootfs;
	size_t n_rootfs;
	const Grpc__Spec *spec;	 /* checked; borrowed until container_create */
	struct sandbox *sandbox; /* borrowed for the container's life */
};

/*
 * RUNNABLE -> PAUSING -> PAUSED -> RESUMING -> RUNNABLE; a step that the agent refuses leads back.
 * It says something only while the init process is RUNNING.
 */
enum container_pause {
	CONTAINER_RUNNABLE,
	CONTAINER_PAUSING,
	CONTAINER_PAUSED,
	CONTAINER_RESUMING,
	CONTAINER_PAUSE_COUNT,
};

struct container {
	/* For reading by everybody. */
	char *id, *bundle;
	struct guest_process *init; /* owned */
	struct map execs;	    /* id -> struct guest_process, owned */
	enum container_pause pause;

	/* Private. */
	struct sandbox *sandbox; /* borrowed */
	struct guest_spec *spec; /* owned; NULL once created */
	char *rootfs_source;	 /* owned: of a rootfs in the bundle */
	struct share_plan plan;
	struct container_disks *disks; /* owned; NULL before container_create */
	int64_t step_ns;
	bool is_in_guest;
	/* What the virtual machine is made large enough for; old_need while an update is tried. */
	struct sizing_need need, old_need;
	sandbox_done_fn *done, *unmounted;
	void *data, *unmounted_data;
	bool is_killed;			  /* SIGKILL has been sent */
	struct agent_pending *pause_call; /* owned; NULL: none in flight */
	sandbox_done_fn *pause_done;	  /* NULL: nobody asked */
	void *pause_data;
};

int container_new(
	const struct container_config *config, struct container **ret, struct err *err) must_check;
/* Its processes have ended or are aborted here, without a word. NULL is fine. */
void container_free(struct container *c);

struct share_plan *container_mounts(struct container *c);
/* The sandbox is RUNNING and the mounts have been made. done is called once, from the loop. */
int container_create(
	struct container *c, sandbox_done_fn *done, void *data, struct err *err) must_check;
int container_remove(
	struct container *c, sandbox_done_fn *done, void *data, struct err *err) must_check;

/* For a container that goes before its sandbox. */
int container_unmount(
	struct container *c, sandbox_done_fn *done, void *data, struct err *err) must_check;

/* exec_id "" or the container's own id: the init process. NULL if there is none. */
struct guest_process *container_find_process(const struct container *c, const char *exec_id);
/* Takes over p. -EEXIST, -E2BIG, -ENOMEM. */
int container_add_exec(struct container *c, struct guest_process *p) must_check;
/* p belongs to the caller again. */
void container_take_exec(struct container *c, struct guest_process *p);
/* A process of it that waits for its logger (guest_process.h); NULL if none does. */
struct guest_process *container_find_draining(const struct container *c);

/* Its VM is gone: every process that has not stopped does so, with this status. */
void container_abort(struct container *c, uint32_t status);

/*
 * done is called once, from the loop, also when the container goes meanwhile. Failed preconditions:
 * the container does not run, or is not (already) paused.
 */
int container_pause(
	struct container *c, sandbox_done_fn *done, void *data, struct err *err) must_check;
int container_resume(
	struct container *c, sandbox_done_fn *done, void *data, struct err *err) must_check;
/* A failed precondition unless RUNNABLE: no process is started in a container that stands still. */
int container_check_runnable(const struct container *c, struct err *err) must_check;
/* SIGKILL has been sent to it: it is not held up by a pause, for with cgroup v1 only a resumed
 * process dies. */
void container_let_die(struct container *c);

/*
 * Before container_update(): makes the virtual machine large enough for what resources say, which are
 * borrowed for the call. container_unfit(): it did not come to that.
 */
int container_fit(struct container *c, const Grpc__LinuxResources *resources, sandbox_done_fn *done,
	void *data, struct err *err) must_check;
void container_unfit(struct container *c);

/*
 * What the agent answers goes to fn, which may outlive the container. A stopped container has no
 * limits and no statistics: a failed precondition, and not found.
 */
int container_update(const struct container *c, const Grpc__LinuxResources *resources,
	ttrpc_reply_fn *fn, void *data, struct err *err) must_check;
/* The reply is a Grpc__StatsContainerResponse. */
int container_stats(
	const struct container *c, ttrpc_reply_fn *fn, void *data, struct err *err) must_check;

/* For container_free: answers whoever waits for a pause or resume. */
void container_drop_pause(struct container *c);
