/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Which namespaces a container process enters and which it makes. */
#include "agent/container/launch.h"

/* "mount" or "mnt", "uts", "ipc", "pid", "network" or "net", "cgroup", "user": an enum launch_ns;
 * -EINVAL for others ("time" too). */
int namespaces_parse(const char *type) must_check;
/* Whether the spec lists it. */
bool namespaces_lists(const Grpc__Linux *linux_spec, enum launch_ns ns);

/* A namespace that the spec names by path must have been given as an fd: never a new one instead.
 */
int namespaces_check_paths(const struct launch_request *request, struct err *err) must_check;

/*
 * The pid namespace takes effect at clone: enters the given one, or returns CLONE_NEWPID in
 * ret_flags. An init never shares the agent's, listed or not.
 */
int namespaces_prepare_pid(
	const struct launch_request *request, uint64_t *ret_flags, struct err *err) must_check;

/* For an exec, in the job: enters the ones that a process can be cloned from, mount last. Nothing
 * of the guest's file systems can be reached any more. */
int namespaces_enter_early(const struct launch_request *request, struct err *err) must_check;
/* In the process: an exec enters its cgroup namespace; an init enters all given ones but pid, and
 * makes those that it is to have of its own (mount and cgroup always). */
int namespaces_enter(const struct launch_request *request, struct err *err) must_check;

/* Opens the process's own, -1 for what it shares with the agent. */
int namespaces_open(const struct launch_request *request, int fds[static LAUNCH_NS_COUNT],
	struct err *err) must_check;
