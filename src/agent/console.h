/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The debug console: a root shell in the guest for whoever the host lets in. There is none unless
 * the host asked for it at boot (agent.debug_console).
 *
 * With a port (agent.debug_console_vport) each connection has a shell on a terminal of its own.
 * When the connection ends, in either direction, its shell is killed; what the shell has left in
 * the background loses its terminal. When the shell ends, the connection is closed after the rest
 * of its output. Connections past CONSOLE_MAX_SESSIONS are closed at once.
 *
 * Without a port one shell runs on the guest's /dev/console.
 *
 * Upstream's choice of shells: /run/kata-extensions/devkit/bin/devkit-sh, /bin/bash, /bin/sh.
 */
#include "agent/options.h"
#include "agent/reaper.h"
#include "loop/loop.h"

struct console;

enum { CONSOLE_MAX_SESSIONS = 8 };

/* options must ask for one, and outlive it. -ENOENT: there is no shell. */
int console_open(struct loop *loop, struct reaper *reaper, const struct options *options,
	struct console **ret, struct err *err) must_check;
/* Kills the shells. NULL is fine. */
void console_close(struct console *console);
