/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The calling process's namespaces, by their names in /proc/PID/ns. */
#include "base/own.h"

/* "mnt", "pid", ...: what the process itself lives in. Needs a trustworthy /proc. */
int namespace_open_self(const char *name) must_check;
/* The CLONE_NEW flag of an open namespace, or -errno: -ENOTTY if it is something else. */
int namespace_type(int fd) must_check;
/* setns(2); -EINVAL if fd is not of that type. A pid namespace takes effect for children. */
int namespace_enter(int fd, int clone_flag) must_check;
int namespace_unshare(int clone_flags) must_check;
/* In a new network namespace: brings the loopback interface up. */
int namespace_loopback_up(void) must_check;
