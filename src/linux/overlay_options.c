/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/overlay_options.h"

#include <string.h>

static const char key[] = "lowerdir=";

/* Where its value begins and ends. NULL: there is none. */
static const char *find_lower(const char *options, size_t *ret_len)
{
	for (const char *at = options; *at;) {
		size_t len = strcspn(at, ",");

		if (len > strlen(key) && strncmp(at, key, strlen(key)) == 0) {
			*ret_len = len - strlen(key);
			return at + strlen(key);
		}
		at += len + (at[len] == ',');
	}
	return NULL;
}

/* Length of the directory, with its last '/', that is above all paths of the list; 0: none is. */
static size_t common_length(const char *list, size_t len)
{
	size_t common = 0, first = 0;

	while (first < len && list[first] != ':')
		first++;
	for (size_t i = 0; i < first; i++)
		if (list[i] == '/')
			common = i + 1;
	for (size_t at = 0; at < len;) {
		size_t n = 0;

		while (n < common && at + n < len && list[at + n] == list[n])
			n++;
		while (n < common && common > 0)
			for (common--; common > 0 && list[common - 1] != '/';)
				common--;
		while (at < len && list[at] != ':')
			at++;
		at++;
	}
	return common;
}

static int append_relative(struct buf *b, const char *list, size_t len, size_t common)
{
	int r = 0;

	for (size_t at = 0; at < len && r == 0;) {
		size_t end = at;

		while (end < len && list[end] != ':')
			end++;
		if (at > 0)
			r = buf_append(b, ":", 1);
		if (r == 0)
			r = buf_append(b, list + at + common, end - at - common);
		at = end + 1;
	}
	return r;
}

static int write_shortened(
	struct buf *b, const char *options, const char *lower, size_t len, size_t common)
{
	int r = buf_append(b, options, (size_t)(lower - options));

	if (r == 0)
		r = append_relative(b, lower, len, common);
	return r == 0 ? buf_append_str(b, lower + len) : r;
}

/* Every path goes on behind the common directory: an empty one would be no path at all. */
static bool is_list(const char *list, size_t len, size_t common)
{
	size_t at = 0;

	if (common == 0 || list[0] != '/')
		return false;
	while (at < len) {
		size_t end = at;

		while (end < len && list[end] != ':')
			end++;
		if (end - at <= common)
			return false;
		at = end + 1;
	}
	return list[len - 1] != ':';
}

int overlay_options_shorten(const char *options, struct buf *ret, struct buf *ret_dir)
{
	auto_buf struct buf shortened = BUF_INIT;
	size_t len = 0, common;
	const char *lower = find_lower(options, &len);
	int r;

	if (!lower || strchr(options, '\\'))
		return -EINVAL;
	common = common_length(lower, len);
	if (!is_list(lower, len, common))
		return -EINVAL;
	r = write_shortened(&shortened, options, lower, len, common);
	if (r == 0)
		r = buf_append(ret_dir, lower, common);
	return r == 0 ? buf_append_str(ret, buf_str(&shortened)) : r;
}
