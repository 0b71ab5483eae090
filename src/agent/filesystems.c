/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/filesystems.h"

#include <stdbool.h>
#include <string.h>

#include "linux/mountinfo.h"

static bool is_of_interest(const struct mountinfo *m)
{
	static const char *const types[] = {"ext4", "xfs", "btrfs", "vfat", "overlay"};

	/* The superblock's first option. */
	if (strncmp(m->super_options, "ro", 2) == 0 &&
		(m->super_options[2] == ',' || m->super_options[2] == '\0'))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strcmp(m->fs_type, types[i]) == 0)
			return true;
	return false;
}

static bool is_listed(const struct filesystem *list, size_t n, const char *device)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i].device, device) == 0)
			return true;
	return false;
}

static const char *last_part(const struct mountinfo *m)
{
	const char *slash = strrchr(m->source, '/'), *name = slash ? slash + 1 : m->source;

	return *name ? name : m->device;
}

size_t filesystems_list(char *text, struct filesystem ret[static FILESYSTEMS_MAX])
{
	struct mountinfo m;
	size_t n = 0;

	while (n < FILESYSTEMS_MAX && mountinfo_next(&text, &m))
		if (is_of_interest(&m) && !is_listed(ret, n, m.device))
			ret[n++] = (struct filesystem){.mount_point = m.mount_point,
				.source = last_part(&m),
				.device = m.device};
	return n;
}
