/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Pseudo terminals. */
#include "base/own.h"

/* A new one; the caller owns both ends. The master is non-blocking, for the loop. */
int terminal_open(int *ret_master, int *ret_slave) must_check;
