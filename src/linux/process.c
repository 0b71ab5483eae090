/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/process.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

pid_t process_clone(uint64_t flags, int cgroup_fd)
{
	struct clone_args args = {
		.flags = flags | (cgroup_fd >= 0 ? CLONE_INTO_CGROUP : 0),
		/* clone3 refuses an exit signal beside CLONE_PARENT: our own is inherited. */
		.exit_signal = flags & CLONE_PARENT ? 0 : SIGCHLD,
		.cgroup = cgroup_fd >= 0 ? (uint64_t)cgroup_fd : 0,
	};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	return pid < 0 ? -errno : (pid_t)pid;
}

static int close_range_flags(unsigned int first, unsigned int last, unsigned int flags)
{
	if (first > last)
		return 0;
	return syscall(SYS_close_range, first, last, flags) < 0 ? -errno : 0;
}

int process_keep_fds(const int *fds, size_t n_fds)
{
	unsigned int from = STDERR_FILENO + 1;

	assert(n_fds <= PROCESS_KEEP_MAX);
	/* The lowest fd to be kept from `from` on ends the next range to close. */
	for (;;) {
		unsigned int next = UINT_MAX;
		int r;

		for (size_t i = 0; i < n_fds; i++)
			if (fds[i] >= 0 && (unsigned int)fds[i] >= from &&
				(unsigned int)fds[i] < next)
				next = (unsigned int)fds[i];
		if (next == UINT_MAX)
			return close_range_flags(from, UINT_MAX, 0);
		r = next > from ? close_range_flags(from, next - 1, 0) : 0;
		if (r < 0)
			return r;
		from = next + 1;
	}
}

int process_seal_fds(void)
{
	return close_range_flags(STDERR_FILENO + 1, UINT_MAX, CLOSE_RANGE_CLOEXEC);
}

int process_open_pidfd(pid_t pid)
{
	long fd = syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : (int)fd;
}

int process_signal_pidfd(int pidfd, int signo)
{
	return syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0) < 0 ? -errno : 0;
}

int process_peek_pidfd(int pidfd, int *ret_status)
{
	siginfo_t info = {.si_pid = 0};

	if (waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) < 0)
		return -errno;
	if (info.si_pid == 0)
		return -EAGAIN;
	*ret_status = info.si_code == CLD_EXITED ? (info.si_status & 0xff) << 8 : info.si_status;
	return 0;
}
