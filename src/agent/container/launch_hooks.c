/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks during a launch. Those of the agent's namespaces are run by the job, which lives in them
 * and knows the process's pid there; the process asks for them over a socket of the two and waits.
 * Each closes the other's end, so that it sees when the other has gone.
 */
#include <sched.h>
#include <sys/socket.h>

#include "agent/container/report.h"
#include "agent/container/setup.h"
#include "linux/namespace.h"

static void log_line(void *data, const char *text)
{
	const struct setup *setup = data;

	report_log(setup->sock_fd, LOG_INFO, "%s", text);
}

static struct hooks hooks_of(const struct setup *setup)
{
	union {
		const struct setup *in;
		void *out;
	} data = {.in = setup};

	return (struct hooks){.spec = setup->request.spec,
		.container_id = setup->request.container_id,
		.bundle = setup->request.bundle,
		.guest_dir = setup->request.guest_hooks,
		.log = log_line,
		.data = data.out};
}

int launch_prepare_hooks(struct setup *setup, struct err *err)
{
	struct hooks hooks = hooks_of(setup);
	int pair[2];

	if (!setup->request.is_init)
		return 0;
	if (!hooks_any(&hooks, HOOKS_PRESTART) && !hooks_any(&hooks, HOOKS_CREATE_RUNTIME))
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, errno, "hooks");
	setup->job_fd = pair[0];
	setup->process_fd = pair[1];
	return 0;
}

/* What the job forks would be in the pid namespace that it entered for the process. */
static int fork_at_home(const struct setup *setup)
{
	auto_fd int own = -1;

	if (setup->request.ns_fds[LAUNCH_NS_PID] < 0)
		return 0;
	own = namespace_open_self("pid");
	return own < 0 ? own : namespace_enter(own, CLONE_NEWPID);
}

static int send_byte(int fd, char byte)
{
	return send(fd, &byte, 1, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int launch_serve_hooks(struct setup *setup, struct err *err)
{
	struct hooks hooks = hooks_of(setup);
	int r;

	if (setup->job_fd < 0)
		return 0;
	close_fd(take_fd(&setup->process_fd));
	/* Ended early: it has said why. */
	if (report_await(setup->job_fd, REPORT_ACK) < 0)
		return 0;
	r = fork_at_home(setup);
	if (r < 0)
		return err_sys(err, -r, "go back to the agent's pid namespace");
	r = hooks_run(&hooks, HOOKS_PRESTART, setup->pid, err);
	if (r == 0)
		r = hooks_run(&hooks, HOOKS_CREATE_RUNTIME, setup->pid, err);
	if (r == 0)
		(void)send_byte(setup->job_fd, REPORT_GO);
	return r;
}

int launch_await_hooks(struct setup *setup, struct err *err)
{
	int r;

	if (setup->process_fd < 0)
		return 0;
	close_fd(take_fd(&setup->job_fd));
	r = send_byte(setup->process_fd, REPORT_ACK);
	if (r == 0)
		r = report_await(setup->process_fd, REPORT_GO);
	close_fd(take_fd(&setup->process_fd));
	return r < 0 ? err_sys(err, -r, "wait for the hooks") : 0;
}

int launch_run_own_hooks(const struct setup *setup, enum hooks_kind kind, struct err *err)
{
	struct hooks hooks = hooks_of(setup);

	return setup->request.is_init ? hooks_run(&hooks, kind, getpid(), err) : 0;
}
