/* SPDX-License-Identifier: Apache-2.0 */
/* The container cgroups by path: what the rest of the agent does with them. */
#include "agent/container/device_policy.h"
#include "agent/container/limits.h"
#include "agent/container/setup.h"
#include "linux/cgroup_freezer.h"
#include "linux/cgroup_members.h"

/* How long a freezing may take: a process in the middle of slow I/O is stopped after that. */
#define FREEZE_NS (10 * NS_PER_S)

/* Hierarchies are mounted before the agent starts; it asks once. */
const struct cgroup_layout *launch_get_cgroup_layout(struct err *err)
{
	static struct cgroup_layout layout;

	if (layout.n_hierarchies == 0 && cgroup_layout_read(&layout, err) < 0)
		return NULL;
	return &layout;
}

int launch_open_cgroup(const char *cgroup, struct cgroup *ret, struct err *err)
{
	const struct cgroup_layout *layout = launch_get_cgroup_layout(err);

	return layout ? cgroup_open(layout, cgroup, ret, err) : -ENOENT;
}

int launch_remove_cgroup(const char *cgroup, struct err *err)
{
	const struct cgroup_layout *layout = launch_get_cgroup_layout(err);

	if (!layout)
		return -ENOENT;
	return cgroup_remove(layout, cgroup, clock_now_ns() + LAUNCH_REMOVE_NS, err);
}

int launch_kill_cgroup(const char *cgroup, struct err *err)
{
	auto_cgroup struct cgroup c = {.layout = NULL};
	int r = launch_open_cgroup(cgroup, &c, err);

	if (r < 0)
		return r;
	r = cgroup_kill(&c);
	return r < 0 ? err_sys(err, -r, "kill the processes of cgroup %s", cgroup) : 0;
}

int launch_freeze_cgroup(const char *cgroup, bool freeze, struct err *err)
{
	auto_cgroup struct cgroup c = {.layout = NULL};
	int r = launch_open_cgroup(cgroup, &c, err);

	if (r < 0)
		return r;
	r = freeze ? cgroup_freeze(&c, clock_now_ns() + FREEZE_NS) : cgroup_thaw(&c);
	if (r < 0)
		return err_sys(err, -r, "%s cgroup %s", freeze ? "freeze" : "thaw", cgroup);
	return 0;
}

static int update(const struct cgroup *c, const char *path, bool is_unit,
	const Grpc__LinuxResources *resources, struct err *err)
{
	int r = limits_apply(c, resources, LIMITS_UPDATE, -1, err);

	return r < 0 || !is_unit ? r : launch_update_unit(path, c, resources, err);
}

int launch_update_cgroup(
	const char *cgroup, bool is_unit, const Grpc__LinuxResources *resources, struct err *err)
{
	Grpc__LinuxResources changed = *resources;
	Grpc__Linux linux_spec = GRPC__LINUX__INIT;
	auto_cgroup struct cgroup c = {.layout = NULL};
	struct device_policy policy = {.n_rules = 0};
	int r = launch_open_cgroup(cgroup, &c, err);

	linux_spec.resources = &changed;
	/* Refused before anything is changed. */
	if (r == 0 && resources->n_devices > 0)
		r = device_policy_make(&linux_spec, &policy, err);
	if (r == 0)
		r = update(&c, cgroup, is_unit, resources, err);
	if (r == 0 && resources->n_devices > 0)
		r = device_policy_attach(&policy, &c, err);
	device_policy_fini(&policy);
	return r;
}
