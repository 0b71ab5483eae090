/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The file that stdout or stderr is appended to (file://). */
#include "base/err.h"

/*
 * Opens it for appending, an fd or -errno. Missing directories are made (0755), a missing file as
 * well (0640, as the logs that containerd itself writes). Only regular files and character devices
 * such as /dev/null: what else could be opened might have to be waited for.
 */
int log_file_open(const char *path, struct err *err) must_check;
