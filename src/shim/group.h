/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which sandbox a container belongs to, by what containerd's CRI and CRI-O write into the
 * annotations of its bundle: one shim, and one virtual machine, serves all that belong together.
 */
#include <stdbool.h>

#include "base/err.h"

/*
 * ret_id (owned by the caller): the sandbox's id. That is the container's own if it makes a sandbox:
 * one that is the sandbox of a pod, one that is in no pod, and one whose bundle has no config.json.
 * Otherwise it joins the sandbox that it names. -EINVAL: it names none, or not by a valid id.
 */
int group_find(const char *bundle, const char *cid, char **ret_id, bool *ret_joins,
	struct err *err) must_check;
