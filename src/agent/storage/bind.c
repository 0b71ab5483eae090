/* SPDX-License-Identifier: Apache-2.0 */
/* A directory or file of the guest at another place. Without a type it is "bind". */
#include <string.h>

#include "agent/rpc.h"
#include "agent/storage/driver.h"
#include "agent/storage/mount.h"
#include "agent/storage/place.h"
#include "wire/status.h"

static int check(const Grpc__Storage *s, const struct storage_owner *owner, struct err *err)
{
	const char *type = rpc_str(s->fstype);

	(void)owner;
	if (*type && strcmp(type, "bind") != 0 && strcmp(type, "none") != 0)
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"storage %s: a bind mount of type %s", s->mount_point, type);
	if (!storage_place_is_valid(rpc_str(s->source)))
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"storage %s: source \"%s\" is not an absolute path without \"..\"",
			s->mount_point, rpc_str(s->source));
	return 0;
}

static int mount_bind(const Grpc__Storage *s, const struct storage_owner *owner, struct err *err)
{
	static char bind[] = "bind";
	Grpc__Storage copy = *s;

	(void)owner;
	copy.fstype = bind;
	return storage_mount_fs(&copy, s->source, err);
}

const struct storage_driver storage_bind = {.name = "bind", .check = check, .mount = mount_bind};
