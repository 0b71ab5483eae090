/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cgroup_path.h"

#include <limits.h>
#include <string.h>

#include "base/buf.h"
#include "wire/status.h"

#define UNIT_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
#define SLICE_SUFFIX ".slice"

static bool is_part(const char *part, size_t len, const char *what)
{
	return strlen(what) == len && strncmp(part, what, len) == 0;
}

static int append_directories(struct buf *path, const char *wanted, const char *id, struct err *err)
{
	const char *at = wanted;
	int r = 0;

	while (r == 0 && *(at += strspn(at, "/:"))) {
		size_t len = strcspn(at, "/:");

		if (is_part(at, len, "..") || len > NAME_MAX)
			return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
				"linux.cgroupsPath %s: \"..\" or a name that is too long", wanted);
		if (!is_part(at, len, "."))
			r = buf_printf(path, "/%.*s", (int)len, at);
		at += len;
	}
	if (r == 0 && buf_len(path) == 0)
		r = buf_printf(path, "/%s", id);
	return r;
}

/* "slice:prefix:name" */
struct unit {
	struct slice slice, prefix, name;
};

static struct slice take_part(const char **at)
{
	struct slice part = slice_of(*at, strspn(*at, UNIT_CHARS));

	*at += part.len;
	return part;
}

static bool is_unit(const char *text, struct unit *ret)
{
	struct unit u;

	u.slice = take_part(&text);
	if (*text++ != ':')
		return false;
	u.prefix = take_part(&text);
	if (*text++ != ':')
		return false;
	u.name = take_part(&text);
	if (*text)
		return false;
	*ret = u;
	return true;
}

static bool has_suffix(struct slice s, const char *suffix)
{
	size_t len = strlen(suffix);

	return s.len > len && memcmp(s.p + s.len - len, suffix, len) == 0;
}

/* "a-b.slice" lives in "a.slice". */
static int append_slices(struct buf *path, struct slice slice)
{
	size_t stem = slice.len - strlen(SLICE_SUFFIX);
	int r = 0;

	for (size_t i = 1; i <= stem && r == 0; i++)
		if (i == stem || slice.p[i] == '-')
			r = buf_printf(path, "/%.*s" SLICE_SUFFIX, (int)i, (const char *)slice.p);
	return r;
}

static int check_slice(struct slice slice, const char *wanted, struct err *err)
{
	size_t stem;
	bool good = has_suffix(slice, SLICE_SUFFIX) && slice.len <= NAME_MAX;

	stem = good ? slice.len - strlen(SLICE_SUFFIX) : 0;
	/* As systemd does: the names between the dashes are not empty. */
	for (size_t i = 0; i < stem; i++)
		if (slice.p[i] == '-' &&
			(i == 0 || i + 1 == stem || slice.p[i + 1] == '-' || slice.p[i + 1] == '.'))
			good = false;
	return good ? 0
		    : err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			      "linux.cgroupsPath %s: its first part is not the name of a slice",
			      wanted);
}

static int append_unit(
	struct buf *path, struct unit u, const char *wanted, const char *id, struct err *err)
{
	static const char prefix[] = "kata_agent", suffix[] = ".scope";
	int r = 0;

	if (u.slice.len + u.prefix.len + u.name.len == 0) {
		u.prefix = slice_of_str(prefix);
		u.name = slice_of_str(id);
	}
	if (u.slice.len == 0)
		u.slice = slice_of_str("system" SLICE_SUFFIX);
	if (u.name.len == 0 || has_suffix(u.name, SLICE_SUFFIX) ||
		u.prefix.len + u.name.len + strlen(suffix) + 1 > NAME_MAX)
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"linux.cgroupsPath %s: its last part is not the name of a scope", wanted);
	if (!slice_equal(u.slice, slice_of_str("-" SLICE_SUFFIX))) {
		r = check_slice(u.slice, wanted, err);
		if (r == 0)
			r = append_slices(path, u.slice);
	}
	if (r == 0)
		r = buf_printf(path, "/%.*s%s%.*s%s", (int)u.prefix.len, (const char *)u.prefix.p,
			u.prefix.len ? "-" : "", (int)u.name.len, (const char *)u.name.p, suffix);
	return r;
}

int cgroup_path_parse(const char *wanted, const char *id, bool systemd, char **ret,
	bool *ret_is_unit, struct err *err)
{
	auto_buf struct buf path = BUF_INIT;
	const char *text = wanted ? wanted : "";
	bool unit_wanted;
	struct unit unit;
	int r;

	unit_wanted = systemd && is_unit(text, &unit);
	r = unit_wanted ? append_unit(&path, unit, text, id, err)
			: append_directories(&path, text, id, err);
	if (r == -EINVAL)
		return r;
	if (r == 0 && buf_len(&path) >= PATH_MAX)
		return err_status(err, ENAMETOOLONG, WIRE_INVALID_ARGUMENT,
			"linux.cgroupsPath is longer than %d bytes", PATH_MAX);
	*ret = r == 0 ? buf_take_str(&path) : NULL;
	if (!*ret)
		return err_sys(err, ENOMEM, "cgroup path");
	*ret_is_unit = unit_wanted;
	return 0;
}
