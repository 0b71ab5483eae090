/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One process of a container: its init, or one that ExecProcess started.
 *
 * A process is made before it is launched, with its streams, and is told its pid when it runs. It
 * ends when the reaper has seen it end and its output is drained (output.h): then every parked
 * WaitProcess call is answered, and the process can be asked for its exit code until its owner
 * forgets it.
 *
 * A process whose streams are connections of the host (passfd.h) has relays in the place of inputs
 * and outputs, and its output is drained when it has been written to the connections; a stream that
 * it has not is /dev/null. A connection that breaks is a pipe that breaks; a terminal goes on
 * without it.
 */
#include <sys/types.h>

#include "agent/input.h"
#include "agent/output.h"
#include "agent/passfd.h"
#include "agent/reaper.h"
#include "agent/relay.h"
#include "base/err.h"

struct process;

/* Every waiter has been answered, and at least one was there. The callee may free the process. */
typedef void process_waited_fn(void *data, struct process *process);
/* on_ending: a process has been collected, nobody has been told yet; it must not be freed.
 * on_exited: the same a moment later; it may have been waited for and freed by now. */
typedef void process_exited_fn(void *owner);

struct process {
	struct loop *loop;	    /* borrowed */
	char *id;		    /* owned: the exec id; the container's id for its init */
	pid_t pid;		    /* 0: not launched, or collected: nobody may signal it */
	struct reaper_child *child; /* NULL once collected */
	int child_stdio[3];	    /* owned: its own ends, open until it has been launched */
	int tty_fd;		    /* owned: the terminal's master; -1: it has pipes */
	struct input stdin_;
	struct output stdout_, stderr_;	      /* a terminal has stdout only */
	struct relay *relays[PASSFD_STREAMS]; /* owned; NULL: none */
	struct list waiters;		      /* struct parked */
	bool exited;			      /* collected; its output may not be drained yet */
	bool ended;	/* exited and drained: exit_code is what waiters get */
	int exit_code;	/* 128 + signal number for a death by signal */
	int n_draining; /* outputs and relays that are not drained yet */
	process_waited_fn *on_waited;
	process_exited_fn *on_ending, *on_exited;
	void *data, *owner;
};

struct process_config {
	const char *id;
	bool terminal;
	uint32_t pipe_size;		/* of the output pipes; 0: the kernel's default */
	struct passfd_streams *streams; /* taken from by process_new; NULL: none */
	process_waited_fn *on_waited;
	process_exited_fn *on_ending, *on_exited;
	void *data;  /* for on_waited; borrowed, as long as the process is there */
	void *owner; /* for the others; borrowed, longer than that */
};

int process_new(struct loop *loop, struct reaper *reaper, const struct process_config *config,
	struct process **ret, struct err *err) must_check;
/* Parked calls end with an error. A process that still runs is nobody's afterwards. NULL is fine.
 */
void process_free(struct process *process);

/* It runs as pid. Its own ends of the streams are closed here. The reaper must have been held since
 * before the launch. */
void process_launched(struct process *process, pid_t pid);

/* Takes the call over: answered when the process has ended. */
void process_wait(struct process *process, struct ttrpc_call *call);
/* -ESRCH when it has ended. */
int process_signal(struct process *process, int signo) must_check;
/* -ENOTTY when it has pipes. */
int process_resize(struct process *process, uint16_t rows, uint16_t columns) must_check;
/* As input_close. A connection is heard until it has been silent for a moment. */
void process_close_stdin(struct process *process);
/* False when a SIGTERM would do nothing: it is neither caught nor blocked nor ignored. */
bool process_handles(const struct process *process, int signo);
