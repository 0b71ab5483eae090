/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One storage: a file system that the host asks the guest to mount, by a driver:
 *
 *	virtio-fs   a host directory shared under a tag
 *	ephemeral   a tmpfs of the guest
 *
 * Which are mounted and for whom: storages.h.
 */
#include "agent.pb-c.h"
#include "base/err.h"

/* The drivers there are, as GetGuestDetails lists them. */
char **storage_driver_names(size_t *ret_n);

/* What can be said against a request before anything is done. */
int storage_check(const Grpc__Storage *s, struct err *err) must_check;
/* Blocks: for jobs. Makes the mount point with its parents. */
int storage_mount(const Grpc__Storage *s, struct err *err) must_check;
/* Blocks: for jobs. 0 also when nothing is mounted there; removes the mount point if it is an empty
 * directory. */
int storage_unmount(const char *mount_point, struct err *err) must_check;
