/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Which namespaces a container process enters and which it makes. */
#include "agent/container/launch.h"

/* "mount" or "mnt", "uts", "ipc", "pid", "network" or "net", "cgroup", "user", "time": an enum
 * launch_ns; -EINVAL for others. */
int namespaces_parse(const char *type) must_check;
/* Its CLONE_NEW flag. */
int namespaces_flag(enum launch_ns ns);
/* Whether the spec lists it. */
bool namespaces_lists(const Grpc__Linux *linux_spec, enum launch_ns ns);

/* Whether an init is to have one of its own. Pid, mount and cgroup always, unless it is given one. */
bool namespaces_is_new(const struct launch_request *request, enum launch_ns ns);
/* All of which that is so, as bits. */
unsigned int namespaces_new(const struct launch_request *request);

/* A mount namespace must be listed, none twice, and none by path that cannot be entered so; offsets
 * of clocks need a time namespace of the container's own. Sets INVALID_ARGUMENT, or ENOTSUP. */
int namespaces_check(const Grpc__Linux *linux_spec, struct err *err) must_check;

/*
 * In the job of an init: opens the namespaces that the spec names by path and that request->ns_fds
 * does not give. Anything but a namespace of the type that is meant is refused unopened, and so is
 * the agent's own pid namespace.
 */
int namespaces_open_paths(struct launch_request *request, struct err *err) must_check;

/*
 * The pid and the user namespace take effect at clone: enters the given pid namespace, or returns
 * CLONE_NEWPID in ret_flags, with CLONE_NEWUSER where a user namespace is wanted. An init never
 * shares the agent's pid namespace, listed or not.
 */
int namespaces_prepare_pid(
	const struct launch_request *request, uint64_t *ret_flags, struct err *err) must_check;

/*
 * In the job: enters the ones that a process can be cloned from. For an exec, mount last: nothing
 * of the guest's file systems can be reached any more. For an init with a user namespace, whose
 * process might not enter them: the given ones; home_fds are then what namespaces_go_home takes the
 * job back by.
 */
int namespaces_enter_early(const struct launch_request *request,
	int home_fds[static LAUNCH_NS_COUNT], struct err *err) must_check;
int namespaces_go_home(const int home_fds[static LAUNCH_NS_COUNT], struct err *err) must_check;
/* In the process: an exec enters its cgroup and its user namespace; an init enters all given ones
 * but pid, unless the job has, and makes those that it is to have of its own. */
int namespaces_enter(const struct launch_request *request, struct err *err) must_check;

/* Opens the process's own, -1 for what it shares with the agent. */
int namespaces_open(const struct launch_request *request, int fds[static LAUNCH_NS_COUNT],
	struct err *err) must_check;
