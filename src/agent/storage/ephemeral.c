/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file system in the guest's memory. Its options are applied when it is made, which upstream's
 * agent fails to do; "fsgid=N" gives it to a group.
 */
#include <string.h>
#include <sys/stat.h>

#include "agent/storage/driver.h"
#include "agent/storage/mount.h"
#include "wire/status.h"

static int check(const Grpc__Storage *s, const struct storage_owner *owner, struct err *err)
{
	int r = storage_check_fs(s, err);

	(void)owner;
	if (r < 0)
		return r;
	if (strcmp(s->fstype, "hugetlbfs") == 0)
		return err_status(err, EOPNOTSUPP, WIRE_UNIMPLEMENTED,
			"storage %s: hugetlbfs is not supported yet", s->mount_point);
	return 0;
}

static int set_group(const char *path, gid_t gid, struct err *err)
{
	struct stat st;

	if (chown(path, (uid_t)-1, gid) < 0 || stat(path, &st) < 0 ||
		chmod(path, (st.st_mode & 07777) | S_ISGID) < 0)
		return err_sys(err, errno, "give %s to group %u", path, (unsigned int)gid);
	return 0;
}

static int mount_memory(const Grpc__Storage *s, const struct storage_owner *owner, struct err *err)
{
	bool has_gid = false;
	gid_t gid = 0;
	int r = 0;

	(void)owner;
	for (size_t i = 0; i < s->n_options && r == 0; i++) {
		if (strncmp(s->options[i], "fsgid=", strlen("fsgid=")) != 0)
			continue;
		r = storage_parse_gid(s->options[i], &gid, err);
		has_gid = true;
	}
	if (r == 0)
		r = storage_mount_fs(s, s->source, err);
	if (r < 0 || !has_gid)
		return r;
	r = set_group(s->mount_point, gid, err);
	if (r < 0)
		(void)!storage_unmount_fs(s->mount_point, NULL);
	return r;
}

const struct storage_driver storage_ephemeral = {
	.name = "ephemeral",
	.check = check,
	.mount = mount_memory,
};
