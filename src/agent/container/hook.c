/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/container/hook.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"
#include "linux/process.h"
#include "wire/status.h"

/* One run. The program's ends are closed here as soon as it has its copies. */
struct run {
	const struct hook *hook;
	char **argv, **envp; /* owned, their strings are not */
	int stdin_fd;	     /* owned, like all of them */
	int out_fd, program_out_fd;
	int exec_fd, program_exec_fd; /* carries execve's errno; closed by its success */
	pid_t pid;
	int pidfd;
	int status;
};

static void fini(struct run *run)
{
	int *fds[] = {&run->stdin_fd, &run->out_fd, &run->program_out_fd, &run->exec_fd,
		&run->program_exec_fd, &run->pidfd};

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close_fd(take_fd(fds[i]));
	free(run->argv);
	free(run->envp);
}

static char **copy_list(char *const *words, size_t n)
{
	char **list = calloc(n + 1, sizeof(*list));

	if (list && n > 0)
		memcpy(list, words, n * sizeof(*list));
	return list;
}

/* Never 0, 1 or 2, where the program's own will be. */
static int lift(int fd)
{
	int copy;

	if (fd < 0)
		return -errno;
	if (fd > STDERR_FILENO)
		return fd;
	copy = io_dup(fd);
	close_fd(fd);
	return copy;
}

static int open_pipe(int *ret_read_fd, int *ret_write_fd)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	*ret_read_fd = lift(fds[0]);
	*ret_write_fd = lift(fds[1]);
	if (*ret_read_fd < 0 || *ret_write_fd < 0)
		return *ret_read_fd < 0 ? *ret_read_fd : *ret_write_fd;
	return io_set_nonblock(*ret_read_fd, true);
}

/* A file and not a pipe: a program that does not read it holds up nobody. */
static int open_stdin(struct run *run)
{
	const struct slice *text = &run->hook->input;
	int r;

	run->stdin_fd = lift((int)syscall(SYS_memfd_create, "hook-stdin", MFD_CLOEXEC));
	if (run->stdin_fd < 0)
		return run->stdin_fd;
	r = io_write_full(run->stdin_fd, text->p, text->len);
	return r == 0 && lseek(run->stdin_fd, 0, SEEK_SET) < 0 ? -errno : r;
}

static int prepare(struct run *run)
{
	const struct hook *hook = run->hook;
	int r = open_stdin(run);

	if (r == 0)
		r = open_pipe(&run->out_fd, &run->program_out_fd);
	if (r == 0)
		r = open_pipe(&run->exec_fd, &run->program_exec_fd);
	if (r < 0)
		return r;
	run->argv = copy_list(hook->args, hook->n_args);
	run->envp = copy_list(hook->env, hook->n_env);
	return run->argv && run->envp ? 0 : -ENOMEM;
}

static _Noreturn void run_program(const struct run *run)
{
	int code;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)setsid();
	if (process_seal_fds() == 0 && chdir(run->hook->cwd) == 0 &&
		dup2(run->stdin_fd, STDIN_FILENO) >= 0 &&
		dup2(run->program_out_fd, STDOUT_FILENO) >= 0 &&
		dup2(run->program_out_fd, STDERR_FILENO) >= 0)
		execve(run->hook->path, run->argv, run->envp);
	code = errno;
	(void)!write(run->program_exec_fd, &code, sizeof(code));
	_exit(127);
}

static int start(struct run *run)
{
	run->pid = process_clone(0, -1);
	if (run->pid == 0)
		run_program(run);
	if (run->pid < 0)
		return (int)run->pid;
	close_fd(take_fd(&run->program_out_fd));
	close_fd(take_fd(&run->program_exec_fd));
	run->pidfd = process_open_pidfd(run->pid);
	return run->pidfd < 0 ? run->pidfd : 0;
}

/* False at the end of what there is. */
static bool take_output(struct run *run, struct buf *output)
{
	uint8_t *space = buf_reserve(output, HOOK_OUTPUT_MAX);
	ssize_t n = space ? read(run->out_fd, space, HOOK_OUTPUT_MAX) : -1;

	if (n <= 0)
		return n < 0 && errno == EINTR;
	for (ssize_t i = 0; i < n; i++)
		if ((space[i] < ' ' && space[i] != '\n') || space[i] > '~')
			space[i] = '?';
	buf_commit(output, (size_t)n);
	if (buf_len(output) > HOOK_OUTPUT_MAX)
		buf_consume(output, buf_len(output) - HOOK_OUTPUT_MAX);
	return true;
}

/* Until the program has ended; what it leaves running may keep the pipe open. */
static int follow(struct run *run, struct buf *output)
{
	int64_t deadline_ns = clock_now_ns() + run->hook->timeout_ns;
	struct pollfd polled[] = {
		{.fd = run->pidfd, .events = POLLIN}, {.fd = run->out_fd, .events = POLLIN}};

	for (;;) {
		int64_t left_ns = deadline_ns - clock_now_ns();
		struct timespec left = {
			.tv_sec = left_ns / NS_PER_S, .tv_nsec = left_ns % NS_PER_S};
		int n;

		if (left_ns <= 0)
			return -ETIMEDOUT;
		n = ppoll(polled, ARRAY_SIZE(polled), &left, NULL);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n <= 0)
			continue;
		if (polled[1].revents && !take_output(run, output))
			polled[1].fd = -1;
		if (polled[0].revents)
			break;
	}
	/* No more than the pipe can hold: something else may go on writing. */
	for (size_t i = 0; i < 16 && polled[1].fd >= 0 && take_output(run, output); i++)
		;
	return 0;
}

static void end(struct run *run, int r)
{
	if (r < 0) {
		(void)kill(run->pid, SIGKILL);
		(void)kill(-run->pid, SIGKILL);
	}
	while (waitpid(run->pid, &run->status, 0) < 0 && errno == EINTR)
		;
}

static const char *last_line(struct buf *output)
{
	const char *text = buf_str(output), *line;

	while (buf_len(output) > 0 && output->data[output->end - 1] == '\n')
		output->data[--output->end] = '\0';
	line = strrchr(text, '\n');
	return line ? line + 1 : text;
}

static int judge(const struct run *run, struct buf *output, struct err *err)
{
	const char *said = last_line(output), *colon = *said ? ": " : "";
	int code = 0;

	if (read(run->exec_fd, &code, sizeof(code)) == sizeof(code)) {
		if (code == ENOENT)
			return err_status(err, ENOENT, WIRE_INVALID_ARGUMENT, "%s: no such program",
				run->hook->path);
		return err_sys(err, code, "run %s", run->hook->path);
	}
	if (WIFSIGNALED(run->status))
		return err_set(err, EIO, "%s: killed by signal %d%s%s", run->hook->path,
			WTERMSIG(run->status), colon, said);
	if (WEXITSTATUS(run->status) != 0)
		return err_set(err, EIO, "%s: exit status %d%s%s", run->hook->path,
			WEXITSTATUS(run->status), colon, said);
	return 0;
}

int hook_run(const struct hook *hook, struct buf *output, struct err *err)
{
	struct run run = {.hook = hook,
		.stdin_fd = -1,
		.out_fd = -1,
		.program_out_fd = -1,
		.exec_fd = -1,
		.program_exec_fd = -1,
		.pidfd = -1};
	union {
		const char *in;
		char *out;
	} path = {.in = hook->path};
	char *const alone[] = {path.out};
	struct hook named = *hook;
	int r;

	if (hook->n_args == 0) {
		named.args = alone;
		named.n_args = 1;
		run.hook = &named;
	}
	r = prepare(&run);
	if (r == 0) {
		r = start(&run);
		if (r == 0)
			r = follow(&run, output);
		if (run.pid > 0)
			end(&run, r);
	}
	if (r == -ETIMEDOUT)
		err_status(err, ETIMEDOUT, WIRE_DEADLINE_EXCEEDED, "%s: timed out after %lld s",
			hook->path, (long long)(hook->timeout_ns / NS_PER_S));
	else if (r < 0)
		err_sys(err, -r, "run %s", hook->path);
	else
		r = judge(&run, output, err);
	fini(&run);
	return r;
}
