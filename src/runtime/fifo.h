/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The fifos containerd names for a process' stdio. */
#include "base/err.h"

/* Finds the fifo: an O_PATH fd for fifo_open(), or -errno. It is not open for reading or writing by
 * this, so a client that waits for its other end goes on waiting. */
int fifo_find(const char *path, struct err *err) must_check;

/*
 * Opens both ends of the fifo that path_fd names, non-blocking. Holding both means that neither a
 * client that has not come yet nor one that has gone disturbs us: nothing is lost, and writing does
 * not fail with EPIPE.
 */
int fifo_open(int path_fd, int *ret_read_fd, int *ret_write_fd, struct err *err) must_check;
