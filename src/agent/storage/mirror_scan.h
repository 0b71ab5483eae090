/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What mirror.h copies: a list of what is in the tree, by path. */
#include <stdbool.h>
#include <sys/stat.h>

#include "agent/storage/mirror.h"

struct mirror_entry {
	char *path; /* owned: relative to the root */
	char *link; /* owned: where a symbolic link points to; else NULL */
	struct stat st;
};

enum { MIRROR_MAX_ENTRIES = MIRROR_MAX_FILES + MIRROR_MAX_DIRS };

/* A zeroed one is empty. Ordered by path, so that a directory comes before what is in it. */
struct mirror_list {
	struct mirror_entry entries[MIRROR_MAX_ENTRIES];
	size_t n, n_dirs;
	uint64_t size; /* of all files */
};

/* Twice the same, so that nothing was moved meanwhile from what had not been read yet to what had.
 * Fails as mirror_update. Special files are left out. */
int mirror_scan(int root_fd, struct mirror_list *ret, struct err *err) must_check;
void mirror_list_fini(struct mirror_list *list);
/* NULL if there is none. */
const struct mirror_entry *mirror_find(const struct mirror_list *list, const char *path);
/* Content and attributes; not what they are called. */
bool mirror_is_same(const struct stat *a, const struct stat *b);

/* Below dir_fd, without following links, and without leaving its mount. */
int mirror_open(int dir_fd, const char *path, int flags) must_check;
