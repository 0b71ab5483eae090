/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One process of a VM: the VMM or a daemon that serves it. It is journalled before it may run, its
 * output goes to the log, and its end is told in one sentence that carries its last words.
 */
#include <stdbool.h>

#include "hypervisor/hypervisor.h"
#include "hypervisor/lines.h"
#include "linux/spawn.h"

struct process;

/* It has been reaped. why: "virtiofsd exited with status 1: fuse: bad mount point"; status as
 * waitpid gives it. */
typedef void process_exit_fn(void *data, struct process *p, int status, const struct err *why);

struct process {
	const char *role;    /* "virtiofsd"; borrowed for ever */
	const char *program; /* borrowed from the start's argument */
	bool running;	     /* there is a child that has not been reaped */
	struct spawn spawn;
	struct source *child; /* owned */
	struct lines output;
	process_exit_fn *fn;
	void *data; /* borrowed from the caller */
};

#define PROCESS_INIT(name)                                                      \
	{                                                                       \
		.role = (name), .spawn = SPAWN_INIT, .output = LINES_INIT(name) \
	}

struct process_config {
	const char *program; /* must outlive the process */
	const char *const *argv;
	const int *fds; /* borrowed */
	size_t n_fds;
	const char *cwd;	/* NULL: "/" */
	bool own_pid_namespace; /* as in spawn.h */
	int netns_fd;		/* likewise */
};

/* Never waits for the program: one that cannot be executed is reported through fn. */
int process_start(struct process *p, struct loop *loop, const struct hypervisor_journal *journal,
	const struct process_config *config, process_exit_fn *fn, void *data,
	struct err *err) must_check;
/* SIGKILL; fn will be called. Does nothing if it is not running. */
void process_kill(struct process *p);
/*
 * Ends and reaps it now: given grace_ns it may first leave by itself. fn is not called. This is the
 * one call that waits; it is for when no loop can be returned to.
 */
void process_fini(struct process *p, int64_t grace_ns);
