/* SPDX-License-Identifier: Apache-2.0 */
/* UpdateEphemeralMounts: the host has given the guest more memory, and its tmpfs may grow. */
#include <string.h>

#include "agent.pb-c.h"
#include "agent/agent.h"
#include "agent/call_job.h"
#include "agent/rpc.h"
#include "agent/storage/mount.h"
#include "agent/storage/options.h"
#include "wire/status.h"

/* As far as that can be told before one of several has been changed; the rest is the kernel's. */
static int check_options(const Grpc__Storage *s, struct err *err)
{
	struct mount_options options = {0};
	int r = storage_parse_options(s, &options, err);

	if (r < 0)
		return err_wrap(err, "update of storage %s", s->mount_point);
	mount_options_fini(&options);
	return 0;
}

/* Only what we have mounted: a path from outside is not to be remounted. */
static int check(const struct agent *agent, const Grpc__Storage *s, struct err *err)
{
	const char *driver = rpc_str(s->driver), *mount_point = rpc_str(s->mount_point);
	const struct storage *known = map_find(&agent->sandbox.storages, mount_point);

	if (strcmp(driver, storage_ephemeral.name) != 0)
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"update of storage %s: the driver is %s, not ephemeral", mount_point,
			driver);
	if (!known || known->driver != &storage_ephemeral)
		return err_status(err, ENOENT, WIRE_INVALID_ARGUMENT,
			"update of storage %s: there is no such ephemeral storage", mount_point);
	if (known->busy)
		return err_status(err, EBUSY, WIRE_ABORTED,
			"update of storage %s: it is being mounted or unmounted", mount_point);
	return check_options(s, err);
}

static int remount_all(
	const struct agent *agent, const ProtobufCMessage *message, void *result, struct err *err)
{
	const Grpc__UpdateEphemeralMountsRequest *request =
		(const Grpc__UpdateEphemeralMountsRequest *)message;

	(void)agent, (void)result;
	for (size_t i = 0; i < request->n_storages; i++) {
		const Grpc__Storage *s = request->storages[i];

		if (s->n_options > 0 && storage_remount(s, err) < 0)
			return err_wrap(err, "update of storage %s", s->mount_point);
	}
	return 0;
}

void rpc_update_ephemeral_mounts(
	struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Grpc__UpdateEphemeralMountsRequest *request =
		(const Grpc__UpdateEphemeralMountsRequest *)message;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < request->n_storages; i++) {
		if (check(user, request->storages[i], &err) == 0)
			continue;
		rpc_fail(call, &err);
		return;
	}
	call_job_start(user, call, &(struct call_job_config){.run = remount_all, .key = "all"});
}
