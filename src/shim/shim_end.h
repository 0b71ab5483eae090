/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The daemon's end. */
#include "shim/shim.h"

/* After Shutdown: ends the daemon when nothing is left that it serves, once replies and events are
 * out. Called whenever something has gone. */
void shim_end_if_wanted(struct shim *shim);

/*
 * From now on a daemon that serves nothing ends by itself: one that has not had a Create 30 seconds
 * after its start, or 5 seconds after the last thing has gone. A containerd that lives has called
 * Create or Shutdown long before; one that died between its calls does neither when it is back
 * (containerd 1.6 keeps such a daemon for ever).
 */
int shim_watch_idle(struct shim *shim) must_check;
