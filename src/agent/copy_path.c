/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/copy_path.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/slice.h"
#include "wire/status.h"

#define TEMP_PREFIX ".kata-copy-"
enum { TEMP_PREFIX_LEN = sizeof(TEMP_PREFIX) - 1, HASH_LEN = 17 };

/* The next component of *path, which is moved behind it; empty at the end. */
static struct slice next_component(const char **path)
{
	struct slice c;

	do {
		*path += strspn(*path, "/");
		c = slice_of(*path, strcspn(*path, "/"));
		*path += c.len;
	} while (c.len == 1 && *c.p == '.');
	return c;
}

static bool starts_with(struct slice s, const char *prefix)
{
	return s.len >= strlen(prefix) && memcmp(s.p, prefix, strlen(prefix)) == 0;
}

static int check_component(struct slice c, const char *path, struct err *err)
{
	if (c.len > NAME_MAX)
		return err_status(err, ENAMETOOLONG, WIRE_INVALID_ARGUMENT,
			"%.256s...: a name of %zu bytes", path, c.len);
	if (slice_equal(c, slice_of_str("..")))
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT, "%.512s: has \"..\"", path);
	if (starts_with(c, TEMP_PREFIX))
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"%.512s: names with " TEMP_PREFIX " are the agent's", path);
	return 0;
}

static int strip_base(const char *base, const char **path, struct err *err)
{
	const char *at = *path;
	struct slice want;

	while ((want = next_component(&base)).len > 0)
		if (!slice_equal(next_component(&at), want))
			return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
				"%.512s: not below the shared directory", *path);
	*path = at;
	return 0;
}

/* FNV-1a. */
static uint64_t hash(const char *s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * UINT64_C(0x100000001b3);
	return h;
}

static void name_temp(struct copy_path *p)
{
	size_t len = strlen(p->name), room = sizeof(p->temp) - 1 - TEMP_PREFIX_LEN;

	if (len <= room)
		snprintf(p->temp, sizeof(p->temp), TEMP_PREFIX "%.244s", p->name);
	else
		snprintf(p->temp, sizeof(p->temp), TEMP_PREFIX "%016" PRIx64 "-%s", hash(p->name),
			p->name + len - (room - HASH_LEN));
}

/* The components of path go to dir, with a "/" between them, but for the last. */
static int split(const char *path, struct copy_path *ret, struct err *err)
{
	const char *whole = path;
	struct slice c = next_component(&path), next;
	size_t used = 0;

	if (c.len == 0)
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"the shared directory itself cannot be replaced");
	for (; c.len > 0; c = next) {
		int r = check_component(c, whole, err);

		if (r < 0)
			return r;
		next = next_component(&path);
		if (next.len == 0)
			break;
		if (used > 0)
			ret->dir[used++] = '/';
		memcpy(ret->dir + used, c.p, c.len);
		used += c.len;
	}
	ret->dir[used] = '\0';
	memcpy(ret->name, c.p, c.len);
	ret->name[c.len] = '\0';
	return 0;
}

int copy_path_parse(const char *base, const char *path, struct copy_path *ret, struct err *err)
{
	int r;

	if (*path != '/')
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"\"%.512s\" is not an absolute path", path);
	if (strlen(path) >= PATH_MAX)
		return err_status(err, ENAMETOOLONG, WIRE_INVALID_ARGUMENT,
			"%.256s...: a path of %zu bytes", path, strlen(path));
	r = strip_base(base, &path, err);
	if (r == 0)
		r = split(path, ret, err);
	if (r == 0)
		name_temp(ret);
	return r;
}
