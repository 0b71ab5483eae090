/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/layout.h"

#include <stdio.h>

int layout_init(struct layout *layout, const char *root, const char *id)
{
	struct layout l;
	int n = snprintf(l.share_dir, sizeof(l.share_dir), "%s/kata-containers/shared/sandboxes/%s",
		root, id);

	/* The longest of the four has to fit; then all do. */
	if (n < 0 || (size_t)n + sizeof("/rw") > sizeof(l.share_dir))
		return -ENAMETOOLONG;
	snprintf(l.run_dir, sizeof(l.run_dir), "%s/kata/%s", root, id);
	if (snprintf(l.rw_dir, sizeof(l.rw_dir), "%s/rw", l.share_dir) < 0 ||
		snprintf(l.ro_dir, sizeof(l.ro_dir), "%s/ro", l.share_dir) < 0)
		return -EINVAL;
	*layout = l;
	return 0;
}
