/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Which file a program name stands for, in the root and with the credentials that we have. */
#include "base/err.h"

/*
 * A name with a slash is the file; another is looked for in the directories of path_var ($PATH of
 * the new process; NULL: nowhere; an empty entry is the current directory). It must be an
 *executable file. Messages are runc's, which people search for: exec: "nosuch": executable file not
 *found in $PATH exec: "/nosuch/file": stat /nosuch/file: no such file or directory exec: "/etc": is
 *a directory exec: "/x": permission denied
 */
int program_find(const char *name, const char *path_var, char **ret, struct err *err) must_check;

/* What a failed execve of it means, in the same style; returns -code. */
int program_exec_error(const char *name, int code, struct err *err);
