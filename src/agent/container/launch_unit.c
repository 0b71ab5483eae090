/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers whose cgroup is a scope of systemd's.
 *
 * A scope is there for as long as a process is in it, and it starts with one. The container's process
 * is not there yet, and is better born into the cgroup than moved; so a placeholder, a child of the
 * job, opens the scope, and ends when the process has been cloned. While it is there the limit of
 * tasks is one more.
 */
#include <inttypes.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "agent/container/limits.h"
#include "agent/container/report.h"
#include "agent/container/setup.h"
#include "agent/container/unit_limits.h"
#include "base/io.h"
#include "linux/cgroup_members.h"

/* What Linux begins with. */
enum { DEFAULT_PERIOD_US = 100000 };

/* The last two names of "/a.slice/a-b.slice/c.scope"; a scope of the root's is in "-.slice". */
static const char *unit_of(const char *cgroup)
{
	return strrchr(cgroup, '/') + 1;
}

static char *slice_of_unit(const char *cgroup)
{
	const char *end = strrchr(cgroup, '/'), *at = end;

	while (at > cgroup && at[-1] != '/')
		at--;
	return at == cgroup ? strdup("-.slice") : strndup(at, (size_t)(end - at));
}

static _Noreturn void hold_place(pid_t job)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)syscall(SYS_close_range, 0, ~0U, 0);
	if (getppid() != job)
		_exit(0);
	for (;;)
		(void)pause();
}

static int start_placeholder(struct setup *setup, struct err *err)
{
	pid_t job = getpid(), pid = fork();

	if (pid == 0)
		hold_place(job);
	if (pid < 0)
		return err_sys(err, errno, "start a scope: fork");
	setup->placeholder = pid;
	return 0;
}

static int start_scope(struct setup *setup, struct err *err)
{
	const char *cgroup = setup->request.cgroup;
	auto_systemd_properties struct systemd_properties p = {.n_words = 0};
	auto_free char *slice = slice_of_unit(cgroup), *description = NULL;
	int r;

	if (!slice || asprintf(&description, "Kata container %s", setup->request.container_id) < 0)
		return err_sys(err, ENOMEM, "start a scope");
	systemd_add_string(&p, "Description", description);
	systemd_add_string(&p, "CollectMode", "inactive-or-failed");
	systemd_add_bool(&p, "DefaultDependencies", false);
	systemd_add_bool(&p, "Delegate", true);
	systemd_add_bool(&p, "CPUAccounting", true);
	systemd_add_bool(&p, "MemoryAccounting", true);
	systemd_add_bool(&p, "IOAccounting", true);
	systemd_add_bool(&p, "TasksAccounting", true);
	r = unit_limits_add(&p, setup->request.spec->linux->resources, DEFAULT_PERIOD_US, err);
	if (r == 0)
		r = systemd_start_scope(unit_of(cgroup), slice, setup->placeholder, &p, err);
	return r;
}

static int64_t tasks_limit(const struct setup *setup)
{
	const Grpc__LinuxResources *resources = setup->request.spec->linux->resources;

	return resources && resources->pids ? resources->pids->limit : 0;
}

static int limit_tasks(const struct setup *setup, int64_t limit, struct err *err)
{
	bool unified;
	int fd = cgroup_fd_of(&setup->cgroup, CGROUP_PIDS, &unified), r;
	char text[24];

	if (tasks_limit(setup) <= 0 || limit <= 0)
		return 0;
	snprintf(text, sizeof(text), "%" PRId64, limit);
	r = io_write_file(fd, "pids.max", text);
	return r < 0 ? err_sys(err, -r, "write \"%s\" to pids.max", text) : 0;
}

int launch_make_unit(struct setup *setup, const struct cgroup_layout *layout, struct err *err)
{
	int64_t limit = tasks_limit(setup);
	int r = start_placeholder(setup, err);

	if (r == 0)
		r = start_scope(setup, err);
	/* Until here it ends with the placeholder, which ends with us. */
	if (r == 0 && report_send(setup->sock_fd, REPORT_CGROUP, 1, NULL, 0) < 0)
		r = err_sys(err, EPIPE, "report");
	if (r == 0)
		r = cgroup_open(layout, setup->request.cgroup, &setup->cgroup, err);
	if (r == 0)
		r = limits_apply(&setup->cgroup, setup->request.spec->linux->resources,
			LIMITS_CREATE, setup->sock_fd, err);
	return r < 0 ? r : limit_tasks(setup, limit < INT64_MAX ? limit + 1 : limit, err);
}

int launch_settle_unit(struct setup *setup, struct err *err)
{
	int status;

	if (setup->placeholder <= 0)
		return 0;
	(void)kill(setup->placeholder, SIGKILL);
	while (waitpid(setup->placeholder, &status, 0) < 0 && errno == EINTR)
		;
	setup->placeholder = 0;
	return limit_tasks(setup, tasks_limit(setup), err);
}

int launch_remove_unit(const char *cgroup, struct err *err)
{
	auto_cgroup struct cgroup c = {.layout = NULL};
	struct err failure = ERR_INIT;
	int r = launch_open_cgroup(cgroup, &c, &failure);

	if (r < 0)
		return r == -ENOENT ? 0 : err_copy(err, &failure);
	/* What is stopped with processes in it gets its time for ending; ours are not asked. */
	(void)!cgroup_kill_members(&c, clock_now_ns() + LAUNCH_REMOVE_NS);
	/* It may have gone with its processes already. What counts is that the cgroup goes. */
	(void)!systemd_stop(unit_of(cgroup), NULL);
	return launch_remove_cgroup(cgroup, err);
}

static uint64_t read_period_us(const struct cgroup *c)
{
	auto_buf struct buf b = BUF_INIT;
	uint64_t period;
	bool unified;
	int fd = cgroup_fd_of(c, CGROUP_CPU, &unified);

	if (fd < 0 || io_read_file(fd, "cpu.max", 64, &b) < 0 ||
		sscanf(buf_str(&b), "%*s %" SCNu64, &period) != 1)
		return DEFAULT_PERIOD_US;
	return period;
}

int launch_update_unit(const char *cgroup, const struct cgroup *c,
	const Grpc__LinuxResources *resources, struct err *err)
{
	auto_systemd_properties struct systemd_properties p = {.n_words = 0};
	int r = unit_limits_add(&p, resources, read_period_us(c), err);

	return r < 0 ? r : systemd_set_properties(unit_of(cgroup), &p, err);
}
