/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Starting a process in a container: its init, or another one (exec) beside it.
 *
 * The work that may block runs in a job, a forked child of the agent, which makes the cgroup, opens
 * what must be opened outside and clones the process itself with CLONE_PARENT, so that the process
 * is the agent's own child. The process prepares itself (namespaces, mounts, pivot_root,
 * credentials, seccomp: launch_init.c gives the order) and reports over a close-on-exec socket. An
 * init then waits for launch_release() before it runs the program; an exec runs it at once.
 *
 * Everything a failed, cancelled or timed-out launch has made (cgroup, processes, mounts in the
 * process's own namespace) is undone before done is called; the caller undoes what it made itself.
 *
 * A launch waits for no process: sockets and pidfds tell it what it needs, and agent/reaper.h, the
 * only waiter, collects the job and whatever else has ended. The caller holds the reaper from
 * launch_start until it has registered the pid that done reports, so that no exit status is lost.
 * (The kernel lets an init end only when all processes of its pid namespace have been collected, so
 * a hold also holds up the end of a container that has execs.)
 *
 * Linux 5.12 is needed, and cgroups: v2, v1 or both.
 */
#include <sys/types.h>

#include "base/err.h"
#include "linux/cgroup.h"
#include "loop/loop.h"
#include "oci.pb-c.h"

struct launch;

/* Namespaces in the order in which a process enters them. */
enum launch_ns {
	LAUNCH_NS_USER,
	LAUNCH_NS_IPC,
	LAUNCH_NS_UTS,
	LAUNCH_NS_NET,
	LAUNCH_NS_TIME,
	LAUNCH_NS_PID,
	LAUNCH_NS_CGROUP,
	LAUNCH_NS_MNT,
	LAUNCH_NS_COUNT,
};

struct launch_request {
	const char *container_id; /* valid (path_is_valid_id); borrowed during launch_start */
	bool is_init;
	const Grpc__Spec *spec;	      /* the container's, validated by launch_check_spec */
	const Grpc__Process *process; /* what to run; for an init usually spec->process */
	/*
	 * Which existing namespaces to enter, -1 for none. For an init: the sandbox's shared ones
	 * (ipc, uts, perhaps pid), which go before paths; those that the spec lists, and that
	 * neither are given here nor have a path, are made new. For an exec: all that the init
	 * has (launch_result.ns_fds). Borrowed.
	 */
	int ns_fds[LAUNCH_NS_COUNT];
	/* The process's stdin, stdout, stderr: pipe ends, or the same terminal three times when
	 * process->terminal. Borrowed, and no longer needed when launch_start has returned; they
	 * must be close-on-exec. */
	int stdio[3];
	const char
		*rootfs; /* absolute guest path, without links, of the root directory (init only) */
	const char *cgroup; /* path in every hierarchy, e.g. "/kata/abc"; made for an init, which
			     * has it for itself; NULL: the agent's own (tests) */
	bool is_unit;	    /* that is the path of a scope of systemd's below its slices */
	const char *bundle; /* for hooks (hooks.h), of an init; NULL: none */
	const char *guest_hooks; /* the directory of the image's; NULL: none */
	int64_t deadline_ns;	 /* CLOCK_MONOTONIC; INT64_MAX: none */
};

struct launch_result {
	pid_t pid; /* as the agent sees it; a child of the agent, to be reaped by it */
	/* Init only, owned by the receiver: fds of every namespace the process lives in (-1 for
	 * those it shares with the agent), so that execs enter the same even if the init is gone.
	 */
	int ns_fds[LAUNCH_NS_COUNT];
};

/*
 * Called once, from the loop. On success err is NULL and the launch lives on for an init (it holds
 * the line to the waiting process) until launch_release or launch_cancel; for an exec it is freed.
 * On failure result is NULL and the launch is freed. What failed is named as runc names it:
 * `exec: "nosuch": executable file not found in $PATH`, `exec: "/etc": permission denied`, ...
 */
typedef void launch_done_fn(void *data, const struct launch_result *result, const struct err *err);

int launch_start(struct loop *loop, const struct launch_request *request, launch_done_fn *done,
	void *data, struct launch **ret, struct err *err) must_check;

/* Lets a waiting init run its program. fn is called once: err NULL when the program's execve has
 * succeeded, else why it did not (the process has then ended). Frees the launch after fn. */
typedef void launch_released_fn(void *data, const struct err *err);
void launch_release(struct launch *launch, launch_released_fn *fn, void *data);

/*
 * Kills what has been started and undoes it, in the background; neither done nor the released
 * function is called any more. Also for an init that was never released: its cgroup is then removed
 * as well. The killed process is reaped by the agent's ordinary reaping. fn (NULL: nobody asks) is
 * called when nothing is left, from the loop or at once. A NULL launch has nothing to undo.
 */
typedef void launch_undone_fn(void *data);
void launch_cancel(struct launch *launch, launch_undone_fn *fn, void *data);

/* How many launches there are, cancelled ones that are still being undone included: while there is
 * one the loop has sources of ours. */
unsigned int launch_count(void);

/* What can be said against a spec before anything is made (spec/agent.md 19.3): sets err with
 * status INVALID_ARGUMENT. */
int launch_check_spec(const Grpc__Spec *spec, struct err *err) must_check;
/* The part of it that is about a process; launch_start does this itself. */
int launch_check_process(const Grpc__Process *process, struct err *err) must_check;

/*
 * The cgroups of containers, by the path that the launch was given. The hierarchies are those that
 * are mounted when the first of these is called.
 */
const struct cgroup_layout *launch_get_cgroup_layout(struct err *err);
int launch_open_cgroup(const char *cgroup, struct cgroup *ret, struct err *err) must_check;
/* Kills everything in the container's cgroup, waits for its end (seconds at most; for a job, or
 * when the processes are known to have gone) and removes it; 0 also when it is not there. */
int launch_remove_cgroup(const char *cgroup, struct err *err) must_check;
/* SIGKILL to every process in the cgroup, which goes on if it was frozen. Does not wait. */
int launch_kill_cgroup(const char *cgroup, struct err *err) must_check;
/* Stops all its processes, and waits for that (seconds at most, for a job; then they go on and it is
 * -ETIMEDOUT); or lets them go on, at once. */
int launch_freeze_cgroup(const char *cgroup, bool freeze, struct err *err) must_check;
/* The same for a scope, which goes by itself too, when its last process has ended. */
int launch_remove_unit(const char *cgroup, struct err *err) must_check;
/* Changes what is set in resources; device rules, if there are any, are all that hold then. is_unit:
 * systemd is told as well. May wait for memory to be given back: for a job. */
int launch_update_cgroup(const char *cgroup, bool is_unit, const Grpc__LinuxResources *resources,
	struct err *err) must_check;
