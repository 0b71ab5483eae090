/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Paths in the guest that a host names. They may lead anywhere but over magic links (those of
 * /proc/PID), which can lead out of what is mounted. */
#include "base/err.h"

/* An O_PATH fd, so that no device, fifo or server notices. INVALID_ARGUMENT for a path that is not
 * absolute. */
int guest_path_open(const char *path, struct err *err) must_check;
int guest_path_check(const char *path, struct err *err) must_check;
