/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The kernel modules that a host asks for. Where the guest has /sbin/modprobe, it loads them: run
 * with an argument vector, so that no shell sees what the host sends, and behind "--", so that
 * nothing of it is an option. Without it a module must be loaded (or built in) already, and can be
 * given no parameters.
 */
#include "agent.pb-c.h"
#include "base/err.h"

/* Names are file names that do not begin with "-"; INVALID_ARGUMENT. */
int modprobe_check(Grpc__KernelModule **list, size_t n, struct err *err) must_check;
/* In the order given; those before one that fails stay loaded. Blocks: for jobs. */
int modprobe_load(Grpc__KernelModule **list, size_t n, struct err *err) must_check;
