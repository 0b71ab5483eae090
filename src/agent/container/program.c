/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/container/program.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

int program_exec_error(const char *name, int code, struct err *err)
{
	const char *text = strerror(code);
	char first = text[0];

	/* Go, whose words people know here, writes errors in lower case. */
	if (first >= 'A' && first <= 'Z')
		first = (char)(first - 'A' + 'a');
	return err_set(err, code, "exec: \"%s\": %c%s", name, first, *text ? text + 1 : "");
}

static int check(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	/* By system call (Linux 5.8): musl's faccessat forks for AT_EACCESS. */
	if (syscall(SYS_faccessat2, AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? 0 : -EACCES;
}

static int find_in(const char *dirs, const char *name, char **ret)
{
	for (const char *at = dirs;; at++) {
		size_t len = strcspn(at, ":");
		char *path;

		if (asprintf(&path, "%.*s/%s", len > 0 ? (int)len : 1, len > 0 ? at : ".", name) <
			0)
			return -ENOMEM;
		if (check(path) == 0) {
			*ret = path;
			return 0;
		}
		free(path);
		at += len;
		if (!*at)
			return -ENOENT;
	}
}

int program_find(const char *name, const char *path_var, char **ret, struct err *err)
{
	int r = -ENOENT;

	if (strchr(name, '/')) {
		r = check(name);
		if (r == -ENOENT)
			return err_set(err, ENOENT,
				"exec: \"%s\": stat %s: no such file or directory", name, name);
		if (r < 0)
			return program_exec_error(name, -r, err);
		*ret = strdup(name);
		return *ret ? 0 : err_sys(err, ENOMEM, "exec");
	}
	if (*name && path_var)
		r = find_in(path_var, name, ret);
	if (r == -ENOENT)
		return err_set(
			err, ENOENT, "exec: \"%s\": executable file not found in $PATH", name);
	return r < 0 ? err_sys(err, -r, "exec") : 0;
}
