/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One process of a container: its init process, or an exec.
 *
 * Life:      CREATED -> STARTING -> RUNNING -> STOPPED
 *	      any state but STOPPED -> STOPPED (it was killed, its start failed, its VM died)
 *
 * CREATED  the init process waits in the guest and its stdio is open; an exec is known to us alone,
 *	    and its stdio is opened by its start, as other shims do: a client whose exec is not
 *	    started, because containerd has died, is not left waiting for its fifos
 * STARTING its logger, if it has one, is being started, then the agent has been asked and has not
 *	    answered
 * RUNNING  stdio is copied; the agent is asked for the exit status when both outputs have ended,
 *	    because upstream's agent closes the outputs when it answers that
 * STOPPED  exit_status and exited_at_ns are final; readers of the outputs see their end. A logger may
 *	    still be reading: guest_process_on_drained()
 */
#include "agent.pb-c.h"
#include "base/list.h"
#include "loop/loop.h"
#include "runtime/agent.h"
#include "runtime/stream.h"

enum guest_process_state {
	GUEST_PROCESS_CREATED,
	GUEST_PROCESS_STARTING,
	GUEST_PROCESS_RUNNING,
	GUEST_PROCESS_STOPPED,
	GUEST_PROCESS_STATE_COUNT,
};

/* What is reported when the guest could not be asked any more. */
enum { GUEST_PROCESS_LOST_STATUS = 255 };

struct guest_process;

/* The process has become STOPPED after it had been started (or killed before that). Called once,
 * before the waiters. */
typedef void guest_process_exit_fn(void *data, struct guest_process *p);
typedef void guest_process_done_fn(void *data, const struct err *err);

struct guest_process_config {
	struct loop *loop;
	const char *cid;
	const char *eid; /* "": the init process */
	bool terminal;
	const char *in, *out, *err; /* as containerd names them: runtime/stdio_uri.h */
	guest_process_exit_fn *on_exit;
	/* For a logger: containerd's namespace, borrowed as long as the process is there, and where
	 * it is noted (runtime/logger.h). */
	const char *name_space;
	int (*note)(void *data, pid_t pid, uint64_t start_time);
	void (*forget)(void *data, pid_t pid, uint64_t start_time);
	void *data; /* borrowed from the owner */
};

struct guest_process {
	/* For reading by everybody. */
	char *cid, *eid;
	char *in, *out, *err;
	bool terminal;
	enum guest_process_state state;
	uint32_t exit_status;
	int64_t exited_at_ns; /* CLOCK_REALTIME; 0: not yet */

	/* Private. */
	guest_process_exit_fn *on_exit;
	void *data;
	struct agent *agent;	     /* borrowed; NULL before start */
	Grpc__Process *spec;	     /* owned: what an exec runs, until it has been sent */
	struct stream_in *stream_in; /* owned */
	struct stream_out *outs[2];  /* owned; [1] is NULL with a terminal */
	size_t n_open_outs;
	struct logger *logger;			      /* owned; NULL: none */
	struct agent_pending *start_call, *wait_call; /* owned; NULL: none in flight */
	guest_process_done_fn *start_done;
	void *start_data;
	int64_t waited_ns;		   /* when the agent was asked how it ended */
	struct guest_process_config later; /* what an exec's stdio is opened with */
	bool is_watched, is_stdin_finished;
	uint32_t rows, columns; /* a resize that came before the start; 0: none */
	struct list waiters;	/* of struct guest_process_waiter */
};

/* Opens the stdio of an init process. */
int guest_process_new(const struct guest_process_config *config, struct guest_process **ret,
	struct err *err) must_check;
/* Aborts one that has not stopped. NULL is fine. */
void guest_process_free(struct guest_process *p);

/* What an exec runs; taken over on success. */
void guest_process_set_spec(struct guest_process *p, Grpc__Process *spec);

/* done is called once, from the loop, also when the process is aborted meanwhile. -EINVAL unless
 * CREATED. */
int guest_process_start(struct guest_process *p, struct agent *agent, guest_process_done_fn *done,
	void *data, struct err *err) must_check;

/* The init process is about to be killed before it was started: wait for its end as if it had been.
 */
int guest_process_watch(struct guest_process *p, struct agent *agent) must_check;

/* SIGKILL has been sent: output nobody reads will not hold up the end. */
void guest_process_hurry(struct guest_process *p);
/* Before the start it is remembered. done as above. */
int guest_process_resize(struct guest_process *p, uint32_t rows, uint32_t columns,
	guest_process_done_fn *done, void *data) must_check;
void guest_process_close_stdin(struct guest_process *p);

/* It is gone and the agent cannot say how: STOPPED with this status, now. */
void guest_process_abort(struct guest_process *p, uint32_t status);

/* Told once, when the process is STOPPED. Whoever embeds it removes it (list_remove) to stop
 * waiting. */
struct guest_process_waiter {
	struct list link;
	void (*told)(struct guest_process_waiter *w, const struct guest_process *p);
};
void guest_process_add_waiter(struct guest_process *p, struct guest_process_waiter *w);

/* STOPPED, and its logger has not ended: guest_process_free would kill it. */
bool guest_process_is_draining(const struct guest_process *p);
/* Calls fn once, from the loop, when that is over. Only while it is draining; freeing the process
 * takes it back. */
void guest_process_on_drained(struct guest_process *p, void (*fn)(void *data), void *data);

static inline bool guest_process_is_init(const struct guest_process *p)
{
	return p->eid[0] == '\0';
}
