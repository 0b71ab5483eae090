/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever mountinfo says, what comes out is consistent. */
#include <assert.h>
#include <string.h>

#include "linux/cgroup_layout.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct cgroup_layout layout;
	size_t n_unified = 0;
	uint32_t seen = 0;

	if (cgroup_layout_parse(text, &layout) == 0) {
		assert(layout.n_hierarchies > 0);
		for (size_t i = 0; i < layout.n_hierarchies; i++) {
			const struct cgroup_hierarchy *h = &layout.hierarchies[i];

			assert(memchr(h->mount_point, '\0', sizeof(h->mount_point)));
			assert(h->unified == (h->controllers == 0));
			assert(!(seen & h->controllers));
			seen |= h->controllers;
			n_unified += h->unified;
		}
		assert(n_unified <= 1);
		for (int i = 0; i < CGROUP_CONTROLLER_COUNT; i++)
			assert(cgroup_layout_find(&layout, (enum cgroup_controller)i) <
				(int)layout.n_hierarchies);
	}
	free(text);
	return 0;
}
