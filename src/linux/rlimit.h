/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Resource limits by name. */
#include <stdint.h>
#include <sys/types.h>

#include "base/own.h"

/* "RLIMIT_NOFILE", ...: its number, or -EINVAL. */
int rlimit_parse(const char *name) must_check;
/* pid 0: for the calling process; UINT64_MAX is no limit. */
int rlimit_set(pid_t pid, int resource, uint64_t soft, uint64_t hard) must_check;
