/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/container/namespaces.h"

#include <assert.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "agent/container/timens.h"
#include "linux/namespace.h"

/* Linux 5.6; not in every C library's header. */
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

static const struct {
	char file[8], name[8], other[8];
	int flag;
} kinds[] = {
	[LAUNCH_NS_USER] = {"user", "user", "user", CLONE_NEWUSER},
	[LAUNCH_NS_IPC] = {"ipc", "ipc", "ipc", CLONE_NEWIPC},
	[LAUNCH_NS_UTS] = {"uts", "uts", "uts", CLONE_NEWUTS},
	[LAUNCH_NS_NET] = {"net", "network", "net", CLONE_NEWNET},
	[LAUNCH_NS_TIME] = {"time", "time", "time", CLONE_NEWTIME},
	[LAUNCH_NS_PID] = {"pid", "pid", "pid", CLONE_NEWPID},
	[LAUNCH_NS_CGROUP] = {"cgroup", "cgroup", "cgroup", CLONE_NEWCGROUP},
	[LAUNCH_NS_MNT] = {"mnt", "mount", "mnt", CLONE_NEWNS},
};
static_assert(ARRAY_SIZE(kinds) == LAUNCH_NS_COUNT, "one line for each namespace");

int namespaces_parse(const char *type)
{
	for (int i = 0; i < LAUNCH_NS_COUNT; i++)
		if (strcmp(kinds[i].name, type) == 0 || strcmp(kinds[i].other, type) == 0)
			return i;
	return -EINVAL;
}

int namespaces_flag(enum launch_ns ns)
{
	return kinds[ns].flag;
}

bool namespaces_lists(const Grpc__Linux *linux_spec, enum launch_ns ns)
{
	for (size_t i = 0; i < linux_spec->n_namespaces; i++)
		if (linux_spec->namespaces[i]->type &&
			namespaces_parse(linux_spec->namespaces[i]->type) == (int)ns)
			return true;
	return false;
}

bool namespaces_is_new(const struct launch_request *request, enum launch_ns ns)
{
	if (!request->is_init || request->ns_fds[ns] >= 0)
		return false;
	return ns == LAUNCH_NS_PID || ns == LAUNCH_NS_MNT || ns == LAUNCH_NS_CGROUP ||
	       namespaces_lists(request->spec->linux, ns);
}

unsigned int namespaces_new(const struct launch_request *request)
{
	unsigned int bits = 0;

	for (int i = 0; i < LAUNCH_NS_COUNT; i++)
		bits |= namespaces_is_new(request, (enum launch_ns)i) ? 1U << i : 0;
	return bits;
}

static int enter(const struct launch_request *request, enum launch_ns ns, struct err *err)
{
	int r;

	if (request->ns_fds[ns] < 0)
		return 0;
	r = namespace_enter(request->ns_fds[ns], kinds[ns].flag);
	return r < 0 ? err_sys(err, -r, "enter the %s namespace", kinds[ns].name) : 0;
}

int namespaces_prepare_pid(
	const struct launch_request *request, uint64_t *ret_flags, struct err *err)
{
	bool new_user = namespaces_is_new(request, LAUNCH_NS_USER);

	/* procfs shows it to its owner only, and that would not be the container's root. */
	if (new_user && request->ns_fds[LAUNCH_NS_PID] >= 0)
		return err_set(err, ENOTSUP,
			"a user namespace with another's pid namespace is not supported");
	*ret_flags = (namespaces_is_new(request, LAUNCH_NS_PID) ? CLONE_NEWPID : 0) |
		     (new_user ? CLONE_NEWUSER : 0);
	return enter(request, LAUNCH_NS_PID, err);
}

static int set_names(const Grpc__Spec *spec, struct err *err)
{
	const char *host = spec->hostname, *domain = spec->domainname;

	if (host && *host && sethostname(host, strlen(host)) < 0)
		return err_sys(err, errno, "set the hostname to \"%s\"", host);
	if (domain && *domain && setdomainname(domain, strlen(domain)) < 0)
		return err_sys(err, errno, "set the domainname to \"%s\"", domain);
	return 0;
}

static int set_up_new(const struct launch_request *request, struct err *err)
{
	int r = namespaces_is_new(request, LAUNCH_NS_UTS) ? set_names(request->spec, err) : 0;

	if (r < 0)
		return r;
	if (namespaces_is_new(request, LAUNCH_NS_NET)) {
		r = namespace_loopback_up();
		if (r < 0)
			return err_sys(err, -r, "bring up the loopback interface");
	}
	if (namespaces_is_new(request, LAUNCH_NS_TIME))
		return timens_enter_new(request->spec->linux->timeoffsets, err);
	return 0;
}

int namespaces_enter_early(
	const struct launch_request *request, int home_fds[static LAUNCH_NS_COUNT], struct err *err)
{
	static const enum launch_ns order[] = {LAUNCH_NS_IPC, LAUNCH_NS_UTS, LAUNCH_NS_NET,
		LAUNCH_NS_TIME, LAUNCH_NS_CGROUP, LAUNCH_NS_MNT};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(order) && r == 0; i++) {
		if (order[i] == LAUNCH_NS_CGROUP && !request->is_init)
			continue;
		if (request->is_init && request->ns_fds[order[i]] >= 0) {
			home_fds[order[i]] = namespace_open_self(kinds[order[i]].file);
			if (home_fds[order[i]] < 0)
				return err_sys(
					err, -home_fds[order[i]], "open the agent's namespaces");
		}
		r = enter(request, order[i], err);
	}
	return r;
}

int namespaces_go_home(const int home_fds[static LAUNCH_NS_COUNT], struct err *err)
{
	for (int i = 0; i < LAUNCH_NS_COUNT; i++) {
		int r = home_fds[i] < 0 ? 0 : namespace_enter(home_fds[i], kinds[i].flag);

		if (r < 0)
			return err_sys(
				err, -r, "go back to the agent's %s namespace", kinds[i].name);
	}
	return 0;
}

static int enter_for_exec(const struct launch_request *request, struct err *err)
{
	/* No earlier: with "nsdelegate" nobody can be born into a cgroup by a parent that is
	 * outside the root of its own cgroup namespace. */
	int r = enter(request, LAUNCH_NS_CGROUP, err);

	/* Last: with it go the rights to enter others. */
	return r < 0 ? r : enter(request, LAUNCH_NS_USER, err);
}

int namespaces_enter(const struct launch_request *request, struct err *err)
{
	bool is_inside = namespaces_is_new(request, LAUNCH_NS_USER);
	int flags = 0, r = 0;

	if (!request->is_init)
		return enter_for_exec(request, err);
	for (int i = 0; i < LAUNCH_NS_COUNT && r == 0; i++) {
		if (i == LAUNCH_NS_PID || i == LAUNCH_NS_USER)
			continue;
		if (!is_inside)
			r = enter(request, (enum launch_ns)i, err);
		if (namespaces_is_new(request, (enum launch_ns)i))
			flags |= kinds[i].flag;
	}
	if (r < 0)
		return r;
	r = namespace_unshare(flags);
	if (r < 0)
		return err_sys(err, -r, "make new namespaces");
	return set_up_new(request, err);
}

int namespaces_open(
	const struct launch_request *request, int fds[static LAUNCH_NS_COUNT], struct err *err)
{
	for (int i = 0; i < LAUNCH_NS_COUNT; i++)
		fds[i] = -1;
	for (int i = 0; i < LAUNCH_NS_COUNT; i++) {
		if (request->ns_fds[i] < 0 && !namespaces_is_new(request, (enum launch_ns)i))
			continue;
		fds[i] = namespace_open_self(kinds[i].file);
		if (fds[i] < 0) {
			int r = fds[i];

			while (i-- > 0)
				close_fd(fds[i]);
			return err_sys(err, -r, "open the process's namespaces");
		}
	}
	return 0;
}
