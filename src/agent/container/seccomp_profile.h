/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A spec's seccomp profile, compiled by libseccomp to a program that the kernel loads. */
#include "base/err.h"
#include "linux/syscall_filter.h"
#include "oci.pb-c.h"

/*
 * Unknown actions, architectures, operators and flags are INVALID_ARGUMENT, SCMP_ACT_NOTIFY is not
 * supported. Syscall names that this libseccomp does not know, and architectures that this processor
 * cannot run, are skipped and listed to report_fd.
 * An errno of 0 or none is EPERM (a proto3 host cannot leave it out); one for an action that takes
 * none is refused, as the specification demands. Conditions on the same
 * argument are alternatives, on different ones all must hold, as runc has it. Allocates as much as
 * libseccomp likes: for a job.
 */
int seccomp_profile_compile(const Grpc__LinuxSeccomp *profile, int report_fd,
	struct syscall_filter *ret, struct err *err) must_check;
