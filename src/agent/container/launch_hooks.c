/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the job, which lives in the agent's namespaces and is root there, does for the process once
 * it knows its pid: it writes the maps of a new user namespace; and, when the process says that its
 * root is built, sets what only root in the guest may set, and runs the hooks of the agent's
 * namespaces. The process waits for each. Each of the two closes the other's end of their socket, so
 * that it sees when the other has gone.
 */
#include <sys/socket.h>

#include "agent/container/creds.h"
#include "agent/container/namespaces.h"
#include "agent/container/priority.h"
#include "agent/container/report.h"
#include "agent/container/setup.h"
#include "agent/container/userns.h"

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

int launch_open_line(struct setup *setup, struct err *err)
{
	struct hooks hooks = hooks_of(setup);
	int pair[2];

	if (!setup->request.is_init)
		return 0;
	if (!setup->has_userns && !hooks_any(&hooks, HOOKS_PRESTART) &&
		!hooks_any(&hooks, HOOKS_CREATE_RUNTIME))
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, errno, "hooks");
	setup->job_fd = pair[0];
	setup->process_fd = pair[1];
	return 0;
}

static int send_byte(int fd, char byte)
{
	return send(fd, &byte, 1, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int write_maps(const struct setup *setup, struct err *err)
{
	const Grpc__Linux *l = setup->request.spec->linux;
	int r;

	if (!setup->has_userns)
		return 0;
	r = userns_write_maps(setup->pid, (struct userns_map){l->uidmappings, l->n_uidmappings},
		(struct userns_map){l->gidmappings, l->n_gidmappings}, err);
	if (r == 0)
		(void)send_byte(setup->job_fd, REPORT_GO);
	return r;
}

static int set_limits(const struct setup *setup, struct err *err)
{
	const Grpc__Process *p = setup->request.spec->process;
	int r;

	if (!setup->has_userns || !p)
		return 0;
	r = creds_apply_rlimits(setup->pid, p->rlimits, p->n_rlimits, err);
	return r < 0 ? r : priority_apply(setup->pid, setup->request.process, err);
}

int launch_serve_process(struct setup *setup, struct err *err)
{
	struct hooks hooks = hooks_of(setup);
	int r;

	if (setup->job_fd < 0)
		return 0;
	close_fd(take_fd(&setup->process_fd));
	r = write_maps(setup, err);
	if (r < 0)
		return r;
	/* Ended early: it has said why. */
	if (report_await(setup->job_fd, REPORT_ACK) < 0)
		return 0;
	r = namespaces_go_home(setup->home_fds, err);
	if (r == 0)
		r = set_limits(setup, err);
	if (r == 0)
		r = hooks_run(&hooks, HOOKS_PRESTART, setup->pid, err);
	if (r == 0)
		r = hooks_run(&hooks, HOOKS_CREATE_RUNTIME, setup->pid, err);
	if (r == 0)
		(void)send_byte(setup->job_fd, REPORT_GO);
	return r;
}

int launch_await_maps(struct setup *setup, struct err *err)
{
	int r;

	if (setup->process_fd < 0)
		return 0;
	close_fd(take_fd(&setup->job_fd));
	r = setup->has_userns ? report_await(setup->process_fd, REPORT_GO) : 0;
	return r < 0 ? err_sys(err, -r, "wait for the user namespace") : 0;
}

int launch_await_hooks(struct setup *setup, struct err *err)
{
	int r;

	if (setup->process_fd < 0)
		return 0;
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
