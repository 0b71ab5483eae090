/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Tap devices (Documentation/networking/tuntap.rst): links whose other end is a file descriptor. */
#include "base/own.h"

enum { TAP_QUEUES_MAX = 16 };

/*
 * Makes a tap link called name in the calling process's network namespace, with a descriptor for
 * each of its n_queues (1 to TAP_QUEUES_MAX) queues in fds, which carry a virtio_net_hdr before each
 * frame and do not block. The link goes with the last of its descriptors, whoever has them then.
 * -EBUSY: there is a link with this name. On failure nothing is left.
 */
int tap_make(const char *name, size_t n_queues, int fds[]) must_check;
