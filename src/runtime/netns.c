/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/netns.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>

int netns_of_spec(const Grpc__Spec *spec, const char **ret, struct err *err)
{
	for (size_t i = 0; spec->linux && i < spec->linux->n_namespaces; i++) {
		const Grpc__LinuxNamespace *ns = spec->linux->namespaces[i];

		if (!ns->type || strcmp(ns->type, "network") != 0)
			continue;
		*ret = ns->path && ns->path[0] ? ns->path : NULL;
		return 0;
	}
	return err_set(err, ENOTSUP,
		"config.json: linux.namespaces: no network namespace: the host's network is not "
		"supported yet");
}

/* Interfaces that every new network namespace may get from its kernel's modules, unconfigured and
 * down (net.core.fb_tunnels_only_for_init_net=0): nobody put them there for the pod. */
static bool is_fallback(const char *name)
{
	static const char *const names[] = {"tunl0", "gre0", "gretap0", "erspan0", "ip_vti0",
		"ip6_vti0", "sit0", "ip6tnl0", "ip6gre0"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

int netns_check(const char *path, struct err *err)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct if_nameindex *list;
	int r = 0;

	if (fd < 0)
		return err_sys(err, errno, "open the network namespace %s", path);
	if (setns(fd, CLONE_NEWNET) < 0)
		return err_sys(err, errno, "enter the network namespace %s", path);
	list = if_nameindex();
	if (!list)
		return err_sys(err, errno, "list the interfaces of %s", path);
	for (size_t i = 0; list[i].if_index != 0 && r == 0; i++)
		if (strcmp(list[i].if_name, "lo") != 0 && !is_fallback(list[i].if_name))
			r = err_set(err, ENOTSUP,
				"network namespace %s holds interface %s: networking is not "
				"supported yet",
				path, list[i].if_name);
	if_freenameindex(list);
	return r;
}
