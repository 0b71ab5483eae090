/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The processes of a cgroup and of those below it. */
#include "linux/cgroup.h"

/* Sends signo to every one, frozen meanwhile so that none escapes by forking; those of a frozen
 * cgroup get it when they are thawed. Does not wait for anything but the freezing (a second). */
int cgroup_signal(const struct cgroup *c, int signo) must_check;
/* SIGKILL to every one, and thaws it: killed processes of a v1 cgroup end only then. */
int cgroup_kill(const struct cgroup *c) must_check;
/* cgroup_kill, and waits until deadline_ns (CLOCK_MONOTONIC) for the end of all, also of those that
 * are in a v1 hierarchy's directory only; -ETIMEDOUT. */
int cgroup_kill_members(const struct cgroup *c, int64_t deadline_ns) must_check;
