/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "linux/mountinfo.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *at = text;
	struct mountinfo m;
	size_t n = 0;

	while (mountinfo_next(&at, &m)) {
		assert(strlen(m.mount_point) <= size && strlen(m.fs_type) > 0);
		n++;
	}
	assert(n <= size && at <= text + size);
	free(text);
	return 0;
}
