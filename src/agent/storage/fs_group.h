/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Kubernetes' fsGroup: a volume that belongs to a group of the pod, down to its last file. */
#include <stdbool.h>

#include "agent.pb-c.h"
#include "base/err.h"

/*
 * Gives everything on the mount that root_fd (may be O_PATH) is on to the group, readable and,
 * unless it is read-only, writable for it; new files inherit the group. Symbolic links are left
 * alone and other mounts are not entered. The root comes last, so that the policy OnRootMismatch
 * goes on after an attempt that was broken off. Blocks: for jobs.
 */
int fs_group_apply(
	int root_fd, const Grpc__FSGroup *group, bool read_only, struct err *err) must_check;
