/* SPDX-License-Identifier: Apache-2.0 */
/* The container cgroups by path: what the rest of the agent does with them. */
#include <linux/magic.h>
#include <sys/vfs.h>

#include "agent/container/setup.h"
#include "linux/cgroup.h"

static const char *chosen_root; /* borrowed for ever */

void launch_set_cgroup_root(const char *path)
{
	chosen_root = path;
}

const char *launch_get_cgroup_root(void)
{
	static const char usual[] = "/sys/fs/cgroup", hybrid[] = "/sys/fs/cgroup/unified";
	struct statfs fs;

	if (chosen_root)
		return chosen_root;
	if (statfs(usual, &fs) == 0 && fs.f_type != CGROUP2_SUPER_MAGIC &&
		statfs(hybrid, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
		return hybrid;
	return usual;
}

int launch_remove_cgroup(const char *cgroup, struct err *err)
{
	auto_fd int root_fd = cgroup_open_root(launch_get_cgroup_root(), err);

	if (root_fd < 0)
		return root_fd;
	return cgroup_remove(root_fd, cgroup, clock_now_ns() + LAUNCH_REMOVE_NS, err);
}

int launch_kill_cgroup(const char *cgroup, int signo, struct err *err)
{
	auto_fd int root_fd = cgroup_open_root(launch_get_cgroup_root(), err);
	auto_fd int fd = -1;
	int r;

	if (root_fd < 0)
		return root_fd;
	fd = cgroup_open(root_fd, cgroup);
	if (fd < 0)
		return err_sys(err, -fd, "open cgroup %s", cgroup);
	r = cgroup_signal(fd, signo);
	return r < 0 ? err_sys(err, -r, "signal the processes of cgroup %s", cgroup) : 0;
}
