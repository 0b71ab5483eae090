/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/cgroup_members.h"

#include <poll.h>
#include <signal.h>
#include <time.h>

#include "base/clock.h"
#include "base/io.h"
#include "linux/cgroup_dir.h"
#include "linux/cgroup_freezer.h"
#include "linux/process.h"

enum { SIGNAL_PASSES = 16 /* see kill_by_hand */ };

#define FREEZE_NS NS_PER_S

struct signalling {
	int signo;
	unsigned int n_sent;
};

static void signal_pid(pid_t pid, void *data)
{
	struct signalling *s = data;

	if (kill(pid, s->signo) == 0)
		s->n_sent++;
}

static int signal_members(int dir_fd, void *data)
{
	return cgroup_dir_each_pid(dir_fd, signal_pid, data);
}

/* Any hierarchy lists all; v2 and the freezer are the last that a process would be moved out of. */
static int main_fd(const struct cgroup *c)
{
	bool unified;
	int fd = cgroup_fd_of_unified(c);

	if (fd < 0)
		fd = cgroup_fd_of(c, CGROUP_FREEZER, &unified);
	for (size_t i = 0; fd < 0 && i < c->layout->n_hierarchies; i++)
		fd = c->fds[i];
	return fd;
}

int cgroup_signal(const struct cgroup *c, int signo)
{
	struct signalling s = {.signo = signo};
	bool was_frozen = false, froze = false;
	int r, thawed;

	/* Without a freezer as well as can be. */
	if (cgroup_is_frozen(c, &was_frozen) == 0 && !was_frozen)
		froze = cgroup_freeze(c, clock_now_ns() + FREEZE_NS) == 0;
	r = cgroup_dir_visit(main_fd(c), signal_members, &s);
	thawed = froze ? cgroup_thaw(c) : 0;
	return r < 0 ? r : thawed;
}

/* Somebody may fork past a pass: again until nobody is left to be killed. A killed process is listed
 * until it has gone, hence the bound. */
static int kill_by_hand(int dir_fd)
{
	struct signalling s = {.signo = SIGKILL};
	int r = 0;

	for (int i = 0; i < SIGNAL_PASSES && r == 0; i++) {
		s.n_sent = 0;
		r = cgroup_dir_visit(dir_fd, signal_members, &s);
		if (s.n_sent == 0)
			break;
	}
	return r;
}

int cgroup_kill(const struct cgroup *c)
{
	int unified_fd = cgroup_fd_of_unified(c), r = -ENOENT, thawed;

	if (unified_fd >= 0)
		r = io_write_file(unified_fd, "cgroup.kill", "1");
	/* v1, or a kernel before 5.14. */
	if (r == -ENOENT)
		r = kill_by_hand(main_fd(c));
	thawed = cgroup_thaw(c);
	if (thawed == -EOPNOTSUPP || thawed == -ENODEV)
		thawed = 0;
	return r < 0 ? r : thawed;
}

struct wait {
	int64_t deadline_ns;
	int r;
};

static void kill_and_wait(pid_t pid, void *data)
{
	struct wait *w = data;
	auto_fd int pidfd = process_open_pidfd(pid);
	short events = 0;

	if (pidfd < 0 || w->r < 0)
		return;
	(void)process_signal_pidfd(pidfd, SIGKILL);
	while (w->r == 0 && events == 0)
		w->r = cgroup_dir_poll(pidfd, POLLIN, w->deadline_ns, &events);
}

static int wait_members(int dir_fd, void *data)
{
	struct wait *w = data;
	int r = cgroup_dir_each_pid(dir_fd, kill_and_wait, data);

	return r < 0 ? r : w->r;
}

/* v1 has nothing that tells when a cgroup becomes empty (but a helper program of the whole
 * machine's): its processes are waited for one by one. */
static int wait_v1(int dir_fd, int64_t deadline_ns)
{
	struct wait w = {.deadline_ns = deadline_ns};
	bool populated = false;
	int r;

	for (;;) {
		r = cgroup_dir_visit(dir_fd, wait_members, &w);
		if (r == 0)
			r = cgroup_dir_is_populated(dir_fd, false, &populated);
		if (r < 0 || !populated)
			return r == -ENODEV ? 0 : r;
		if (clock_now_ns() >= deadline_ns)
			return -ETIMEDOUT;
		/* Somebody has just come, or cannot be seen from our pid namespace. */
		(void)nanosleep(&(struct timespec){.tv_nsec = NS_PER_MS}, NULL);
	}
}

int cgroup_kill_members(const struct cgroup *c, int64_t deadline_ns)
{
	int r = cgroup_kill(c), unified_fd = cgroup_fd_of_unified(c);

	if (r < 0 && r != -ENODEV)
		return r;
	/* First: it waits for all at once, and most processes are in there. */
	r = unified_fd < 0 ? 0 : cgroup_dir_wait_flag(unified_fd, "populated", false, deadline_ns);
	if (r == -ENODEV)
		r = 0;
	for (size_t i = 0; i < c->layout->n_hierarchies && r == 0; i++)
		if (c->fds[i] >= 0 && !c->layout->hierarchies[i].unified)
			r = wait_v1(c->fds[i], deadline_ns);
	return r;
}
