/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Removes what is left of a sandbox on the host: after its normal end, after a failed start and, in
 * `delete`, after any crash. Doing it again does nothing.
 *
 * The state may be missing or wrong. So its files and mounts are touched only below the directories
 * of this sandbox and the given bundle, never following a link, and its processes only when pid and
 * start time both fit.
 */
#include <stdint.h>

#include "base/err.h"
#include "runtime/layout.h"
#include "runtime/state.h"

struct undo {
	const struct layout *layout;
	const struct state *state; /* NULL: only what the layout implies */
};

/* SIGKILLs the state's processes (not the caller itself) and waits until they are gone, at most
 * timeout_ns in all: -ETIMEDOUT names one that is not. Loggers have half of that time to write down
 * what the shim's end has left in their pipes. This waits: for `delete`, not for the loop. */
int undo_processes(const struct undo *undo, int64_t timeout_ns, struct err *err) must_check;

/* Takes away what was put on the links of the pod's network namespace. After the processes, whose
 * ends of the links are theirs alone. Enters that namespace for a moment. */
int undo_network(const struct undo *undo, struct err *err) must_check;

/* Unmounts and removes the shared directory. Waits for file systems: run it as a job. */
int undo_mounts(const struct undo *undo, struct err *err) must_check;

/* The same for one container's part of it. */
int undo_container(const struct layout *layout, const char *cid, struct err *err) must_check;

/* Removes sockets and the run directory, the state file with it: last. */
int undo_files(const struct undo *undo, struct err *err) must_check;
