/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a container process and the job that makes it tell the agent while they set things up: one
 * datagram (SOCK_SEQPACKET) per message. The process's pid, as the agent sees it, is what the
 * kernel says about the sender (SCM_CREDENTIALS).
 *
 * The agent answers with single bytes: REPORT_ACK to the job when it follows it, and to a hello,
 * REPORT_GO when the program may run.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/log.h"
#include "base/slice.h"

enum report_type {
	REPORT_HELLO = 1, /* the process exists and waits for the ack */
	REPORT_LOG,	  /* a record for the agent's log */
	REPORT_CGROUP,	  /* value 1: the cgroup is about to be made; 0: it is not ours after all */
	REPORT_FAILURE,	  /* set-up or execve failed; the sender ends */
	REPORT_READY,	  /* set-up is done; fds of the namespaces, value: which (bits) */
};

enum { REPORT_ACK = 'A', REPORT_GO = 'G' };
enum { REPORT_FDS_MAX = 8, REPORT_SIZE = 16 + ERR_MSG_SIZE };

struct report {
	enum report_type type;
	pid_t pid;	 /* the sender's */
	int32_t value;	 /* LOG: enum log_level; FAILURE: err.code; others: see above */
	uint32_t status; /* FAILURE: err.status */
	char text[ERR_MSG_SIZE];
	int fds[REPORT_FDS_MAX]; /* owned, the first n_fds */
	size_t n_fds;
};

/* Both ends close-on-exec and not among 0, 1, 2; the agent's does not block and learns senders. */
int report_open_pair(int *ret_agent_fd, int *ret_process_fd) must_check;

/* For the agent: 1 with a message, 0 at end of file, -EAGAIN, -EBADMSG for one that no sender of
 * ours makes. */
int report_receive(int fd, struct report *ret) must_check;
void report_fini(struct report *report);
/* The part of receiving that reads bytes. */
int report_decode(struct slice datagram, struct report *ret) must_check;

/* For job and process. -EPIPE: the agent does not want them any more. fd -1 discards. */
int report_send(
	int fd, enum report_type type, int32_t value, const int *fds, size_t n_fds) must_check;
int report_send_failure(int fd, const struct err *err);
void report_log(int fd, enum log_level level, const char *fmt, ...) printf_like(3, 4);
/* Waits for that byte; -EPIPE when the agent has closed its end. */
int report_await(int fd, char byte) must_check;
