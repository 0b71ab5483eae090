/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where a storage is put: an absolute path in the guest, named by the host. No symbolic link is
 * followed on the way to it, because containers can make some below the pod's share.
 */
#include <stdbool.h>

#include "base/err.h"

struct storage_place {
	int fd, parent_fd; /* owned, O_PATH; fd -1: there is nothing */
	char *path;	   /* owned, cut up */
	const char *name;  /* its last component, within path */
	bool is_new;	   /* storage_place_make() has made it */
};

/* clang-format off */
#define STORAGE_PLACE_INIT {.fd = -1, .parent_fd = -1}
/* clang-format on */

/* Absolute, without ".." and not "/" itself. */
bool storage_place_is_valid(const char *path);

/* Makes the parents and a directory (or an empty regular file), or takes what is there of that
 * kind. */
int storage_place_make(
	const char *path, bool is_file, struct storage_place *ret, struct err *err) must_check;
/* What is there, of any kind; fd is -1 if nothing is, parent_fd too if there is no parent. */
int storage_place_open(const char *path, struct storage_place *ret, struct err *err) must_check;
void storage_place_fini(struct storage_place *place);

/* Opens and locks a directory, made if needed: who holds the fd is the only one. Blocks. */
int storage_lock(const char *dir, struct err *err) must_check;

/* Takes away what make has made, but for the parents: for who could not use it. */
void storage_place_undo(struct storage_place *place);
/* Whether it is the root of a mount. */
bool storage_place_is_mounted(const struct storage_place *place);
/* Detaches the topmost mount there. 0 also if there is none. */
int storage_place_unmount(const struct storage_place *place) must_check;
