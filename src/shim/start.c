/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "shim/address.h"
#include "shim/bootstrap.h"
#include "shim/group.h"
#include "shim/input.h"
#include "shim/roles.h"

enum { OOM_SCORE_MAX = 1000, OOM_TEXT_MAX = 32, LISTEN_FD = 3 };

/* One more than our own, which is containerd's: the kernel takes the shim before containerd. */
static void adjust_oom_score(pid_t pid)
{
	auto_buf struct buf b = BUF_INIT;
	char path[48], text[OOM_TEXT_MAX];
	long score;

	if (io_read_file(AT_FDCWD, "/proc/self/oom_score_adj", OOM_TEXT_MAX, &b) < 0)
		return;
	score = strtol(buf_str(&b), NULL, 10);
	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
	snprintf(text, sizeof(text), "%ld", score < OOM_SCORE_MAX ? score + 1 : score);
	/* Refused without CAP_SYS_RESOURCE where the score would fall: then it stays as it is. */
	(void)!io_write_file(AT_FDCWD, path, text);
}

static int exec_daemon(const struct cli *cli, const char *program, int listen_fd)
{
	const char *argv[] = {program, "-namespace", cli->name_space, "-id", cli->id, "-address",
		cli->address, "-publish-binary", cli->publish_binary, cli->debug ? "-debug" : NULL,
		NULL};
	auto_fd int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null_fd < 0 || setsid() < 0)
		return -errno;
	for (int fd = 0; fd < 3; fd++)
		if (dup2(null_fd, fd) < 0)
			return -errno;
	/* Nothing is inherited but the listener; dup2 of a number to itself would leave its flag.
	 */
	if (listen_fd == LISTEN_FD ? io_set_cloexec(LISTEN_FD, false) < 0
				   : dup2(listen_fd, LISTEN_FD) < 0)
		return -errno;
	if (close_range(LISTEN_FD + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0 ||
		setenv(DAEMON_LISTEN_FD_ENV, "3", 1) < 0)
		return -errno;
	execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
	return -errno;
}

/* Returns when the daemon has been executed. */
static int spawn_daemon(
	const struct cli *cli, const char *program, int listen_fd, pid_t *ret, struct err *err)
{
	auto_fd int read_fd = -1, write_fd = -1;
	int fds[2], code = 0;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, errno, "start the daemon: pipe");
	read_fd = fds[0];
	/* Out of the way of LISTEN_FD. */
	write_fd = fcntl(fds[1], F_DUPFD_CLOEXEC, 16);
	close_fd(fds[1]);
	if (write_fd < 0)
		return err_sys(err, errno, "start the daemon: pipe");
	pid = fork();
	if (pid < 0)
		return err_sys(err, errno, "start the daemon: fork");
	if (pid == 0) {
		code = -exec_daemon(cli, program, listen_fd);
		_exit(write(write_fd, &code, sizeof(code)) < 0 ? 2 : 1);
	}
	close_fd(take_fd(&write_fd));
	if (io_read_full(read_fd, &code, sizeof(code)) == 0) {
		waitpid(pid, NULL, 0);
		return err_sys(err, code, "start the daemon");
	}
	*ret = pid;
	return 0;
}

static int write_text(const char *file, const char *text, struct err *err)
{
	int r = io_replace_file(AT_FDCWD, file, 0600, text, strlen(text));

	return r < 0 ? err_sys(err, -r, "write %s", file) : 0;
}

/* Nobody calls `delete` after a `start` that fails. */
static void abandon(pid_t pid, const char *path)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	unlink(path);
}

/* *ret: the daemon's, which is the caller's to abandon; 0: the sandbox had one already. */
static int start_daemon(
	const struct cli *cli, const char *program, const char *path, pid_t *ret, struct err *err)
{
	auto_fd int listen_fd = -1;
	char text[16];
	pid_t pid = 0;
	int r = address_listen(path, &listen_fd, err);

	if (r == -EADDRINUSE) {
		*ret = 0;
		return 0;
	}
	if (r < 0)
		return r;
	r = spawn_daemon(cli, program, listen_fd, &pid, err);
	if (r < 0) {
		unlink(path);
		return r;
	}
	adjust_oom_score(pid);
	snprintf(text, sizeof(text), "%d", (int)pid);
	r = write_text("shim.pid", text, err);
	if (r < 0)
		abandon(pid, path);
	else
		*ret = pid;
	return r;
}

/* The daemon inherits it. */
static void note_begin(void)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, clock_now_ns());
	(void)setenv(DAEMON_START_NS_ENV, text, 1);
}

/* A container of a pod is served by its sandbox's daemon, which runs by now. */
static int join_daemon(const struct cli *cli, const char *path, const char *id, struct err *err)
{
	if (address_is_served(path))
		return 0;
	return err_set(err, ENOENT, "container %s: no shim serves its sandbox %s in namespace %s",
		cli->id, id, cli->name_space);
}

/* containerd takes all of stdout as the answer: no newline. */
static int print_answer(struct slice params, const char *address, struct err *err)
{
	auto_buf struct buf answer = BUF_INIT;
	int r = bootstrap_answer(params, getenv("MAX_SHIM_VERSION"), address, &answer);

	if (r == 0)
		r = io_write_full(STDOUT_FILENO, answer.data + answer.start, buf_len(&answer));
	return r < 0 ? err_sys(err, -r, "print the address") : 0;
}

int start_run(const struct cli *cli, const char *program, struct err *err)
{
	auto_buf struct buf params = BUF_INIT;
	auto_free char *id = NULL;
	char path[ADDRESS_PATH_SIZE], address[ADDRESS_PATH_SIZE + 8];
	pid_t pid = 0;
	bool joins;
	int r;

	note_begin();
	r = input_read(&params, err);
	if (r == 0)
		r = group_find(".", cli->id, &id, &joins, err);
	if (r < 0)
		return r;
	address_of(cli->address, cli->name_space, id, path);
	r = joins ? join_daemon(cli, path, id, err) : start_daemon(cli, program, path, &pid, err);
	snprintf(address, sizeof(address), "unix://%s", path);
	if (r == 0)
		r = write_text("address", address, err);
	if (r == 0)
		r = print_answer(buf_slice(&params), address, err);
	if (r < 0 && pid > 0)
		abandon(pid, path);
	return r;
}
