/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * How `start` tells containerd where the daemon listens. There are two forms:
 *
 *	the bare address		version 2: every containerd
 *	{"version":3,"address":...}	version 3: containerd 2.0 and later; 1.7 refuses the number
 *
 * The daemon serves both versions of the task service. Version 3 is answered to who is known to
 * understand it: a containerd that writes BootstrapParams to our stdin (2.3 and later; the others
 * write the runtime's options, an Any, or nothing), or one whose MAX_SHIM_VERSION says so.
 */
#include "base/buf.h"

/* max_version: MAX_SHIM_VERSION; NULL: not set. -ENOMEM. */
int bootstrap_answer(struct slice params, const char *max_version, const char *address,
	struct buf *b) must_check;
