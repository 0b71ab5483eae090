/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: every source is one fd in one epoll set, except timers, which share the
 * loop's epoll timeout: the armed ones are kept in a list and the nearest is searched for (a pod
 * has tens of them, and a heap would be more code than it saves). A freed source leaves the epoll
 * set at once; its memory goes when the current round of events is over, so that an event already
 * fetched for it is recognised as stale.
 */
#include "loop/loop.h"

#include <assert.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/list.h"

enum { EVENTS_PER_ROUND = 32 };
/* As if it had left with 255. */
enum { LOST_STATUS = 255 << 8 };
enum source_kind { SOURCE_IO, SOURCE_TIMER, SOURCE_SIGNAL, SOURCE_CHILD };

struct source {
	struct list link;  /* in loop->sources, or loop->dead once freed */
	struct loop *loop; /* borrowed */
	enum source_kind kind;
	bool dead;
	int fd;		     /* owned for signals and children, borrowed for io, -1 for timers */
	uint32_t events;     /* io: what is being waited for */
	bool polled;	     /* in the epoll set */
	int64_t deadline_ns; /* timers; INT64_MAX: not armed */
	uint64_t armed_in;   /* timers: the loop's round in which it was armed */
	pid_t pid;	     /* children */
	void *data;	     /* borrowed from the caller */
	union {
		loop_io_fn *io;
		loop_timer_fn *timer;
		loop_signal_fn *signal;
		loop_child_fn *child;
	} fn;
};

struct loop {
	int epoll_fd;
	struct list sources, timers, dead;
	uint64_t round; /* counts calls of fire_timers */
	bool dispatching, stopped;
	int code;
};

int loop_new(struct loop **ret)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return -ENOMEM;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		int r = -errno;

		free(loop);
		return r;
	}
	list_init(&loop->sources);
	list_init(&loop->timers);
	list_init(&loop->dead);
	*ret = loop;
	return 0;
}

static void bury(struct loop *loop)
{
	LIST_FOREACH_SAFE (s, &loop->dead, struct source, link) {
		list_remove(&s->link);
		free(s);
	}
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	assert(list_is_empty(&loop->sources) && list_is_empty(&loop->timers));
	bury(loop);
	close_fd(loop->epoll_fd);
	free(loop);
}

void loop_stop(struct loop *loop, int code)
{
	loop->stopped = true;
	loop->code = code;
}

static void poll_stop(struct source *s)
{
	if (s->polled)
		(void)epoll_ctl(s->loop->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
	s->polled = false;
}

static void dispatch_signal(struct source *s)
{
	struct signalfd_siginfo info;

	if (read(s->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		s->fn.signal(s->data, (int)info.ssi_signo);
}

static void dispatch_child(struct source *s)
{
	int status = LOST_STATUS;
	pid_t pid = waitpid(s->pid, &status, WNOHANG);

	if (pid == 0 || (pid < 0 && errno == EINTR))
		return;
	/* Fires once, also for a child that somebody else has reaped (ECHILD): its pidfd would stay
	 * readable for ever. */
	poll_stop(s);
	s->fn.child(s->data, s->pid, status);
}

static void dispatch(struct source *s, uint32_t events)
{
	switch (s->kind) {
	case SOURCE_IO:
		s->fn.io(s->data, s->fd, events);
		break;
	case SOURCE_SIGNAL:
		dispatch_signal(s);
		break;
	case SOURCE_CHILD:
		dispatch_child(s);
		break;
	case SOURCE_TIMER:
		break;
	}
}

static void fire_timers(struct loop *loop)
{
	int64_t now = clock_now_ns();

	/* A callback may free or arm any timer, so the search starts over after each. One that is
	 * armed meanwhile waits for the next round, even if it is due: else a timer that arms
	 * itself for the past would starve everything else. */
	loop->round++;
	for (;;) {
		struct source *due = NULL;

		LIST_FOREACH (s, &loop->timers, struct source, link)
			if (s->deadline_ns <= now && s->armed_in != loop->round &&
				(!due || s->deadline_ns < due->deadline_ns))
				due = s;
		if (!due)
			return;
		due->deadline_ns = INT64_MAX;
		due->fn.timer(due->data);
	}
}

static int timeout_ms(const struct loop *loop, int64_t limit_ns)
{
	int64_t nearest = INT64_MAX, wait_ns;

	LIST_FOREACH (s, &loop->timers, struct source, link)
		if (s->deadline_ns < nearest)
			nearest = s->deadline_ns;
	if (nearest == INT64_MAX && limit_ns < 0)
		return -1;
	wait_ns = nearest == INT64_MAX ? limit_ns : nearest - clock_now_ns();
	if (limit_ns >= 0 && limit_ns < wait_ns)
		wait_ns = limit_ns;
	if (wait_ns <= 0)
		return 0;
	wait_ns = (wait_ns + NS_PER_MS - 1) / NS_PER_MS;
	return wait_ns > INT32_MAX ? INT32_MAX : (int)wait_ns;
}

int loop_run_once(struct loop *loop, int64_t timeout_ns)
{
	struct epoll_event events[EVENTS_PER_ROUND];
	int n = epoll_wait(loop->epoll_fd, events, EVENTS_PER_ROUND, timeout_ms(loop, timeout_ns));

	if (n < 0 && errno != EINTR)
		return -errno;
	assert(!loop->dispatching);
	loop->dispatching = true;
	for (int i = 0; i < n; i++) {
		struct source *s = events[i].data.ptr;

		if (!s->dead)
			dispatch(s, events[i].events);
	}
	fire_timers(loop);
	loop->dispatching = false;
	bury(loop);
	return 0;
}

int loop_run(struct loop *loop)
{
	while (!loop->stopped) {
		int r = loop_run_once(loop, -1);

		if (r < 0)
			return r;
	}
	loop->stopped = false;
	return loop->code;
}

static struct source *source_new(struct loop *loop, enum source_kind kind, int fd, void *data)
{
	struct source *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	*s = (struct source){
		.loop = loop, .kind = kind, .fd = fd, .data = data, .deadline_ns = INT64_MAX};
	list_init(&s->link);
	return s;
}

static int poll_start(struct source *s, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = s};

	if (epoll_ctl(s->loop->epoll_fd, s->polled ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, s->fd, &ev) < 0)
		return -errno;
	s->polled = true;
	return 0;
}

int source_set_events(struct source *s, uint32_t events)
{
	int r = 0;

	assert(s->kind == SOURCE_IO);
	if (events == s->events)
		return 0;
	if (events == 0)
		poll_stop(s);
	else
		r = poll_start(s, events);
	if (r == 0)
		s->events = events;
	return r;
}

int loop_add_io(
	struct loop *loop, int fd, uint32_t events, loop_io_fn *fn, void *data, struct source **ret)
{
	struct source *s = source_new(loop, SOURCE_IO, fd, data);
	int r;

	if (!s)
		return -ENOMEM;
	s->fn.io = fn;
	r = source_set_events(s, events);
	if (r < 0) {
		free(s);
		return r;
	}
	list_add(&loop->sources, &s->link);
	*ret = s;
	return 0;
}

int loop_add_timer(
	struct loop *loop, int64_t deadline_ns, loop_timer_fn *fn, void *data, struct source **ret)
{
	struct source *s = source_new(loop, SOURCE_TIMER, -1, data);

	if (!s)
		return -ENOMEM;
	s->fn.timer = fn;
	source_set_deadline(s, deadline_ns);
	list_add(&loop->timers, &s->link);
	*ret = s;
	return 0;
}

void source_set_deadline(struct source *s, int64_t deadline_ns)
{
	assert(s->kind == SOURCE_TIMER);
	s->deadline_ns = deadline_ns;
	s->armed_in = s->loop->round;
}

/* Adds a source that owns its fd; frees both on failure. */
static int add_owned(struct loop *loop, struct source *s, struct source **ret)
{
	int r = poll_start(s, EPOLLIN);

	if (r < 0) {
		close_fd(s->fd);
		free(s);
		return r;
	}
	list_add(&loop->sources, &s->link);
	*ret = s;
	return 0;
}

int loop_add_signal(
	struct loop *loop, int signo, loop_signal_fn *fn, void *data, struct source **ret)
{
	struct source *s;
	sigset_t set;
	int fd;

	sigemptyset(&set);
	if (sigaddset(&set, signo) < 0)
		return -errno;
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	s = source_new(loop, SOURCE_SIGNAL, fd, data);
	if (!s) {
		close_fd(fd);
		return -ENOMEM;
	}
	s->fn.signal = fn;
	return add_owned(loop, s, ret);
}

int loop_add_child(struct loop *loop, pid_t pid, loop_child_fn *fn, void *data, struct source **ret)
{
	/* Linux 5.3; glibc 2.36 has a wrapper, musl 1.2.3 has not. pidfds are close-on-exec. */
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct source *s;

	if (fd < 0)
		return -errno;
	s = source_new(loop, SOURCE_CHILD, fd, data);
	if (!s) {
		close_fd(fd);
		return -ENOMEM;
	}
	s->pid = pid;
	s->fn.child = fn;
	return add_owned(loop, s, ret);
}

void source_free(struct source *s)
{
	if (!s)
		return;
	assert(!s->dead);
	poll_stop(s);
	if (s->kind == SOURCE_SIGNAL || s->kind == SOURCE_CHILD)
		close_fd(s->fd);
	s->dead = true;
	s->deadline_ns = INT64_MAX;
	list_remove(&s->link);
	list_add(&s->loop->dead, &s->link);
}

void loop_restore_signals(void)
{
	sigset_t none;

	for (int signo = 1; signo < _NSIG; signo++)
		if (signo != SIGKILL && signo != SIGSTOP)
			(void)sigaction(signo, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}
