/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A process's environment. */
#include <stdint.h>

#include "base/own.h"

struct environment {
	char **vars; /* owned array, NULL-terminated, as execve takes it; entries borrowed */
	size_t n_vars;
	char *home_var; /* owned: the entry for HOME if environment_add_home made it */
};

/*
 * From "NAME=value" entries, which stay borrowed. One without "=" or without a name is skipped and
 * reported to report_fd; of several for one name the last counts, in the place of the first. A
 * value may be empty or hold "=".
 */
int environment_build(
	char *const *entries, size_t n_entries, int report_fd, struct environment *ret) must_check;
void environment_fini(struct environment *env);

/* The value, or NULL. */
const char *environment_find(const struct environment *env, const char *name);

/* If HOME is missing: the one that /etc/passwd (of the root we are in) has for uid, or "/". */
int environment_add_home(struct environment *env, uint32_t uid) must_check;
