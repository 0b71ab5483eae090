/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cgroup_path.h"

#include <limits.h>
#include <string.h>

#include "base/buf.h"
#include "wire/status.h"

static bool is_part(const char *part, size_t len, const char *what)
{
	return strlen(what) == len && strncmp(part, what, len) == 0;
}

int cgroup_path_parse(const char *wanted, const char *id, char **ret, struct err *err)
{
	auto_buf struct buf path = BUF_INIT;
	const char *at = wanted ? wanted : "";
	int r = 0;

	while (r == 0 && *(at += strspn(at, "/:"))) {
		size_t len = strcspn(at, "/:");

		if (is_part(at, len, "..") || len > NAME_MAX)
			return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
				"linux.cgroupsPath %s: \"..\" or a name that is too long", wanted);
		if (!is_part(at, len, "."))
			r = buf_printf(&path, "/%.*s", (int)len, at);
		at += len;
	}
	if (r == 0 && buf_len(&path) == 0)
		r = buf_printf(&path, "/%s", id);
	if (r == 0 && buf_len(&path) >= PATH_MAX)
		return err_status(err, ENAMETOOLONG, WIRE_INVALID_ARGUMENT,
			"linux.cgroupsPath is longer than %d bytes", PATH_MAX);
	*ret = r == 0 ? buf_take_str(&path) : NULL;
	return *ret ? 0 : err_sys(err, ENOMEM, "cgroup path");
}
