/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Work that may block, done by a forked child so that the loop does not wait for it: mounts,
 * looking into another network namespace, removing trees.
 *
 * The child shares everything the fork shared (memory as a copy, mount namespace, fds) and reports
 * how it ended through a pipe. It is killed when the shim dies.
 */
#include <stdint.h>

#include "base/err.h"
#include "loop/loop.h"

struct job;

/* Runs in the child: 0, or -errno with err set. */
typedef int job_fn(void *data, struct err *err);
/* err NULL: fn returned 0. Called once, from the loop, when the child is gone and reaped. */
typedef void job_done_fn(void *data, const struct err *err);

/*
 * name is for messages ("mount the root file system") and is borrowed for ever. After timeout_ns
 * the child is killed and done hears -ETIMEDOUT. There is no way to call a job off: what it made
 * has to be undone after it has ended, so its owner waits for done in any case.
 */
int job_start(struct loop *loop, const char *name, int64_t timeout_ns, job_fn *fn, void *fn_data,
	job_done_fn *done, void *done_data, struct err *err) must_check;
