/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Where below /sys/fs/cgroup a container's processes live. */
#include <stdbool.h>

#include "base/err.h"

/*
 * Makes a path of linux.cgroupsPath (NULL or "": none): with a leading "/" and single ones between,
 * without ".". Nothing left: "/<id>". ".." is refused.
 *
 * systemd's form, "slice:prefix:name" of letters, digits, "_", "." and "-", is a scope of systemd's
 * (*ret_is_unit) where that is the driver: "/a.slice/a-b.slice/prefix-name.scope", the parts of a
 * slice's name being those above it. An empty slice is system.slice, "-.slice" the root, and "::"
 * system.slice:kata_agent:<id>. A slice without that suffix, an empty name and one that is a slice's
 * are refused. Where systemd is not the driver, as when the agent is the guest's init, the parts
 * become directories like those of other paths.
 */
int cgroup_path_parse(const char *wanted, const char *id, bool systemd, char **ret,
	bool *ret_is_unit, struct err *err) must_check;
