/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file system in the guest's memory: a volume of the pod, which outlives its containers. Its
 * options are applied when it is made, which upstream's agent fails to do; "fsgid=N" gives it to a
 * group. Of type hugetlbfs it brings the pages that it is made of.
 */
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "agent/storage/driver.h"
#include "agent/storage/hugepages.h"
#include "agent/storage/mount.h"
#include "agent/storage/options.h"
#include "agent/storage/place.h"
#include "base/path.h"

static bool is_huge(const Grpc__Storage *s)
{
	return strcmp(s->fstype, "hugetlbfs") == 0;
}

static int check(const Grpc__Storage *s, const struct storage_owner *owner, struct err *err)
{
	struct hugepages pages;
	bool has_gid;
	gid_t gid;
	int r = storage_check_fs(s, err);

	(void)owner;
	if (r == 0)
		r = storage_parse_fsgid(s, &has_gid, &gid, err);
	if (r == 0 && is_huge(s))
		r = hugepages_parse(s->options, s->n_options, &pages, err);
	return r;
}

static int set_group(const char *mount_point, gid_t gid, struct err *err)
{
	struct storage_place place = STORAGE_PLACE_INIT;
	char path[PATH_FD_SIZE];
	struct stat st;
	int r = storage_place_open(mount_point, &place, err);

	if (r < 0)
		return r;
	path_of_fd(place.fd, path);
	if (chown(path, (uid_t)-1, gid) < 0 || stat(path, &st) < 0 ||
		chmod(path, (st.st_mode & 07777) | S_ISGID) < 0)
		r = err_sys(err, errno, "give it to group %u", (unsigned int)gid);
	storage_place_fini(&place);
	return r;
}

static int mount_for_group(const Grpc__Storage *s, struct err *err)
{
	bool has_gid;
	gid_t gid;
	int r = storage_parse_fsgid(s, &has_gid, &gid, err);

	if (r == 0)
		r = storage_mount_fs(s, s->source, err);
	if (r < 0 || !has_gid)
		return r;
	r = set_group(s->mount_point, gid, err);
	if (r < 0)
		(void)!storage_unmount_fs(s->mount_point, NULL);
	return r;
}

static int mount_memory(const Grpc__Storage *s, const struct storage_owner *owner, struct err *err)
{
	struct hugepages pages;
	int r;

	if (!is_huge(s))
		return mount_for_group(s, err);
	r = hugepages_parse(s->options, s->n_options, &pages, err);
	if (r == 0)
		r = hugepages_reserve(&pages, owner->run_dir, err);
	if (r < 0)
		return r;
	r = mount_for_group(s, err);
	if (r < 0)
		hugepages_release(&pages, owner->run_dir);
	return r;
}

/* What a hugetlbfs that is mounted there has as its size; no pages if there is none. */
static struct hugepages find_pages(const char *mount_point)
{
	struct storage_place place = STORAGE_PLACE_INIT;
	struct hugepages pages = {0};
	char path[PATH_FD_SIZE];
	struct statfs fs;

	if (storage_place_open(mount_point, &place, NULL) == 0 && place.fd >= 0 &&
		storage_place_is_mounted(&place) && statfs(path_of_fd(place.fd, path), &fs) == 0 &&
		(uint32_t)fs.f_type == HUGETLBFS_MAGIC)
		pages = (struct hugepages){
			.page_size = (uint64_t)fs.f_bsize, .n_pages = fs.f_blocks};
	storage_place_fini(&place);
	return pages;
}

static int unmount(const char *mount_point, const struct storage_owner *owner, struct err *err)
{
	struct hugepages pages = find_pages(mount_point);
	int r = storage_unmount_fs(mount_point, err);

	if (r == 0 && pages.n_pages > 0)
		hugepages_release(&pages, owner->run_dir);
	return r;
}

const struct storage_driver storage_ephemeral = {
	.name = "ephemeral",
	.stays = true,
	.check = check,
	.mount = mount_memory,
	.unmount = unmount,
};
