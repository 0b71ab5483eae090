/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The agent as PID 1: everything between the kernel's handing over and the first request, and the
 * end of the machine.
 */
#include "base/err.h"

/*
 * Mounts what a guest needs, loads the modules that /lib/modules/load of the initramfs lists (one
 * path a line, in load order; a failure is logged, not fatal), and moves to a root file system of
 * its own, into which it takes the initramfs's /usr if there is one. Call once, before any file but
 * 0 to 2 is open.
 */
int init_set_up(struct err *err) must_check;

/* Syncs and powers the machine off. Does not return. */
_Noreturn void init_power_off(void);
