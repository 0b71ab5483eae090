/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One epoll loop per process: file descriptors, timers, signals and children as event sources.
 *
 * A source belongs to whoever added it, who frees it with source_free() before whatever its data
 * points to; this is safe at any time, also from inside its own or another source's callback, and a
 * freed source's callback is never called again. Callbacks run one after another on the thread that
 * runs the loop; they must not wait, nor run the loop themselves. Freeing NULL does nothing.
 *
 * A forked child must leave loop and sources alone: the epoll set is shared with its parent.
 */
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/types.h>

#include "base/own.h"

struct loop;
struct source;

/* events: what epoll reported (EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR, ...). */
typedef void loop_io_fn(void *data, int fd, uint32_t events);
typedef void loop_timer_fn(void *data);
typedef void loop_signal_fn(void *data, int signo);
/* status: as waitpid gives it (WIFEXITED, ...); the child has been reaped. An exit with 255 also
 * stands for a child that somebody else has reaped. */
typedef void loop_child_fn(void *data, pid_t pid, int status);

int loop_new(struct loop **ret) must_check;
/* All sources must have been freed. */
void loop_free(struct loop *loop);
/* Dispatches until loop_stop(), which may have been called before; returns the code given there, or
 * -errno if epoll itself fails. */
int loop_run(struct loop *loop) must_check;
/* Dispatches what is ready, waiting for at most timeout_ns (-1: no limit) for the first event. */
int loop_run_once(struct loop *loop, int64_t timeout_ns) must_check;
void loop_stop(struct loop *loop, int code);

/* fd is borrowed and must outlive the source. Level-triggered. */
int loop_add_io(struct loop *loop, int fd, uint32_t events, loop_io_fn *fn, void *data,
	struct source **ret) must_check;
/* Changes what an io source waits for; 0 parks it (EPOLLHUP and EPOLLERR are parked too). */
int source_set_events(struct source *s, uint32_t events) must_check;

/* Fires once at deadline_ns (CLOCK_MONOTONIC, clock_now_ns()), then stays, unarmed. INT64_MAX: not
 * armed from the start. */
int loop_add_timer(struct loop *loop, int64_t deadline_ns, loop_timer_fn *fn, void *data,
	struct source **ret) must_check;
/* Arms again (also while armed). INT64_MAX disarms. What a timer's callback arms fires in the next
 * round at the earliest. */
void source_set_deadline(struct source *s, int64_t deadline_ns);

/* Blocks signo for the process and delivers it here instead (signalfd). Children that exec must
 * restore their mask: see loop_restore_signals(). */
int loop_add_signal(struct loop *loop, int signo, loop_signal_fn *fn, void *data,
	struct source **ret) must_check;

/* Waits for a child of this process by pidfd and reaps it; fires once. Freeing the source does not
 * kill or reap. */
int loop_add_child(struct loop *loop, pid_t pid, loop_child_fn *fn, void *data,
	struct source **ret) must_check;

void source_free(struct source *s);

/* For a forked child before exec: empties the signal mask and puts every disposition to default. */
void loop_restore_signals(void);
