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

int layout_container(
	const struct layout *layout, const char *cid, char ret[static LAYOUT_CONTAINER_SIZE])
{
	int n = snprintf(ret, LAYOUT_CONTAINER_SIZE, "%s/passthrough/%s", layout->rw_dir, cid);

	return n < 0 || n >= LAYOUT_CONTAINER_SIZE ? -ENAMETOOLONG : 0;
}
