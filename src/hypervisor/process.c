/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"

static void forget(struct process *p)
{
	source_free(p->child);
	p->child = NULL;
	p->running = false;
	lines_detach(&p->output);
}

static void on_exit_status(void *data, pid_t pid, int status)
{
	struct process *p = data;
	struct err why = ERR_INIT;

	(void)pid;
	lines_drain(&p->output);
	forget(p);
	spawn_describe_exit(&p->spawn, p->role, p->program, status, &why);
	spawn_fini(&p->spawn);
	if (why.code == ECHILD && *lines_tail(&p->output)) {
		struct err with_output = ERR_INIT;

		err_set(&with_output, ECHILD, "%s: %s", why.msg, lines_tail(&p->output));
		why = with_output;
	}
	p->fn(p->data, p, status, &why);
}

/* Kills and reaps a child that nobody watches. */
static void reap_now(struct process *p)
{
	(void)kill(p->spawn.pid, SIGKILL);
	while (waitpid(p->spawn.pid, NULL, 0) < 0 && errno == EINTR)
		;
	spawn_fini(&p->spawn);
	forget(p);
}

static int watch(struct process *p, struct loop *loop, const struct hypervisor_journal *journal,
	int *output_fd)
{
	int r = 0;

	if (journal->note_process)
		r = journal->note_process(
			journal->data, p->role, p->spawn.pid, p->spawn.start_time);
	if (r == 0)
		r = lines_attach(&p->output, loop, take_fd(output_fd));
	if (r == 0)
		r = loop_add_child(loop, p->spawn.pid, on_exit_status, p, &p->child);
	return r;
}

int process_start(struct process *p, struct loop *loop, const struct hypervisor_journal *journal,
	const struct process_config *config, process_exit_fn *fn, void *data, struct err *err)
{
	auto_fd int read_fd = -1, write_fd = -1;
	int pipe_fds[2], r;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_sys(err, errno, "start %s: pipe", p->role);
	read_fd = pipe_fds[0];
	write_fd = pipe_fds[1];
	r = io_set_nonblock(read_fd, true);
	if (r < 0)
		return err_sys(err, -r, "start %s: pipe", p->role);
	r = spawn_start(&(struct spawn_config){.program = config->program,
				.argv = config->argv,
				.fds = config->fds,
				.n_fds = config->n_fds,
				.output_fd = write_fd,
				.cwd = config->cwd,
				.own_pid_namespace = config->own_pid_namespace,
				.netns_fd = config->netns_fd},
		&p->spawn, err);
	if (r < 0)
		return r;
	p->running = true;
	p->program = config->program;
	p->fn = fn;
	p->data = data;
	r = watch(p, loop, journal, &read_fd);
	if (r < 0) {
		reap_now(p);
		return err_sys(err, -r, "start %s", p->role);
	}
	spawn_release(&p->spawn);
	return 0;
}

void process_kill(struct process *p)
{
	if (p->running)
		(void)kill(p->spawn.pid, SIGKILL);
}

static void wait_for_exit(pid_t pid, int64_t grace_ns)
{
	auto_fd int pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd poll_fd = {.fd = pid_fd, .events = POLLIN};

	if (pid_fd >= 0)
		(void)poll(&poll_fd, 1, (int)(grace_ns / NS_PER_MS));
}

void process_fini(struct process *p, int64_t grace_ns)
{
	if (p->running && grace_ns > 0)
		wait_for_exit(p->spawn.pid, grace_ns);
	if (p->running)
		reap_now(p);
	lines_detach(&p->output);
}
