/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/undo.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/path.h"
#include "linux/mountfd.h"
#include "linux/mountinfo.h"
#include "linux/procstat.h"
#include "runtime/network/attach.h"

enum { MOUNTINFO_MAX_SIZE = 16 << 20 };

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && path[len] == '/';
}

static int wait_gone(int pidfd, int64_t deadline_ns)
{
	struct pollfd pfd = {.fd = pidfd, .events = POLLIN};

	for (;;) {
		int64_t left_ns = deadline_ns - clock_now_ns();
		int n = poll(&pfd, 1, left_ns > 0 ? (int)(left_ns / NS_PER_MS) + 1 : 0);

		if (n > 0)
			return 0;
		if (n == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

/* A logger ends when it has read all of its pipes, whose other ends have gone with the shim. */
static int end_process(
	const struct state_process *p, int pidfd, int64_t drain_ns, int64_t deadline_ns)
{
	if (strcmp(p->role, STATE_ROLE_LOGGER) == 0 && wait_gone(pidfd, drain_ns) == 0)
		return 0;
	if (pidfd_send_signal(pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return -errno;
	return wait_gone(pidfd, deadline_ns);
}

int undo_processes(const struct undo *undo, int64_t timeout_ns, struct err *err)
{
	int64_t now_ns = clock_now_ns(), deadline_ns = now_ns + timeout_ns;
	size_t n = undo->state ? undo->state->n_processes : 0;
	int result = 0;

	/* The shim is the first of them: once it is gone nothing new is started. */
	for (size_t i = 0; i < n; i++) {
		const struct state_process *p = &undo->state->processes[i];
		auto_fd int pidfd = -1;
		int r;

		if (p->pid == getpid())
			continue;
		pidfd = procstat_open(p->pid, p->start_time);
		if (pidfd < 0)
			continue;
		r = end_process(p, pidfd, now_ns + timeout_ns / 2, deadline_ns);
		if (r < 0 && result == 0)
			result = err_sys(err, -r, "end %s (pid %d)", p->role, (int)p->pid);
	}
	return result;
}

/* Detaches every mount stacked on path. */
static int unmount(const char *path, struct err *err)
{
	int r;

	do
		r = mountfd_detach(path);
	while (r == 0);
	if (r == -EINVAL || r == -ENOENT || r == -ENOTDIR)
		return 0;
	return err_sys(err, -r, "unmount %s", path);
}

/* Whatever is still mounted below dir, noted or not. Detaching takes what is mounted below along,
 * so the order does not matter. */
static int unmount_below(const char *dir, struct err *err)
{
	auto_buf struct buf b = BUF_INIT;
	int r = io_read_file(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX_SIZE, &b), result = 0;

	struct mountinfo info;
	char *text;

	if (r < 0)
		return err_sys(err, -r, "read /proc/self/mountinfo");
	text = (char *)b.data + b.start;
	while (mountinfo_next(&text, &info)) {
		if (!is_below(info.mount_point, dir))
			continue;
		r = unmount(info.mount_point, result == 0 ? err : NULL);
		result = result == 0 ? r : result;
	}
	return result;
}

int undo_network(const struct undo *undo, struct err *err)
{
	return undo->state ? network_detach(&undo->state->network, err) : 0;
}

int undo_mounts(const struct undo *undo, struct err *err)
{
	const char *share = undo->layout->share_dir;
	size_t n = undo->state ? undo->state->mounts.n : 0;
	int result = 0, r;

	while (n-- > 0) {
		const char *path = undo->state->mounts.items[n];

		if (!is_below(path, share))
			continue;
		r = unmount(path, result == 0 ? err : NULL);
		result = result == 0 ? r : result;
	}
	r = unmount_below(share, result == 0 ? err : NULL);
	result = result == 0 ? r : result;
	/* Does not cross mounts: what could not be unmounted is not emptied either. */
	r = path_remove_tree(AT_FDCWD, share);
	if (r < 0 && result == 0)
		result = err_sys(err, -r, "remove %s", share);
	return result;
}

int undo_container(const struct layout *layout, const char *cid, struct err *err)
{
	char dir[LAYOUT_CONTAINER_SIZE];
	int r = layout_container(layout, cid, dir), result;

	if (r < 0)
		return err_sys(err, -r, "remove container %s", cid);
	/* The read-only view follows, for it receives what happens here. */
	result = unmount_below(dir, err);
	r = path_remove_tree(AT_FDCWD, dir);
	if (r < 0 && result == 0)
		result = err_sys(err, -r, "remove %s", dir);
	return result;
}

int undo_files(const struct undo *undo, struct err *err)
{
	const char *run = undo->layout->run_dir;
	size_t n = undo->state ? undo->state->files.n : 0;
	int r;

	while (n-- > 0) {
		const char *path = undo->state->files.items[n];

		if (is_below(path, run))
			unlink(path);
	}
	r = path_remove_tree(AT_FDCWD, run);
	return r < 0 ? err_sys(err, -r, "remove %s", run) : 0;
}
