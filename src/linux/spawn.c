/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: two channels lead to the child. The gate (a socket pair, because writing to
 * it must not raise SIGPIPE) holds the child until the parent sends one byte; end of file there
 * means that the parent gave up, and the child leaves. The status pipe is close-on-exec: a failed
 * step of the child writes its errno there, a successful exec closes it.
 *
 * In the child every fd that survives is first moved above all numbers to be filled, then put into
 * its place, and the rest is closed before the child waits: a child at the gate must not keep other
 * pipes of the parent open.
 */
#include "linux/spawn.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/io.h"
#include "linux/process.h"
#include "linux/procstat.h"
#include "loop/loop.h"

enum { FIRST_FD = 3, OWN_FDS = 2, EXIT_NOT_STARTED = 127 };

/* The child's table of descriptors: what is at index i becomes fd i. The last two are its own. */
struct child_fds {
	int fds[FIRST_FD + SPAWN_FDS_MAX + OWN_FDS];
	int n; /* entries */
};

static int status_index(const struct child_fds *c)
{
	return c->n - 2;
}

static int gate_index(const struct child_fds *c)
{
	return c->n - 1;
}

static _Noreturn void child_fail(const struct child_fds *c, int code)
{
	/* A parent that no longer reads needs no answer. */
	(void)!write(c->fds[status_index(c)], &code, sizeof(code));
	_exit(EXIT_NOT_STARTED);
}

/* Afterwards fds[i] == i for all i, and nothing else is open. */
static int child_arrange_fds(struct child_fds *c)
{
	for (int i = 0; i < c->n; i++) {
		int moved = fcntl(c->fds[i], F_DUPFD_CLOEXEC, c->n);

		if (moved < 0)
			return -errno;
		c->fds[i] = moved;
	}
	for (int i = 0; i < c->n; i++)
		if (dup3(c->fds[i], i, i >= status_index(c) ? O_CLOEXEC : 0) < 0)
			return -errno;
	for (int i = 0; i < c->n; i++)
		c->fds[i] = i;
	/* Linux 5.9; glibc 2.34 has a wrapper, musl 1.2.3 has not. */
	return syscall(SYS_close_range, c->n, ~0U, 0) < 0 ? -errno : 0;
}

/* It alone reads the status pipe. Its pid would not do: in a new pid namespace it has none. */
static bool parent_is_gone(const struct child_fds *c)
{
	struct pollfd p = {.fd = c->fds[status_index(c)]};

	return poll(&p, 1, 0) > 0 && (p.revents & POLLERR);
}

static int child_enter_netns(int netns_fd)
{
	int r = 0;

	if (netns_fd == SPAWN_NEW_NETNS)
		r = unshare(CLONE_NEWNET);
	else if (netns_fd > 0)
		r = setns(netns_fd, CLONE_NEWNET);
	return r < 0 ? -errno : 0;
}

static _Noreturn void child_run(const struct spawn_config *config, struct child_fds *c)
{
	static const char *const no_env[] = {NULL};
	char go;
	int r = child_enter_netns(config->netns_fd);

	if (r == 0)
		r = child_arrange_fds(c);
	if (r < 0)
		child_fail(c, -r);
	if (!config->outlives_parent && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		child_fail(c, errno);
	/* A parent that died before the prctl sends no signal. */
	if (parent_is_gone(c))
		_exit(EXIT_NOT_STARTED);
	loop_restore_signals();
	if (chdir(config->cwd ? config->cwd : "/") < 0)
		child_fail(c, errno);
	if (io_read_full(c->fds[gate_index(c)], &go, 1) < 0)
		_exit(EXIT_NOT_STARTED);
	/* execve's prototype predates const; it changes neither. */
	execve(config->program, (char *const *)(uintptr_t)config->argv,
		(char *const *)(uintptr_t)(config->envp ? config->envp : no_env));
	child_fail(c, errno);
}

static void child_fds_fill(struct child_fds *c, const struct spawn_config *config, int null_fd,
	int status_fd, int gate_fd)
{
	int output_fd = config->output_fd >= 0 ? config->output_fd : null_fd;

	c->fds[c->n++] = null_fd;
	c->fds[c->n++] = output_fd;
	c->fds[c->n++] = output_fd;
	for (size_t i = 0; i < config->n_fds; i++)
		c->fds[c->n++] = config->fds[i];
	c->fds[c->n++] = status_fd;
	c->fds[c->n++] = gate_fd;
}

/* Ends and reaps a child that cannot be handed to the caller. */
static void abandon(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* gate[1] and status[0] are the parent's ends. */
static int start_child(
	const struct spawn_config *config, const int gate[2], const int status[2], pid_t *ret_pid)
{
	auto_fd int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	pid_t pid = -EPERM;

	if (null_fd < 0)
		return -errno;
	if (config->own_pid_namespace)
		pid = process_clone(CLONE_NEWPID, -1);
	if (pid == -EPERM)
		pid = process_clone(0, -1);
	if (pid < 0)
		return pid;
	if (pid == 0) {
		struct child_fds c = {.n = 0};

		child_fds_fill(&c, config, null_fd, status[1], gate[0]);
		child_run(config, &c);
	}
	*ret_pid = pid;
	return 0;
}

static int start(const struct spawn_config *config, struct spawn *ret)
{
	auto_fd int gate_child = -1, gate_fd = -1, status_fd = -1, status_child = -1;
	struct procstat stat;
	int gate[2], status[2], r;
	pid_t pid = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, gate) < 0)
		return -errno;
	gate_child = gate[0];
	gate_fd = gate[1];
	if (pipe2(status, O_CLOEXEC) < 0)
		return -errno;
	status_fd = status[0];
	status_child = status[1];
	r = io_set_nonblock(status_fd, true);
	if (r == 0)
		r = start_child(config, gate, status, &pid);
	if (r < 0)
		return r;
	r = procstat_read(pid, &stat);
	if (r < 0) {
		abandon(pid);
		return r;
	}
	*ret = (struct spawn){.pid = pid,
		.start_time = stat.start_time,
		.gate_fd = take_fd(&gate_fd),
		.status_fd = take_fd(&status_fd)};
	return 0;
}

int spawn_start(const struct spawn_config *config, struct spawn *ret, struct err *err)
{
	int r = config->n_fds > SPAWN_FDS_MAX ? -E2BIG : start(config, ret);

	return r < 0 ? err_sys(err, -r, "start %s", config->program) : 0;
}

void spawn_release(struct spawn *s)
{
	/* A child that has died at the gate is reported by its exit. */
	if (s->gate_fd >= 0)
		(void)send(s->gate_fd, "g", 1, MSG_NOSIGNAL);
	close_fd(s->gate_fd);
	s->gate_fd = -1;
}

int spawn_exec_error(const struct spawn *s)
{
	int code;

	if (s->status_fd < 0 || read(s->status_fd, &code, sizeof(code)) != (ssize_t)sizeof(code))
		return 0;
	return code > 0 ? code : EIO;
}

void spawn_describe_exit(
	const struct spawn *s, const char *name, const char *program, int status, struct err *err)
{
	int code = spawn_exec_error(s);

	if (code)
		err_sys(err, code, "start %s (%s)", name, program);
	else if (WIFSIGNALED(status))
		err_set(err, ECHILD, "%s was killed by signal %d (%s)", name, WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	else
		err_set(err, ECHILD, "%s exited with status %d", name, WEXITSTATUS(status));
}

void spawn_fini(struct spawn *s)
{
	close_fd(s->gate_fd);
	close_fd(s->status_fd);
	s->gate_fd = s->status_fd = -1;
}
