/* SPDX-License-Identifier: Apache-2.0 */
/* What can be said against a spec or a process before anything is made. */
#include <string.h>

#include "agent/container/creds.h"
#include "agent/container/devices.h"
#include "agent/container/hooks.h"
#include "agent/container/labels.h"
#include "agent/container/launch.h"
#include "agent/container/namespaces.h"
#include "agent/container/personality.h"
#include "agent/container/priority.h"
#include "agent/container/rootfs.h"
#include "agent/container/sysctl.h"
#include "linux/mount_options.h"
#include "wire/status.h"

#define invalid(err, ...) err_status((err), EINVAL, WIRE_INVALID_ARGUMENT, __VA_ARGS__)

static int check_path(const char *what, const char *path, struct err *err)
{
	auto_free char *clean = NULL;
	int r = rootfs_clean_path(path ? path : "", &clean);

	if (r == -EINVAL)
		return invalid(err, "%s \"%.256s\" is not an absolute path without \"..\"", what,
			path ? path : "");
	return r < 0 ? err_sys(err, -r, "%s", what) : 0;
}

static int check_paths(const Grpc__Spec *spec, struct err *err)
{
	const Grpc__Linux *l = spec->linux;
	int r = 0;

	for (size_t i = 0; i < spec->n_mounts && r == 0; i++)
		r = check_path("mount destination", spec->mounts[i]->destination, err);
	for (size_t i = 0; i < l->n_maskedpaths && r == 0; i++)
		r = check_path("masked path", l->maskedpaths[i], err);
	for (size_t i = 0; i < l->n_readonlypaths && r == 0; i++)
		r = check_path("read-only path", l->readonlypaths[i], err);
	return r;
}

static int check_devices(const Grpc__Linux *l, struct err *err)
{
	for (size_t i = 0; i < l->n_devices; i++) {
		const Grpc__LinuxDevice *d = l->devices[i];
		const char *path = d->path ? d->path : "";
		auto_free char *clean = NULL;
		int r = rootfs_clean_path(path, &clean);

		if (r == -ENOMEM)
			return err_sys(err, ENOMEM, "device");
		if (r < 0 || strncmp(clean, "/dev/", 5) != 0)
			return invalid(err, "device path \"%.256s\" is not below /dev", path);
		if (devices_parse_type(d->type ? d->type : "") < 0)
			return invalid(err, "device %s has unknown type \"%.16s\"", path,
				d->type ? d->type : "");
		if (d->major < 0 || d->major > UINT32_MAX || d->minor < 0 || d->minor > UINT32_MAX)
			return invalid(err, "device %s has no valid number", path);
	}
	return 0;
}

int launch_check_process(const Grpc__Process *process, struct err *err)
{
	struct caps caps;
	int r;

	if (!process)
		return invalid(err, "there is no process");
	if (process->n_args == 0)
		return invalid(err, "the process has no args");
	if (!process->cwd || process->cwd[0] != '/')
		return invalid(err, "cwd \"%.256s\" is not an absolute path",
			process->cwd ? process->cwd : "");
	r = creds_check_user(process->user, err);
	if (r == 0)
		r = creds_parse_caps(process->capabilities, &caps, err);
	if (r == 0)
		r = creds_check_rlimits(process->rlimits, process->n_rlimits, err);
	if (r == 0)
		r = priority_check(process, err);
	if (r < 0)
		return r;
	if (process->oomscoreadj < -1000 || process->oomscoreadj > 1000)
		return invalid(
			err, "oomScoreAdj %lld is out of range", (long long)process->oomscoreadj);
	return labels_check_process(process, err);
}

int launch_check_spec(const Grpc__Spec *spec, struct err *err)
{
	const Grpc__Linux *l = spec->linux;
	int r;

	if (!l)
		return invalid(err, "the spec has no linux section");
	if (!spec->root)
		return invalid(err, "the spec has no root");
	r = launch_check_process(spec->process, err);
	if (r == 0)
		r = namespaces_check(l, err);
	if (r == 0)
		r = check_paths(spec, err);
	if (r == 0)
		r = check_devices(l, err);
	if (r == 0)
		r = hooks_check(spec->hooks, err);
	if (r == 0)
		r = sysctl_check(l, err);
	if (r == 0)
		r = personality_check(l->personality, err);
	if (r < 0)
		return r;
	if (spec->hostname && *spec->hostname && !namespaces_lists(l, LAUNCH_NS_UTS))
		return invalid(err, "a hostname needs a uts namespace");
	if (spec->domainname && *spec->domainname && !namespaces_lists(l, LAUNCH_NS_UTS))
		return invalid(err, "a domainname needs a uts namespace");
	if (l->rootfspropagation && *l->rootfspropagation &&
		!mount_options_propagation(l->rootfspropagation))
		return invalid(err, "unknown rootfsPropagation \"%.32s\"", l->rootfspropagation);
	return labels_check_mounts(l, err);
}
