/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which processes go before others: a process's scheduler and ioPriority (sched_setattr(2),
 * ioprio_set(2)), and on which processors an exec runs (execCPUAffinity). What is not given stays
 * as it is inherited.
 */
#include <sys/types.h>

#include "base/err.h"
#include "oci.pb-c.h"

/* What the kernel or we do not know, by its name: sets INVALID_ARGUMENT. */
int priority_check(const Grpc__Process *process, struct err *err) must_check;

/* Scheduler and ioPriority of pid (0: the caller). Takes rights that a container may not have. A
 * process with SCHED_DEADLINE cannot fork, unless it has SCHED_FLAG_RESET_ON_FORK. */
int priority_apply(pid_t pid, const Grpc__Process *process, struct err *err) must_check;

/* Where the caller, and what it forks, runs: initial before an exec is in the container's cgroup,
 * final once it is there. NULL and "" change nothing. */
int priority_set_cpus(const char *list, struct err *err) must_check;
