/* SPDX-License-Identifier: Apache-2.0 */
/* Options of an overlay. Shortened ones, with the directory put back, are those that were given. */
#include <assert.h>

#include "linux/overlay_options.h"
#include "text.h"

static const char key[] = "lowerdir=";

/* Of each path of the list, which goes to the next comma: it begins with dir in options, and goes on
 * as it does in shortened. */
static void compare_lists(const char *options, const char *shortened, const char *dir)
{
	size_t n = strlen(dir);

	for (;;) {
		size_t len = strcspn(options, ":,"), rest = strcspn(shortened, ":,");

		assert(len == n + rest && rest > 0);
		assert(memcmp(options, dir, n) == 0);
		assert(memcmp(options + n, shortened, rest) == 0);
		options += len;
		shortened += rest;
		if (*options != ':')
			break;
		assert(*shortened == ':');
		options++;
		shortened++;
	}
	assert(strcmp(options, shortened) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *at = text;
	auto_buf struct buf options = BUF_INIT, dir = BUF_INIT;
	size_t n;

	if (overlay_options_shorten(text, &options, &dir) == 0) {
		assert(buf_str(&dir)[0] == '/');
		/* The first lowerdir of some length is the one. */
		while (strncmp(at, key, strlen(key)) != 0 || !at[strlen(key)] ||
			at[strlen(key)] == ',')
			at = strchr(at, ',') + 1;
		n = (size_t)(at - text) + strlen(key);
		assert(memcmp(text, buf_str(&options), n) == 0);
		compare_lists(text + n, buf_str(&options) + n, buf_str(&dir));
	}
	free(text);
	return 0;
}
