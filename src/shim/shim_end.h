/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The daemon's end. */
#include "shim/shim.h"

/* After Shutdown: ends the daemon when nothing is left that it serves, once replies and events are
 * out. Called whenever something has gone. */
void shim_end_if_wanted(struct shim *shim);
