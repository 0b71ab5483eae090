/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The kernel's vsock device and a free context id on it. */
#include <stdint.h>

#include "base/err.h"

/*
 * Opens /dev/vhost-vsock and gives it a random cid that nobody has. The fd keeps the cid. -ENOENT
 * (and no err set) if this machine has no such device.
 */
int vsock_cid_open(int *ret_fd, uint32_t *ret_cid, struct err *err) must_check;
