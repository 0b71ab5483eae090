/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The guest kernel's command line, which also carries the agent's configuration. */
#include "base/buf.h"
#include "config/config.h"

/*
 * Appends it to out: what every guest gets, the agent's parameters in alphabetical order, then the
 * user's kernel_params, which so win where the kernel or the agent takes the last of several.
 * -EFBIG if it is longer than the kernel of x86 takes (2047 bytes). The agent's parameters are
 * upstream's.
 */
int kernel_params_format(const struct config *config, struct buf *out) must_check;
