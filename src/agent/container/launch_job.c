/* SPDX-License-Identifier: Apache-2.0 */
/* The job: a forked child of the agent that prepares a container process, clones it as its sibling
 * and ends. */
#include "agent/container/setup.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "agent/container/device_policy.h"
#include "agent/container/limits.h"
#include "agent/container/mount_work.h"
#include "agent/container/namespaces.h"
#include "agent/container/priority.h"
#include "agent/container/report.h"
#include "agent/container/seccomp_profile.h"
#include "agent/container/sysctl.h"
#include "agent/container/userns.h"
#include "base/io.h"
#include "base/path.h"
#include "linux/cgroup_dir.h"
#include "linux/mountfd.h"
#include "linux/namespace.h"
#include "linux/process.h"

/* The terminal or pipes become 0, 1 and 2 and all that is the agent's is closed, so that neither
 * job nor process keeps a peer from seeing an end of file. */
static int arrange_fds(struct setup *setup, struct err *err)
{
	int keep[LAUNCH_NS_COUNT + 1];
	int r = 0;

	/* Out of the way of 0, 1 and 2 first. */
	for (int i = 0; i < 3 && r >= 0; i++)
		r = setup->request.stdio[i] = io_dup(setup->request.stdio[i]);
	for (int i = 0; i < LAUNCH_NS_COUNT && r >= 0; i++) {
		if (setup->request.ns_fds[i] >= 0 && setup->request.ns_fds[i] <= STDERR_FILENO)
			r = setup->request.ns_fds[i] = io_dup(setup->request.ns_fds[i]);
		keep[i] = setup->request.ns_fds[i];
	}
	keep[LAUNCH_NS_COUNT] = setup->sock_fd;
	for (int i = 0; i < 3 && r >= 0; i++)
		r = dup2(setup->request.stdio[i], i) < 0 ? -errno : 0;
	if (r >= 0)
		r = process_keep_fds(keep, ARRAY_SIZE(keep));
	return r < 0 ? err_sys(err, -r, "arrange file descriptors") : 0;
}

static int make_directory(struct setup *setup, const struct cgroup_layout *layout, struct err *err)
{
	int r = report_send(setup->sock_fd, REPORT_CGROUP, 1, NULL, 0);

	if (r < 0)
		return err_sys(err, -r, "report");
	r = cgroup_create(layout, setup->request.cgroup, &setup->cgroup, err);
	if (r == -EEXIST)
		(void)!report_send(setup->sock_fd, REPORT_CGROUP, 0, NULL, 0);
	return r < 0 ? r
		     : limits_apply(&setup->cgroup, setup->request.spec->linux->resources,
			       LIMITS_CREATE, setup->sock_fd, err);
}

static int make_cgroup(struct setup *setup, const struct cgroup_layout *layout, struct err *err)
{
	int r = setup->request.is_unit ? launch_make_unit(setup, layout, err)
				       : make_directory(setup, layout, err);

	if (r == 0)
		r = device_policy_apply(&setup->cgroup, setup->request.spec->linux, err);
	return r == 0 && setup->has_userns
		       ? userns_delegate_cgroup(&setup->cgroup, setup->request.spec, err)
		       : r;
}

/* A container that manages v2 cgroups itself has had to move its processes to one below. */
static int open_inner_cgroup(struct setup *setup, struct err *err)
{
	int i = cgroup_layout_find_unified(setup->cgroup.layout), fd;

	if (i < 0 || setup->cgroup.fds[i] < 0)
		return 0;
	fd = cgroup_dir_open(setup->cgroup.fds[i], "init");
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return err_sys(err, -fd, "open cgroup %s/init", setup->request.cgroup);
	close_fd(setup->cgroup.fds[i]);
	setup->cgroup.fds[i] = fd;
	return 0;
}

static int open_cgroup(struct setup *setup, struct err *err)
{
	const char *path = setup->request.cgroup;
	const struct cgroup_layout *layout;
	int r;

	if (!path)
		return 0;
	layout = launch_get_cgroup_layout(err);
	if (!layout)
		return -ENOENT;
	if (setup->request.is_init)
		return make_cgroup(setup, layout, err);
	r = cgroup_open(layout, path, &setup->cgroup, err);
	return r < 0 ? r : open_inner_cgroup(setup, err);
}

static int prepare(struct setup *setup, struct err *err)
{
	const Grpc__LinuxSeccomp *profile = setup->request.spec->linux->seccomp;
	int r;

	if (setup->request.is_init && setup->request.process->terminal) {
		/* Copied here because the terminal's mount is in the agent's namespace, which the
		 * process leaves. */
		setup->console_fd = mountfd_clone(STDIN_FILENO, "", false);
		if (setup->console_fd < 0)
			return err_sys(err, -setup->console_fd, "copy the mount of the terminal");
	}
	r = setup->request.is_init ? namespaces_open_paths(&setup->request, err) : 0;
	setup->has_userns = namespaces_is_new(&setup->request, LAUNCH_NS_USER) ||
			    setup->request.ns_fds[LAUNCH_NS_USER] >= 0;
	if (r == 0)
		r = labels_prepare(setup->request.process, setup->sock_fd, &setup->labels, err);
	if (r == 0)
		r = launch_open_line(setup, err);
	if (r == 0 && setup->has_userns)
		r = userns_give_stdio(
			setup->request.spec->linux, setup->request.process->user, err);
	if (r < 0)
		return r;
	/* Before the cgroup: what compiling takes is not the container's. */
	r = profile ? seccomp_profile_compile(profile, setup->sock_fd, &setup->filter, err) : 0;
	return r < 0 ? r : open_cgroup(setup, err);
}

int launch_adjust_oom_score(const Grpc__Process *process, struct err *err)
{
	char text[16];
	int r;

	if (!process || !process->has_oomscoreadj)
		return 0;
	snprintf(text, sizeof(text), "%d", (int)process->oomscoreadj);
	r = io_write_file(AT_FDCWD, "/proc/self/oom_score_adj", text);
	return r < 0 ? err_sys(err, -r, "set oom_score_adj to %s", text) : 0;
}

/* Done here and not by the process, so that from its birth on, when the container's processes can
 * see it, there is nothing of the guest's that they could reach through it. */
static int enter_container(struct setup *setup, struct err *err)
{
	const Grpc__CPUAffinity *cpus = setup->request.process->execcpuaffinity;
	int r = launch_adjust_oom_score(setup->request.spec->process, err);

	if (r == 0 && cpus && !setup->request.is_init)
		r = priority_set_cpus(cpus->initial, err);
	return r < 0 ? r : namespaces_enter_early(&setup->request, setup->home_fds, err);
}

/* What the process of an init will not have the right to, being root in its namespace only. */
static int act_for_process(struct setup *setup, struct err *err)
{
	const struct launch_request *request = &setup->request;
	unsigned int new_namespaces = namespaces_new(request);
	int r = 0;

	if (setup->has_userns) {
		r = enter_container(setup, err);
		if (r == 0)
			r = sysctl_apply(
				request->spec->linux, ~new_namespaces, setup->sock_fd, err);
	}
	return r < 0 ? r
		     : mounts_make_outside(request->spec, new_namespaces, &setup->outside_fds, err);
}

/* The job goes on in the agent's pid namespace: what it forks, too. */
static int keep_own_pid(struct setup *setup, struct err *err)
{
	if (setup->job_fd < 0 || setup->request.ns_fds[LAUNCH_NS_PID] < 0)
		return 0;
	setup->home_fds[LAUNCH_NS_PID] = namespace_open_self("pid");
	return setup->home_fds[LAUNCH_NS_PID] < 0 ? err_sys(err, -setup->home_fds[LAUNCH_NS_PID],
							    "open the agent's pid namespace")
						  : 0;
}

static int prepare_clone(struct setup *setup, uint64_t *ret_flags, struct err *err)
{
	int r = setup->request.is_init ? act_for_process(setup, err) : enter_container(setup, err);

	if (r == 0)
		r = keep_own_pid(setup, err);
	return r < 0 ? r : namespaces_prepare_pid(&setup->request, ret_flags, err);
}

static int clone_process(struct setup *setup, struct err *err)
{
	int unified_fd = cgroup_fd_of_unified(&setup->cgroup);
	uint64_t flags;
	pid_t pid;
	int r = prepare_clone(setup, &flags, err);

	if (r < 0)
		return r;
	setup->born_in_cgroup = unified_fd >= 0;
	pid = process_clone(flags | CLONE_PARENT, unified_fd);
	if (pid < 0 && pid != -ENOMEM && pid != -EAGAIN && unified_fd >= 0 &&
		!setup->request.is_unit) {
		/* An older kernel, or a cgroup that takes nobody by birth: the process moves
		 * itself, as it does into those of v1. */
		setup->born_in_cgroup = false;
		pid = process_clone(flags | CLONE_PARENT, -1);
	}
	if (pid == 0)
		launch_init_run(setup);
	/* What the kernel says when the namespace's init has ended (pid_namespaces(7)). */
	if (pid == -ENOMEM && setup->request.ns_fds[LAUNCH_NS_PID] >= 0)
		return err_set(err, ESRCH, "the init process of the pid namespace has ended");
	setup->pid = pid;
	return pid < 0 ? err_sys(err, -pid, "clone the container process") : 0;
}

void launch_job_run(const struct launch_request *request, int sock_fd)
{
	struct setup setup = {.request = *request,
		.sock_fd = sock_fd,
		.console_fd = -1,
		.job_fd = -1,
		.process_fd = -1,
		.labels = LABELS_INIT};
	struct err err = ERR_INIT;
	int r;

	for (int i = 0; i < LAUNCH_NS_COUNT; i++)
		setup.home_fds[i] = -1;
	log_set_fd(-1);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* From here to the program's execve: nobody who can see the process may look into it. */
	(void)prctl(PR_SET_DUMPABLE, 0);
	loop_restore_signals();
	r = arrange_fds(&setup, &err);
	/* What nobody follows must leave nothing: nobody would undo it. */
	if (r == 0 && report_await(setup.sock_fd, REPORT_ACK) < 0)
		_exit(1);
	if (r == 0)
		r = prepare(&setup, &err);
	if (r == 0)
		r = clone_process(&setup, &err);
	if (r == 0)
		r = launch_settle_unit(&setup, &err);
	if (r == 0)
		r = launch_serve_process(&setup, &err);
	if (r < 0)
		(void)report_send_failure(sock_fd, &err);
	_exit(r < 0 ? 1 : 0);
}

void launch_undo_run(const char *cgroup, bool is_unit)
{
	int r;

	log_set_fd(-1);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	loop_restore_signals();
	(void)!process_keep_fds(NULL, 0);
	r = is_unit ? launch_remove_unit(cgroup, NULL) : launch_remove_cgroup(cgroup, NULL);
	_exit(r < 0 ? 1 : 0);
}
