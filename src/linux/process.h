/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Making processes by system call: what fork() cannot express and the C libraries have no (or no
 * common) wrapper for. For single-threaded programs only.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/own.h"

/*
 * Like fork: 0 in the new process, its pid here, or -errno. flags are clone(2)'s namespace flags
 * and CLONE_PARENT (the new process is then our sibling, and ends with the signal we end with; an
 * init of a pid namespace cannot ask for it). cgroup_fd, if not -1, is an open cgroup v2 directory
 * that the process is born in (Linux 5.7).
 */
pid_t process_clone(uint64_t flags, int cgroup_fd) must_check;

/* Closes every fd but 0, 1, 2 and those listed (-1 entries are skipped). */
enum { PROCESS_KEEP_MAX = 32 };
int process_keep_fds(const int *fds, size_t n_fds) must_check;

/* Marks every fd but 0, 1, 2 close-on-exec. */
int process_seal_fds(void) must_check;

/* An fd (close-on-exec) that stands for the process and polls readable once it has ended. */
int process_open_pidfd(pid_t pid) must_check;
/* -ESRCH when it has ended. */
int process_signal_pidfd(int pidfd, int signo);
/* The wait status of an ended child, which stays to be waited for; -ECHILD if somebody else has
 * collected it already, -EAGAIN if it has not ended. */
int process_peek_pidfd(int pidfd, int *ret_status) must_check;
