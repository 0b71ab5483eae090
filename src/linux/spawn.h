/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Starting another program from a single-threaded one.
 *
 * The new process is held at a gate between fork and exec, so that its owner can write down who it
 * is before it can do anything that would have to be undone:
 *
 *	r = spawn_start(&config, &s, err);
 *	r = journal(s.pid, s.start_time);
 *	r = loop_add_child(loop, s.pid, on_exit, data, &source);
 *	spawn_release(&s);
 *	...
 *	on_exit: spawn_describe_exit(&s, "qemu", status, &why); spawn_fini(&s);
 *
 * It gets exactly what it is given: the listed fds as 3, 4, ..., /dev/null as stdin, one fd as
 * stdout and stderr, default signal dispositions and an empty mask. Unless told otherwise it is
 * killed when its parent dies (PR_SET_PDEATHSIG); a program that changes its credentials must ask
 * for that again.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum { SPAWN_FDS_MAX = 128 };

enum { SPAWN_NEW_NETNS = -1 };

struct spawn_config {
	const char *program;	 /* path; "/proc/self/exe" starts this program in another role */
	const char *const *argv; /* NULL-terminated */
	const char *const *envp; /* NULL-terminated; NULL: an empty environment */
	const int *fds;		 /* borrowed; become 3, 4, ... of the program */
	size_t n_fds;		 /* at most SPAWN_FDS_MAX, else -E2BIG */
	int output_fd;		 /* borrowed: stdout and stderr; -1: /dev/null */
	const char *cwd;	 /* NULL: "/" */
	/* It is the first of a new pid namespace, so whatever processes it makes end with it, also
	 * those that hang. Without the right to (CAP_SYS_ADMIN) there is none. */
	bool own_pid_namespace;
	/* It lives in this network namespace; 0: the caller's; SPAWN_NEW_NETNS: an empty one of its
	 * own. */
	int netns_fd;	      /* borrowed */
	bool outlives_parent; /* not killed when the parent dies, once it has been released */
};

/* {.pid = 0} and the fds -1 is an empty one: SPAWN_INIT. */
struct spawn {
	pid_t pid;	     /* 0: none */
	uint64_t start_time; /* procstat.h */
	int gate_fd;	     /* owned; -1 once released */
	int status_fd;	     /* owned; carries the errno of a failed exec */
};

#define SPAWN_INIT                             \
	{                                      \
		.gate_fd = -1, .status_fd = -1 \
	}

/* The child exists and waits. On failure there is none. */
int spawn_start(const struct spawn_config *config, struct spawn *ret, struct err *err) must_check;
/* Lets it exec. Never waits; whether exec worked is told by spawn_describe_exit(). */
void spawn_release(struct spawn *s);
/* After the exec, or the child's end: 0, or the errno with which the exec failed. The answer is given
 * once, here or by spawn_describe_exit(). */
int spawn_exec_error(const struct spawn *s);
/*
 * Says in err, for a child that was reaped with this wait status, what became of it: "qemu
 * (/usr/bin/qemu): No such file or directory", "qemu was killed by signal 9 (Killed)", "qemu exited
 * with status 1". err->code is exec's errno, else ECHILD.
 */
void spawn_describe_exit(
	const struct spawn *s, const char *name, const char *program, int status, struct err *err);
/* Closes the fds; may be called again. A child still at the gate leaves by itself, and is not
 * reaped here. */
void spawn_fini(struct spawn *s);
