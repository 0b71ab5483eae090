/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where CopyFile may write: below one directory. The path that a host sends is compared with it
 * component by component ("//" and "." count for nothing), and ".." is refused wherever it stands.
 * What remains holds no way out but links, which are for path_open_in_root().
 */
#include <limits.h>

#include "base/err.h"

struct copy_path {
	char dir[PATH_MAX];	 /* below the base: "a/b"; "": the base itself */
	char name[NAME_MAX + 1]; /* the last component */
	/* Where the file is put together, beside its place. No path has such a name (they are
	 * refused), and no two names of up to 244 bytes have the same. Longer ones share one only
	 * if their 64-bit hashes and their last 227 bytes are equal. */
	char temp[NAME_MAX + 1];
};

/* base is absolute. Errors have the status INVALID_ARGUMENT. */
int copy_path_parse(
	const char *base, const char *path, struct copy_path *ret, struct err *err) must_check;
