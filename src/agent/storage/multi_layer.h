/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A container's image as several disks: read-only EROFS layers, and perhaps an ext4 for what is
 * written, which together are one overlay (sheet of upstream's agent, 7.4). All storages of a request
 * that have the option X-kata.multi-layer=true, or the driver erofs.multi-layer, are one group:
 *
 *	lower   EROFS, or X-kata.overlay-lower; the first is the topmost
 *	upper   ext4, or X-kata.overlay-upper; one at most. Without one, what is written stays in the
 *		container's bundle
 *
 * The overlay appears at the mount point of the upper, or else of the first lower: that storage
 * stands for the group. The layers themselves are mounted nowhere that anybody could see or that
 * would have to be unmounted.
 */
#include <stdbool.h>
#include <stddef.h>

#include "agent/storage/driver.h"

bool multi_layer_is_member(const Grpc__Storage *s);

/* Looks at the group in list, of which there are members; ret_leader: which one stands for it. */
int multi_layer_check(
	Grpc__Storage **list, size_t n, size_t *ret_leader, struct err *err) must_check;

/* For a job. The sources of the members are nodes of disks by now; mount_point is the leader's. */
int multi_layer_mount(Grpc__Storage *const *list, size_t n, const char *mount_point,
	const struct storage_owner *owner, struct err *err) must_check;
