/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* "help NAME": what a command takes, and what comes back. */
#include "tools/agent_ctl/methods.h"

/* method NULL: name is a built-in command. */
void help_print(const char *name, const struct method *method);
