/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Private to process.c: the pipes or the terminal of a process, and who is at their other ends. */
#include "agent/process.h"

/* Fills child_stdio, and stdin_, stdout_ and stderr_, or relays. What it has opened before an error
 * is the process's. */
int process_open_stdio(struct process *p, const struct process_config *config) must_check;
/* The process has ended. How many relays are to be waited for; each calls process_on_drained. */
int process_finish_relays(struct process *p);

/* One output or relay is drained. May free the process. */
void process_on_drained(void *data);
