/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A container of the sandbox, from the CreateContainer request that names it to the end of its
 * removal.
 *
 *	state      what is under way                      what container_remove does
 *	PREPARING  waiting for devices                    attach_cancel, then tear down
 *	           then job: storages, root bind mount    job_kill, then tear down
 *	LAUNCHING  launch: cgroup, namespaces, init       launch_cancel, then tear down
 *	SHARING    job: mounts of others; init waits      job_kill, then as CREATED
 *	CREATED    nothing; init waits for its release    launch_cancel, then tear down
 *	STARTING   release: init becomes the program      launch_cancel, then tear down
 *	POSTSTART  job: hooks; init is the program        job_kill, then tear down
 *	RUNNING    nothing; also when its init has ended  tear down
 *	REMOVING   job: kill, unmount, delete             waits for it
 *	BROKEN     nothing; the removal failed            tear down again
 *
 * An operation that is under way (operation.h) is broken off first. A paused container is CREATED or
 * RUNNING still.
 *
 * In every state the container is in the sandbox's map, so that no second one of the name is made.
 */
#include "agent/agent.h"
#include "agent/container/launch.h"
#include "agent/device/attach.h"
#include "agent/device/spec.h"
#include "agent/job.h"
#include "agent/oom.h"
#include "agent/process.h"
#include "agent/storages.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"

enum container_state {
	CONTAINER_PREPARING,
	CONTAINER_LAUNCHING,
	CONTAINER_SHARING,
	CONTAINER_CREATED,
	CONTAINER_STARTING,
	CONTAINER_POSTSTART,
	CONTAINER_RUNNING,
	CONTAINER_REMOVING,
	CONTAINER_BROKEN,
};

/* What a spec takes decoded is bounded by what its CreateContainer request was allowed. */
enum { CONTAINER_SPEC_BUDGET = 16 << 20 };

struct container {
	struct agent *agent; /* borrowed */
	char *id;	     /* owned */
	char *cgroup;	     /* owned: the path in every hierarchy */
	bool is_unit;	     /* that is of a scope of systemd's */
	char *bundle;	     /* owned: <run_dir>/<id> */
	char *rootfs;	     /* owned: <bundle>/rootfs, the container's root */
	enum container_state state;
	struct storage_set storages;
	uint32_t n_begun;     /* steps of the preparing job that may need undoing */
	bool has_cgroup;      /* its init has been launched and may live there */
	bool has_left;	      /* storages_leave() was called */
	bool is_torn_down;    /* its processes are ending; with the last one it goes */
	struct buf spec;      /* the launched Grpc__Spec, encoded: compact, execs are rare */
	struct process *init; /* owned; NULL once its exit has been waited for */
	struct map execs;     /* owned struct exec (exec.h), by exec id */
	bool has_poststart, has_poststop;      /* hooks, perhaps (container_hooks.h) */
	struct attach *attach;		       /* PREPARING: its devices are waited for */
	struct device_set devices;	       /* what was found; after the launch its pairs */
	struct device_renumbering *renumbered; /* owned: what became of the spec's devices */
	size_t n_renumbered;
	struct job *job;	/* PREPARING, SHARING, POSTSTART, REMOVING */
	struct launch *launch;	/* LAUNCHING to STARTING */
	struct list operations; /* struct operation: pause, resume, update, kill */
	bool is_paused;
	bool is_to_be_removed;			     /* when what is under way has ended */
	struct oom_watch *oom;			     /* NULL: not watched */
	int ns_fds[LAUNCH_NS_COUNT];		     /* owned: what its init lives in */
	struct ttrpc_call *create_call, *start_call; /* to be answered; NULL: none */
	struct err failure;			     /* why it could not be created */
	struct list removals;			     /* struct container_removal */
};

/* What is to happen when the container is gone. err: why it could not be removed; NULL: it is gone.
 */
struct container_removal {
	struct list link;
	void (*done)(struct container_removal *removal, const struct err *err);
};

/* A PREPARING container, in the sandbox's map. Checks the id, and that no other container has it or
 * the cgroup path. */
int container_new(struct agent *agent, const char *id, const char *cgroup, struct container **ret,
	struct err *err) must_check;
/* For one that has made nothing yet; others are removed. */
void container_free(struct container *c);

/* NULL if there is none. */
struct container *container_find(struct agent *agent, const char *id);
/*
 * "" or the container's id is its init. Errors carry the status that hosts expect: no such
 * container INVALID_ARGUMENT; no such process, or one that was waited for, NOT_FOUND.
 */
int container_find_process(struct agent *agent, const char *id, const char *exec_id,
	struct process **ret, struct err *err) must_check;

/*
 * Stops whatever is under way, kills every process and removes what was made; then answers the
 * calls that are open and frees the container. removal may be NULL; else it is borrowed until it is
 * done. Removals asked for while one runs are told together with it.
 */
void container_remove(struct container *c, struct container_removal *removal);
/* The process_exited_fns of its processes; owner is the container. */
void container_process_ending(void *owner);
void container_process_exited(void *owner);
