/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the program can be told to do; each returns its exit status, or -errno with err set. */
#include "base/buf.h"
#include "base/err.h"
#include "shim/cli.h"

/*
 * The working directory is the bundle. Leaves a daemon that listens (or, for a container of a
 * sandbox that has one, none), writes <bundle>/address and <bundle>/shim.pid, and prints the
 * address, as shim/bootstrap.h says.
 */
int start_run(const struct cli *cli, const char *program, struct err *err) must_check;

/* Removes what a dead daemon left, and prints a DeleteResponse. Works with any state file, or none.
 */
int delete_run(const struct cli *cli, struct err *err) must_check;

/* Serves the task API on the socket that `start` hands over, until Shutdown. */
#define DAEMON_LISTEN_FD_ENV "KIHON_LISTEN_FD"
/* For the timeline: when `start` began. */
#define DAEMON_START_NS_ENV "KIHON_START_NS"
int daemon_run(const struct cli *cli, struct err *err) must_check;

/* Prints a RuntimeInfo. The runtime's options are read from stdin, if there are any. */
int info_run(struct err *err) must_check;
/* The RuntimeInfo for these options (an encoded Any, or nothing), appended to b. */
int info_encode(struct slice options, struct buf *b, struct err *err) must_check;
