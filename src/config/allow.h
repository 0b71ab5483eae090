/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the administrator allows annotations to do: enable_annotations and the valid_* lists. */
#include <stdbool.h>

#include "config/config.h"

enum { ALLOW_MAX_PATTERN = 256, ALLOW_MAX_NAME = 64 };

/* Whether pattern is a regular expression (POSIX, extended). */
int allow_check_pattern(const char *pattern, struct err *err) must_check;
/* Whether one of the patterns is found in the name. Longer names than ALLOW_MAX_NAME match none,
 * for what a regular expression costs hangs on it. -ENOMEM. */
int allow_find_name(const struct config_strings *patterns, const char *name, bool *ret) must_check;

/* Whether resolved, the result of realpath(), is what one of the glob patterns finds. -ENOMEM. */
int allow_find_path(const struct config_strings *globs, const char *resolved, bool *ret) must_check;
/* Whether resolved is in the directory that holds file, whose links are followed. -ENOMEM. */
int allow_is_beside(const char *file, const char *resolved, bool *ret) must_check;
