/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the two processes of a launch share: the job, which prepares what is better done outside,
 * and the container process, which is cloned from it and so has a copy of all its memory and fds.
 */
#include "agent/container/hooks.h"
#include "agent/container/labels.h"
#include "agent/container/launch.h"
#include "base/clock.h"
#include "linux/syscall_filter.h"

struct setup {
	struct launch_request request; /* a copy; its fds are ours here */
	int sock_fd;		       /* to the agent (report.h) */
	struct cgroup cgroup;	       /* closed: none */
	bool born_in_cgroup;	       /* in v2's directory of it */
	int console_fd;		       /* a detached mount of the terminal, -1: none */
	int job_fd, process_fd;	       /* between the two (launch_hooks.c); -1: not needed */
	pid_t pid;		       /* in the job: the process */
	pid_t placeholder;	       /* in the job: keeps a scope (launch_unit.c); 0: none */
	bool has_userns;	       /* the container: one is made, or entered by an exec */
	int home_fds[LAUNCH_NS_COUNT]; /* in the job: the agent's namespaces that it has left */
	int *outside_fds;	       /* mounts that the job has made; NULL: none */
	struct syscall_filter filter;
	struct labels labels;
};

/* In the job. Never returns. */
_Noreturn void launch_job_run(const struct launch_request *request, int sock_fd);
/* In the process. Never returns. */
_Noreturn void launch_init_run(struct setup *setup);
/* Of the calling process, and those it makes; needs the guest's /proc. process may be NULL. */
int launch_adjust_oom_score(const Grpc__Process *process, struct err *err) must_check;
/*
 * What the job does while the process waits (launch_hooks.c): the maps of its user namespace, then,
 * when the root is built, its limits and the hooks of the agent's namespaces. Before the clone: opens
 * the line between the two, if there is anything of that. After it, in the job: does it. In the
 * process: waits for it.
 */
int launch_open_line(struct setup *setup, struct err *err) must_check;
int launch_serve_process(struct setup *setup, struct err *err) must_check;
int launch_await_maps(struct setup *setup, struct err *err) must_check;
int launch_await_hooks(struct setup *setup, struct err *err) must_check;
/* In the process: the hooks that it runs itself. */
int launch_run_own_hooks(
	const struct setup *setup, enum hooks_kind kind, struct err *err) must_check;
/* In the job, for a cgroup that is a scope of systemd's: makes and limits it; when the process has been
 * cloned into it, leaves it to that. */
int launch_make_unit(
	struct setup *setup, const struct cgroup_layout *layout, struct err *err) must_check;
int launch_settle_unit(struct setup *setup, struct err *err) must_check;
/* In a job: tells systemd of limits that the cgroup has got. */
int launch_update_unit(const char *cgroup, const struct cgroup *c,
	const Grpc__LinuxResources *resources, struct err *err) must_check;
/* In a job that cleans up after a failed init. */
_Noreturn void launch_undo_run(const char *cgroup, bool is_unit);

/* How long the processes of a killed cgroup have for ending. */
#define LAUNCH_REMOVE_NS (10 * NS_PER_S)
