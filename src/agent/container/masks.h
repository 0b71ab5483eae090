/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a container is not to see or not to change. Paths are resolved in the root; one that is not
 * there needs nothing. */
#include "agent/container/rootfs.h"

/* A directory is covered by an empty read-only one, anything else by the container's /dev/null
 * (which must be that device). */
int masks_hide(
	const struct rootfs *root, char *const *paths, size_t n_paths, struct err *err) must_check;
/* Read-only, with all that is mounted below. */
int masks_make_readonly(
	const struct rootfs *root, char *const *paths, size_t n_paths, struct err *err) must_check;
/* The root directory itself, but none of the mounts below it. */
int masks_make_root_readonly(const struct rootfs *root, struct err *err) must_check;
