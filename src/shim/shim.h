/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The daemon's state, and what the task verbs (task_*.c) share.
 *
 * One sandbox, made by the Create of its own container (the one with its id: that of a pod, or a
 * single one) and stopped by that container's Delete. A pod's other containers come and go in
 * between; those that are left when their sandbox has been stopped have ended, and wait for their
 * Delete. All of it belongs to the loop's one thread.
 */
#include "base/map.h"
#include "runtime/container.h"
#include "runtime/sandbox.h"
#include "shim/cli.h"
#include "shim/events.h"
#include "wire/ttrpc_server.h"

/* Told once when the sandbox has been stopped. */
struct shim_stop_waiter {
	struct shim_stop_waiter *next; /* private */
	void (*told)(struct shim_stop_waiter *w);
};

struct create;

struct shim {
	struct loop *loop;	     /* owned */
	const struct cli *cli;	     /* borrowed */
	const char *socket_path;     /* borrowed */
	const char *run_root;	     /* borrowed: "/run", or a test's own directory */
	int64_t ready_ns;	     /* since when it serves */
	struct ttrpc_server *server; /* owned */
	struct events *events;	     /* owned */
	struct sandbox *sandbox;     /* owned; there as long as any container or Create */
	struct map containers;	     /* id -> struct container, owned; only created ones */
	struct map creates;	     /* id -> struct create: under way, or being rolled back */
	struct map deletions;	     /* id -> struct deletion: under way, of one of containers */
	size_t n_draining;	     /* Deletes of execs that wait for a logger */
	struct shim_stop_waiter *stop_waiters; /* borrowed from their owners */
	struct source *idle;		       /* owned; NULL: it may be idle for ever */
	bool is_ending;			       /* Shutdown has been answered, or it was idle */
	bool has_ended;			       /* and nothing is left but to flush */
};

/* The method table of both Task services, for ttrpc_server_config. user is the struct shim. */
extern const struct ttrpc_method shim_methods[];
extern const size_t shim_n_methods;

ttrpc_handler_fn task_state, task_create, task_start, task_delete, task_pids, task_kill, task_exec,
	task_resize_pty, task_close_io, task_wait, task_connect, task_shutdown, task_pause,
	task_resume, task_checkpoint, task_update, task_stats;

/* An absent string field. */
static inline const char *shim_text(const char *field)
{
	return field ? field : "";
}

/* NULL with err (-ENOENT, status NOT_FOUND) if there is none. */
struct container *shim_find_container(const struct shim *shim, const char *id, struct err *err);
/* exec_id "": the init process. */
struct guest_process *shim_find_process(const struct shim *shim, const char *id,
	const char *exec_id, struct container **ret_container, struct err *err);

/* What containerd is told as the pid of every process. */
uint32_t shim_pid(const struct shim *shim);
/* The id by which events name a process. */
static inline const char *shim_event_id(const struct guest_process *p)
{
	return guest_process_is_init(p) ? p->cid : p->eid;
}
struct events_exit shim_exit_of(const struct shim *shim, const struct guest_process *p);

/* guest_process_exit_fn: publishes. data is the struct shim. */
void shim_on_exit(void *data, struct guest_process *p);
/* note and forget of a guest_process_config: loggers stand in the sandbox's state file. */
int shim_note_logger(void *data, pid_t pid, uint64_t start_time);
void shim_forget_logger(void *data, pid_t pid, uint64_t start_time);
/* sandbox_lost_fn: ends every process. data is the struct shim. */
void shim_on_lost(void *data, const struct err *why);

/* oom_watch_fn: publishes, if the container is one of ours. data is the struct shim. */
void shim_on_oom(void *data, const char *cid);

/* The processes of every container end with this status. */
void shim_abort_containers(struct shim *shim, uint32_t status);
/* Stops the sandbox unless it is being stopped; w, which may be NULL, is told when it is done: at
 * once if it has been. */
void shim_stop_sandbox(struct shim *shim, struct shim_stop_waiter *w);
/* A Create, a Delete or a stop has ended: frees a stopped sandbox that nobody needs any more, and
 * ends a daemon that is to end. */
void shim_let_go(struct shim *shim);
/* Gives up a Create that is under way, which then answers with why. */
void shim_cancel_create(struct create *create, const struct err *why);

/* A guest_process_done_fn, sandbox_done_fn for "answer this call": data is the struct ttrpc_call.
 */
void shim_answer(void *data, const struct err *err);
