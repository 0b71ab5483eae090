/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A terminal that passes every byte on as it is typed, until it is left. */
#include <stdbool.h>
#include <termios.h>

#include "base/own.h"

struct raw_terminal {
	bool is_raw; /* false in a zeroed one */
	int fd;	     /* borrowed */
	struct termios before;
};

int raw_terminal_enter(struct raw_terminal *terminal, int fd) must_check;
/* As it was before. Nothing, for one that is not raw. */
void raw_terminal_leave(struct raw_terminal *terminal);
