/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/command.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/utf8.h"

/* Of what a program says on its way out, this much is told. */
enum { MAX_WORDS = 512, NOT_RUN = 127 };

/* Files in memory, not pipes: neither side ever waits for the other. */
struct streams {
	int in_fd, out_fd, err_fd; /* owned */
};

static void close_streams(struct streams *s)
{
	close_fd(s->in_fd);
	close_fd(s->out_fd);
	close_fd(s->err_fd);
}

static int open_streams(struct streams *s, struct slice input)
{
	s->in_fd = memfd_create("stdin", MFD_CLOEXEC);
	s->out_fd = memfd_create("stdout", MFD_CLOEXEC);
	s->err_fd = memfd_create("stderr", MFD_CLOEXEC);
	if (s->in_fd < 0 || s->out_fd < 0 || s->err_fd < 0)
		return -errno;
	if (input.len > 0) {
		int r = io_write_full(s->in_fd, input.p, input.len);

		if (r < 0)
			return r;
	}
	return lseek(s->in_fd, 0, SEEK_SET) < 0 ? -errno : 0;
}

static void limit(int resource, rlim_t n)
{
	struct rlimit l = {.rlim_cur = n, .rlim_max = n};

	if (setrlimit((__typeof__(RLIMIT_CORE))resource, &l) < 0)
		_exit(NOT_RUN);
}

static _Noreturn void child(const struct command *command, const struct streams *s, pid_t parent)
{
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	char *const environment[] = {path, NULL};

	(void)setpgid(0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || dup2(s->in_fd, 0) < 0 || dup2(s->out_fd, 1) < 0 ||
		dup2(s->err_fd, 2) < 0 || syscall(SYS_close_range, 3, ~0U, 0) < 0)
		_exit(NOT_RUN);
	limit(RLIMIT_FSIZE, command->max_output);
	limit(RLIMIT_CORE, 0);
	(void)execve(command->argv[0], (char *const *)(uintptr_t)command->argv, environment);
	_exit(NOT_RUN);
}

/* The wait status, or -errno; the process is gone in either case. */
static int wait_for(pid_t pid, int64_t timeout_ns, int *ret_status)
{
	auto_fd int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	int64_t deadline_ns = clock_now_ns() + timeout_ns, left_ns = timeout_ns;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int n = 0, r = fd < 0 ? -errno : 0;

	while (r == 0 && n == 0 && left_ns > 0) {
		n = poll(&p, 1, (int)((left_ns + NS_PER_MS - 1) / NS_PER_MS));
		if (n < 0 && errno != EINTR)
			r = -errno;
		n = n < 0 ? 0 : n;
		left_ns = deadline_ns - clock_now_ns();
	}
	if (r == 0 && n == 0)
		r = -ETIMEDOUT;
	/* Also what it has started. Until it has been waited for the number is its own. */
	(void)kill(-pid, SIGKILL);
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
		;
	return r;
}

/* The file is the program's own, which may still be at it if it left somebody behind. */
static int take_output(int fd, size_t max, struct buf *b)
{
	off_t size = lseek(fd, 0, SEEK_END);
	size_t len = size < 0 ? 0 : (size_t)size < max ? (size_t)size : max;
	uint8_t *at = buf_reserve(b, len);
	ssize_t n;

	if (!at)
		return -ENOMEM;
	n = len > 0 ? pread(fd, at, len, 0) : 0;
	if (n < 0)
		return -errno;
	buf_commit(b, (size_t)n);
	return 0;
}

/* On one line, without what a log or a terminal would stumble over. */
static void take_words(int fd, char words[static MAX_WORDS])
{
	ssize_t n = pread(fd, words, MAX_WORDS - 1, 0);
	size_t len = n < 0 ? 0 : (size_t)n;

	while (len > 0 && (unsigned char)words[len - 1] <= ' ')
		len--;
	words[len] = '\0';
	for (char *c = words; *c; c++)
		if (*c == '\n')
			*c = ';';
	utf8_make_printable(words);
}

static int judge(
	const struct command *command, const struct streams *s, int status, struct err *err)
{
	const char *name = command->argv[0];
	char words[MAX_WORDS];

	take_words(s->err_fd, words);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ)
		return err_set(
			err, EFBIG, "%s: wrote more than %zu bytes", name, command->max_output);
	if (WIFSIGNALED(status))
		return err_set(err, EIO, "%s: was killed by signal %d (%s)", name, WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	if (WEXITSTATUS(status) != 0)
		return err_set(err, EIO, "%s: exited with status %d: %s", name, WEXITSTATUS(status),
			words);
	return 0;
}

static int run(
	const struct command *command, const struct streams *s, struct buf *output, struct err *err)
{
	const char *name = command->argv[0];
	pid_t parent = getpid(), pid = fork();
	int r, status = 0;

	if (pid == 0)
		child(command, s, parent);
	if (pid < 0)
		return err_sys(err, errno, "%s: fork", name);
	r = wait_for(pid, command->timeout_ns, &status);
	if (r == -ETIMEDOUT)
		return err_set(err, ETIMEDOUT, "%s: has not ended after %lld s", name,
			(long long)(command->timeout_ns / NS_PER_S));
	if (r < 0)
		return err_sys(err, -r, "%s: wait", name);
	if (output) {
		r = take_output(s->out_fd, command->max_output, output);
		if (r < 0)
			return err_sys(err, -r, "%s: read what it wrote", name);
	}
	return judge(command, s, status, err);
}

int command_run(const struct command *command, struct buf *output, struct err *err)
{
	struct streams s = {.in_fd = -1, .out_fd = -1, .err_fd = -1};
	int r;

	if (access(command->argv[0], X_OK) < 0)
		return err_sys(err, errno, "%s", command->argv[0]);
	r = open_streams(&s, command->input);
	r = r < 0 ? err_sys(err, -r, "%s: memory for its streams", command->argv[0])
		  : run(command, &s, output, err);
	close_streams(&s);
	return r;
}
