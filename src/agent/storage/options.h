/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The options of a storage: which are for the kernel, and which the agent itself is meant by. */
#include <stdbool.h>
#include <sys/types.h>

#include "agent.pb-c.h"
#include "base/err.h"
#include "linux/mount_options.h"

/* The kernel takes one page of data, with its NUL. */
enum { STORAGE_MAX_DATA = 4095 };

/*
 * What is for the kernel: without "fsgid=", "X-kata." and "io.katacontainers." words. "loop" is
 * refused. ret must be released with mount_options_fini.
 */
int storage_parse_options(
	const Grpc__Storage *s, struct mount_options *ret, struct err *err) must_check;

/* Finds "fsgid=N"; *ret_has tells whether there is one. */
int storage_parse_fsgid(
	const Grpc__Storage *s, bool *ret_has, gid_t *ret, struct err *err) must_check;

bool storage_has_option(const Grpc__Storage *s, const char *option);
