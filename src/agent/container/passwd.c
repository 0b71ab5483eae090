/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/container/passwd.h"

enum { FIELDS = 7, FIELD_UID = 2, FIELD_HOME = 5 };

/* Cuts what stands before the first `by` off *rest. */
static struct slice cut(struct slice *rest, char by)
{
	const uint8_t *end = rest->len > 0 ? memchr(rest->p, by, rest->len) : NULL;
	struct slice field = slice_of(rest->p, end ? (size_t)(end - rest->p) : rest->len);
	size_t skip = field.len + (end ? 1 : 0);

	if (skip > 0)
		*rest = slice_of(rest->p + skip, rest->len - skip);
	return field;
}

static bool parse_uid(struct slice s, uint32_t *ret)
{
	uint64_t value = 0;

	if (s.len == 0 || s.len > 10)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(s.p[i] - '0');
	}
	if (value > UINT32_MAX)
		return false;
	*ret = (uint32_t)value;
	return true;
}

static bool parse_line(struct slice line, uint32_t *ret_uid, struct slice *ret_home)
{
	struct slice fields[FIELDS];
	size_t colons = 0;

	for (size_t i = 0; i < line.len; i++)
		colons += line.p[i] == ':';
	if (colons != FIELDS - 1)
		return false;
	for (size_t i = 0; i < FIELDS; i++)
		fields[i] = cut(&line, ':');
	*ret_home = fields[FIELD_HOME];
	return parse_uid(fields[FIELD_UID], ret_uid) && ret_home->len > 0 && ret_home->p[0] == '/';
}

int passwd_find_home(struct slice content, uint32_t uid, char **ret)
{
	while (content.len > 0) {
		struct slice line = cut(&content, '\n'), home;
		uint32_t found;
		int r;

		if (!parse_line(line, &found, &home) || found != uid)
			continue;
		r = slice_to_cstr(home, PASSWD_HOME_MAX - 1, ret);
		if (r == 0 || r == -ENOMEM)
			return r;
	}
	return -ENOENT;
}
