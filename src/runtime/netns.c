/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/netns.h"

#include <string.h>

int netns_of_spec(const Grpc__Spec *spec, const char **ret, struct err *err)
{
	for (size_t i = 0; spec->linux && i < spec->linux->n_namespaces; i++) {
		const Grpc__LinuxNamespace *ns = spec->linux->namespaces[i];

		if (!ns->type || strcmp(ns->type, "network") != 0)
			continue;
		*ret = ns->path && ns->path[0] && strcmp(ns->path, "/proc/0/ns/net") != 0 ? ns->path
											  : NULL;
		return 0;
	}
	return err_set(err, ENOTSUP,
		"config.json: linux.namespaces: no network namespace: the host's network is not "
		"supported yet");
}

const char *netns_resolv_conf(const Grpc__Spec *spec)
{
	const char *found = NULL;

	/* Of several mounts on one place the last is seen. */
	for (size_t i = 0; i < spec->n_mounts; i++) {
		const Grpc__Mount *m = spec->mounts[i];

		if (m->destination && strcmp(m->destination, "/etc/resolv.conf") == 0)
			found = m->source && m->source[0] == '/' ? m->source : NULL;
	}
	return found;
}
