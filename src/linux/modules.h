/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Kernel modules: loading from a file, and asking what is there. No modprobe, no dependencies. */
#include <stdbool.h>

#include "base/own.h"

/*
 * Loads the module in the file (uncompressed) with the given parameters ("a=1 b=2"; "" for none).
 * 0 also when it is loaded or built in already; the parameters are then without effect.
 * -ENOENT: no such file, or the kernel lacks a symbol that the module needs; -ENOSYS: this kernel
 * loads no modules.
 */
int modules_load(const char *path, const char *params) must_check;

/* Loaded, or built in and visible in /sys/module. '-' and '_' are the same in a name. */
bool modules_is_loaded(const char *name);
