/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Labels of SELinux and profiles of AppArmor for the program that a process will run: they are
 * written to a file of its own /proc directory, which only the process itself may write to, and hold
 * from its next execve on. Forked children inherit them.
 */
#include <stdbool.h>

#include "base/own.h"

enum lsm { LSM_SELINUX, LSM_APPARMOR };

/* Whether the kernel enforces it here, by what is mounted below root ("/", but for tests): SELinux's
 * own file system, which whoever loads its policy mounts; AppArmor's parameter. */
bool lsm_is_on(enum lsm lsm, const char *root);

/* The caller's file, below an fd of a procfs. It may be opened early, and written to as long as the
 * caller has not run another program. */
int lsm_open(enum lsm lsm, int proc_fd) must_check;
/* -EINVAL: SELinux's policy knows no such label; -ENOENT: no such AppArmor profile is loaded. */
int lsm_set(enum lsm lsm, int fd, const char *label) must_check;
