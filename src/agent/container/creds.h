/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Who a container process is and what it may: uid, groups, capabilities, limits. */
#include "agent/container/launch.h"
#include "linux/caps.h"

/* The five sets; an unknown name is INVALID_ARGUMENT. capabilities may be NULL: none. */
int creds_parse_caps(
	const Grpc__LinuxCapabilities *capabilities, struct caps *ret, struct err *err) must_check;

/* uid, gid and groups must be numbers that the kernel does not take for "unchanged". */
int creds_check_user(const Grpc__User *user, struct err *err) must_check;
int creds_check_rlimits(
	Grpc__POSIXRlimit *const *rlimits, size_t n_rlimits, struct err *err) must_check;

/* pid 0: the caller. Raising one needs privileges that no user namespace has. */
int creds_apply_rlimits(
	pid_t pid, Grpc__POSIXRlimit *const *rlimits, size_t n_rlimits, struct err *err) must_check;

/*
 * Takes on the user, the groups and the bounding set. The process keeps the permitted and effective
 * capabilities of caps and, when keep_admin, CAP_SYS_ADMIN, which loading a seccomp filter without
 * no_new_privs needs; creds_finish then drops it. Capabilities that this kernel does not have are
 * left out and reported.
 */
int creds_apply(const Grpc__User *user, struct caps *caps, bool keep_admin, int report_fd,
	struct err *err) must_check;
int creds_finish(const struct caps *caps, int report_fd, struct err *err) must_check;
