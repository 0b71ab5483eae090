/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Storages: file systems that the host asks the guest to mount, for the sandbox or a container.
 *
 * Mounting may block, so it is done in a job; what is mounted, and for how many users, is kept in
 * the agent (storages.h).
 */
#include <stddef.h>

/* The drivers there are, as GetGuestDetails lists them. */
char **storage_driver_names(size_t *ret_n);
