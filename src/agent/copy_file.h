/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * CopyFile: a host without a shared file system sends what containers need as regular files (in
 * chunks), directories and symbolic links.
 *
 *	path        below the base; missing directories are made with dir_mode & 0777, and the one
 *	            that holds the file gets its owner (but for the base itself)
 *	file_mode   type and mode; a type of 0 is a regular file; others than these three are refused
 *	uid, gid    32 bits, of which -1 is refused
 *
 * A file comes in chunks, the first at offset 0. They are put together under another name that only
 * root can read; with the chunk that makes it file_size bytes long it takes the place of whatever
 * had its name. A chunk must follow on what has come, or overlap it. A directory keeps what it holds;
 * everything else is replaced, in one step, and a final link never followed.
 *
 * All resolution happens below the base by openat2, links included. What fails leaves things as they
 * were, but for the chunks before it: the file must then be sent again from its beginning.
 */
#include "agent.pb-c.h"
#include "base/err.h"

/* What can be said against a request without looking at files; INVALID_ARGUMENT. */
int copy_file_check(
	const char *base, const Grpc__CopyFileRequest *request, struct err *err) must_check;
/* Blocks: for jobs. Checks too, and makes the base if it is missing. */
int copy_file(const char *base, const Grpc__CopyFileRequest *request, struct err *err) must_check;
