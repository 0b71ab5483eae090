/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Where below /sys/fs/cgroup a container's processes live. */
#include "base/err.h"

/*
 * Makes a path of linux.cgroupsPath (NULL or "": none): with a leading "/" and single ones between,
 * without ".". A systemd path ("slice:prefix:name") gives the directories of its parts, since there
 * is no systemd in the guest. Nothing left: "/<id>". ".." is refused.
 */
int cgroup_path_parse(const char *wanted, const char *id, char **ret, struct err *err) must_check;
