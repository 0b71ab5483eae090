/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Reading and writing whole things through file descriptors. These block, so they are for regular
 * files, procfs and cgroupfs, and for jobs (forked children), never for a peer inside the loop.
 */
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/* All of len bytes, or -errno; io_read_full returns -EPIPE when the other end closes early. */
int io_write_full(int fd, const void *p, size_t len) must_check;
int io_read_full(int fd, void *p, size_t len) must_check;

/* Appends what the file holds to b; -EFBIG past max bytes. dir_fd as for openat (AT_FDCWD). */
int io_read_file(int dir_fd, const char *path, size_t max, struct buf *b) must_check;
/* Opens an existing file for writing and writes text in one write(2), as kernel files want it. */
int io_write_file(int dir_fd, const char *path, const char *text) must_check;
/* Creates or replaces the file so that a reader sees the old content or the new, never a part:
 * temporary name beside it, fsync not done (state lives on tmpfs), rename. */
int io_replace_file(
	int dir_fd, const char *path, mode_t mode, const void *p, size_t len) must_check;

int io_set_nonblock(int fd, bool nonblock) must_check;
int io_set_cloexec(int fd, bool cloexec) must_check;
/* Duplicates fd to a number >= 3 with close-on-exec. */
int io_dup(int fd) must_check;
