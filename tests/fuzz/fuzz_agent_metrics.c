/* SPDX-License-Identifier: Apache-2.0 */
/* Files of procfs as GetMetrics reads them. The first byte says which. */
#include <assert.h>
#include <string.h>

#include "agent/filesystems.h"
#include "agent/metrics.h"
#include "base/utf8.h"
#include "text.h"

/* Every line is a comment or a sample of ours that ends with a number. */
static void check(const struct buf *out)
{
	const char *at = buf_str(out);

	assert(strlen(at) == buf_len(out));
	for (size_t i = 0; i < buf_len(out);) {
		size_t n = utf8_sequence(at + i, buf_len(out) - i);

		assert(n > 0);
		i += n;
	}
	while (*at) {
		size_t len = strcspn(at, "\n");

		assert(at[len] == '\n');
		assert(strncmp(at, "# ", 2) == 0 || strncmp(at, "kata_", 5) == 0);
		assert(at[0] == '#' || (at[len - 1] >= '0' && at[len - 1] <= '9'));
		at += len + 1;
	}
}

static void check_filesystems(const uint8_t *data, size_t size)
{
	struct filesystem list[FILESYSTEMS_MAX];
	char *text = fuzz_text(data, size);
	size_t n;

	n = filesystems_list(text, list);
	assert(n <= FILESYSTEMS_MAX);
	for (size_t i = 0; i < n; i++) {
		assert(list[i].mount_point[0] && list[i].source[0] && list[i].device[0]);
		assert(!strchr(list[i].source, '/') || list[i].source == list[i].device);
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_buf struct buf out = BUF_INIT;
	struct prometheus p = {.out = &out};
	enum metrics_part part;

	if (size == 0)
		return 0;
	part = data[0] % METRICS_PART_COUNT;
	if (part == METRICS_FILESYSTEMS) {
		/* Not the whole part, which would ask file systems of any name. */
		check_filesystems(data + 1, size - 1);
		return 0;
	}
	metrics_add_part(&p, part, slice_of(data + 1, size - 1));
	assert(p.r == 0);
	check(&out);
	return 0;
}
