/* SPDX-License-Identifier: Apache-2.0 */
/* A mount destination, a sysctl key and mount options: one on each line. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "agent/container/rootfs.h"
#include "agent/container/sysctl.h"
#include "linux/mount_options.h"
#include "text.h"

enum { WORDS_MAX = 64 };

static void try_path(const char *text)
{
	char *path;

	if (rootfs_clean_path(text, &path) < 0)
		return;
	assert(path[0] == '/' && strlen(path) <= strlen(text));
	assert(!strstr(path, "//") && !strstr(path, "/../"));
	free(path);
}

static void try_key(const char *text)
{
	char *path;

	if (sysctl_parse_key(text, &path) < 0)
		return;
	assert(strlen(path) == strlen(text) && path[0] != '/');
	assert(!strstr(path, "//") && !strstr(path, "/../") && strncmp(path, "../", 3) != 0);
	free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *words[WORDS_MAX];
	struct mount_options o;
	struct mount_attr attr;
	size_t n = 0;

	for (char *at = text; n < WORDS_MAX; at = words[n - 1] + strlen(words[n - 1]) + 1) {
		char *end = strchr(at, '\n');

		words[n++] = at;
		if (!end)
			break;
		*end = '\0';
	}
	try_path(words[0]);
	try_key(words[n > 1 ? 1 : 0]);
	if (mount_options_parse(words, n, &o) == 0) {
		assert(!(o.set & o.clear) && !(o.rec_set & o.rec_clear));
		assert(buf_len(&o.data) <= size);
		(void)mount_options_attr(o.set, o.clear, &attr);
		assert(!(attr.attr_set & attr.attr_clr & ~(uint64_t)MOUNT_ATTR__ATIME));
		mount_options_fini(&o);
	}
	free(text);
	return 0;
}
