/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A directory of the guest, with "mode=" (octal) and "fsgid=": an emptyDir volume. It stays, with
 * what is in it, until the sandbox ends; then it goes with the run directory that it is below.
 * Elsewhere nothing tells whether it was there before, so it is removed only if it is empty.
 */
#include <string.h>
#include <sys/stat.h>

#include "agent/storage/driver.h"
#include "agent/storage/options.h"
#include "agent/storage/place.h"
#include "base/path.h"
#include "wire/status.h"

static bool parse_mode(const char *text, mode_t *ret)
{
	unsigned long mode;
	char *end;

	mode = strtoul(text, &end, 8);
	if (*text < '0' || *text > '7' || *end || strlen(text) > 6 || mode > 07777)
		return false;
	*ret = (mode_t)mode;
	return true;
}

static int find_mode(const Grpc__Storage *s, bool *ret_has, mode_t *ret, struct err *err)
{
	for (size_t i = 0; i < s->n_options; i++) {
		const char *option = s->options[i];

		if (strncmp(option, "mode=", strlen("mode=")) == 0) {
			if (!parse_mode(option + strlen("mode="), ret))
				return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
					"storage %s: %s: not a file mode", s->mount_point, option);
			*ret_has = true;
		} else if (strncmp(option, "fsgid=", strlen("fsgid=")) != 0) {
			return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
				"storage %s: a local directory has no option \"%s\"",
				s->mount_point, option);
		}
	}
	return 0;
}

static int check(const Grpc__Storage *s, const struct storage_owner *owner, struct err *err)
{
	bool has;
	mode_t mode;
	gid_t gid;
	int r = find_mode(s, &has, &mode, err);

	(void)owner;
	return r < 0 ? r : storage_parse_fsgid(s, &has, &gid, err);
}

static int set_owner_and_mode(const Grpc__Storage *s, int fd, struct err *err)
{
	bool has_mode = false, has_gid = false;
	char path[PATH_FD_SIZE];
	mode_t mode = 0;
	gid_t gid = 0;
	struct stat st;
	int r = find_mode(s, &has_mode, &mode, err);

	if (r == 0)
		r = storage_parse_fsgid(s, &has_gid, &gid, err);
	if (r < 0 || (!has_mode && !has_gid))
		return r;
	path_of_fd(fd, path);
	if ((has_gid && chown(path, (uid_t)-1, gid) < 0) || fstat(fd, &st) < 0)
		return err_sys(err, errno, "give it to group %u", (unsigned int)gid);
	mode = has_mode ? mode : st.st_mode & 07777;
	if (chmod(path, has_gid ? mode | S_ISGID : mode) < 0)
		return err_sys(err, errno, "set its mode");
	return 0;
}

static int make(const Grpc__Storage *s, const struct storage_owner *owner, struct err *err)
{
	struct storage_place place = STORAGE_PLACE_INIT;
	int r = storage_place_make(s->mount_point, false, &place, err);

	(void)owner;
	if (r < 0)
		return r;
	r = set_owner_and_mode(s, place.fd, err);
	if (r < 0)
		storage_place_undo(&place);
	storage_place_fini(&place);
	return r;
}

static int remove_empty(const char *mount_point, const struct storage_owner *owner, struct err *err)
{
	struct storage_place place = STORAGE_PLACE_INIT;
	int r = storage_place_open(mount_point, &place, err);

	(void)owner;
	if (r == 0 && place.parent_fd >= 0)
		(void)unlinkat(place.parent_fd, place.name, AT_REMOVEDIR);
	storage_place_fini(&place);
	return r;
}

const struct storage_driver storage_local = {
	.name = "local",
	.stays = true,
	.check = check,
	.mount = make,
	.unmount = remove_empty,
};
