/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's side of a launch: a state machine fed by the reports of the job and the process.
 *
 *	STARTING   the job runs, then the process sets itself up
 *	READY      an init has been reported by done and waits for the go
 *	RELEASED   the go is sent; end of file means that execve worked (the socket closes on it)
 *	ENDING     it has failed or was cancelled: job and process are killed, their ends awaited
 *	UNDOING    another job removes the cgroup
 *
 * The process does nothing before its hello is answered, and by then its pidfd is known here:
 * whatever happens to the launch, either it can be killed or it finds the socket closed.
 */
#include "agent/container/launch.h"

#include <assert.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "agent/container/report.h"
#include "agent/container/setup.h"
#include "base/log.h"
#include "linux/process.h"
#include "wire/status.h"

enum launch_state { STARTING, READY, RELEASED, ENDING, UNDOING };

struct watched {
	int pidfd; /* owned; -1: nothing to be waited for */
	struct source *source;
};

struct launch {
	struct loop *loop;
	enum launch_state state;
	bool is_init, is_unit;
	bool made_cgroup;	     /* and it is ours to remove */
	bool reported;		     /* done has been called: an init's cgroup is the caller's */
	bool lost;		     /* a READY process has ended */
	char *cgroup, *container_id; /* owned; cgroup may be NULL */
	int sock_fd;		     /* owned */
	struct source *sock_source, *timer;
	struct watched job, process, undo;
	int job_status; /* valid once the job has ended; -1: not known */
	launch_done_fn *done;
	launch_released_fn *released;
	launch_undone_fn *undone;
	void *done_data, *released_data, *undone_data; /* borrowed from the caller */
	struct launch_result result;		       /* its fds are owned until done has them */
	struct err failure;
};

static unsigned int n_launches;

unsigned int launch_count(void)
{
	return n_launches;
}

static void unwatch(struct watched *w)
{
	source_free(w->source);
	w->source = NULL;
	close_fd(w->pidfd);
	w->pidfd = -1;
}

static int watch(struct launch *l, struct watched *w, loop_io_fn *fn)
{
	return loop_add_io(l->loop, w->pidfd, EPOLLIN, fn, l, &w->source);
}

static void close_result(struct launch_result *result)
{
	for (int i = 0; i < LAUNCH_NS_COUNT; i++) {
		close_fd(result->ns_fds[i]);
		result->ns_fds[i] = -1;
	}
}

static void close_socket(struct launch *l)
{
	source_free(l->sock_source);
	l->sock_source = NULL;
	close_fd(l->sock_fd);
	l->sock_fd = -1;
}

static void free_launch(struct launch *l)
{
	close_socket(l);
	source_free(l->timer);
	unwatch(&l->job);
	unwatch(&l->process);
	unwatch(&l->undo);
	close_result(&l->result);
	free(l->cgroup);
	free(l->container_id);
	free(l);
	n_launches--;
}

/* The launch is over, well or, if failure is set, not. */
static void finish(struct launch *l)
{
	const struct err *err = err_is_set(&l->failure) ? &l->failure : NULL;

	if (l->released) {
		l->released(l->released_data, err);
	} else if (l->done) {
		struct launch_result result = l->result;

		if (!err)
			for (int i = 0; i < LAUNCH_NS_COUNT; i++)
				l->result.ns_fds[i] = -1;
		l->done(l->done_data, err ? NULL : &result, err);
	} else if (l->undone) {
		l->undone(l->undone_data);
	}
	free_launch(l);
}

static void on_undone(void *data, int fd, uint32_t events)
{
	(void)fd;
	(void)events;
	finish(data);
}

static void undo(struct launch *l)
{
	pid_t pid;

	l->state = UNDOING;
	if (!l->made_cgroup || l->reported) {
		finish(l);
		return;
	}
	source_set_deadline(l->timer, clock_now_ns() + 2 * LAUNCH_REMOVE_NS);
	pid = fork();
	if (pid == 0)
		launch_undo_run(l->cgroup, l->is_unit);
	l->undo.pidfd = pid < 0 ? -errno : process_open_pidfd(pid);
	if (l->undo.pidfd < 0 || watch(l, &l->undo, on_undone) < 0) {
		log_printf(LOG_WARN, "container", "%s: cgroup %s may be left behind",
			l->container_id, l->cgroup);
		finish(l);
	}
}

/* Neither said why. */
static void describe_end(struct launch *l, const char *who, int status)
{
	if (status < 0)
		err_set(&l->failure, ECHILD, "%s ended during set-up", who);
	else if (WIFSIGNALED(status))
		err_set(&l->failure, ECHILD, "%s ended during set-up (signal %d)", who,
			WTERMSIG(status));
	else
		err_set(&l->failure, ECHILD, "%s ended during set-up (status %d)", who,
			WEXITSTATUS(status));
}

static int peek(const struct watched *w)
{
	int status;

	return process_peek_pidfd(w->pidfd, &status) < 0 ? -1 : status;
}

static void continue_ending(struct launch *l)
{
	if (l->job.pidfd >= 0 || l->process.pidfd >= 0)
		return;
	if (!err_is_set(&l->failure))
		describe_end(l, "the set-up of the container process", l->job_status);
	undo(l);
}

static void on_process_end(void *data, int fd, uint32_t events)
{
	struct launch *l = data;

	(void)fd;
	(void)events;
	if (!err_is_set(&l->failure))
		describe_end(l, "container process", peek(&l->process));
	unwatch(&l->process);
	continue_ending(l);
}

static void kill_process(struct launch *l)
{
	(void)process_signal_pidfd(l->process.pidfd, SIGKILL);
	if (watch(l, &l->process, on_process_end) < 0)
		unwatch(&l->process);
}

/* What was said before the end and not yet heard. The job has ended: nothing can be made any more
 * that is not known here. A process whose hello comes too late for this finds the socket closed. */
static void hear_last_words(struct launch *l)
{
	struct report report;

	while (l->sock_fd >= 0 && report_receive(l->sock_fd, &report) == 1) {
		if (report.type == REPORT_CGROUP)
			l->made_cgroup = report.value == 1;
		if (report.type == REPORT_HELLO && l->process.pidfd < 0 && report.pid > 0) {
			l->process.pidfd = process_open_pidfd(report.pid);
			if (l->process.pidfd >= 0)
				kill_process(l);
		}
		report_fini(&report);
	}
	close_socket(l);
}

static void on_job_end(void *data, int fd, uint32_t events)
{
	struct launch *l = data;

	(void)fd;
	(void)events;
	l->job_status = peek(&l->job);
	unwatch(&l->job);
	if (l->state == ENDING) {
		hear_last_words(l);
		continue_ending(l);
	}
}

/* An init that has gone, or failed, after done was told of it: nobody asks before launch_release
 * does. */
static void lose(struct launch *l)
{
	(void)process_signal_pidfd(l->process.pidfd, SIGKILL);
	close_socket(l);
	l->lost = true;
}

/* Kills both; failure says why, or stays unset when they went without a word. */
static void end(struct launch *l)
{
	if (l->state == READY && l->done) {
		lose(l);
		return;
	}
	l->state = ENDING;
	source_free(l->sock_source);
	l->sock_source = NULL;
	source_set_deadline(l->timer, clock_now_ns() + LAUNCH_REMOVE_NS);
	if (l->process.pidfd >= 0)
		kill_process(l);
	if (l->job.pidfd >= 0)
		(void)process_signal_pidfd(l->job.pidfd, SIGKILL);
	else
		hear_last_words(l);
	continue_ending(l);
}

static void on_timer(void *data)
{
	struct launch *l = data;

	if (l->lost) {
		finish(l);
	} else if (l->state == ENDING || l->state == UNDOING) {
		/* Stuck in the kernel. They are killed, and will be gone when it lets them. */
		log_printf(LOG_WARN, "container", "%s: what a failed start left does not end",
			l->container_id);
		if (!err_is_set(&l->failure))
			describe_end(l, "container process", -1);
		finish(l);
	} else {
		err_status(&l->failure, ETIMEDOUT, WIRE_DEADLINE_EXCEEDED,
			"the container process was not set up in time");
		end(l);
	}
}

void launch_cancel(struct launch *l, launch_undone_fn *fn, void *data)
{
	if (!l) {
		if (fn)
			fn(data);
		return;
	}
	l->undone = fn;
	l->undone_data = data;
	l->done = NULL;
	l->released = NULL;
	l->reported = false;
	if (l->state == ENDING || l->state == UNDOING)
		return;
	if (!err_is_set(&l->failure))
		err_set(&l->failure, ECANCELED, "cancelled");
	end(l);
}

static int answer(struct launch *l, char byte)
{
	ssize_t n = send(l->sock_fd, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);

	return n == 1 ? 0 : -errno;
}

/* A process that has gone has not read the answer: its end of file follows. */
static bool has_gone(int r)
{
	return r == -EPIPE || r == -ECONNRESET;
}

static int on_hello(struct launch *l, const struct report *report)
{
	if (l->process.pidfd >= 0 || report->pid <= 0)
		return -EBADMSG;
	/* It waits for the answer, so it is this pid still. */
	l->process.pidfd = process_open_pidfd(report->pid);
	if (l->process.pidfd < 0)
		return l->process.pidfd;
	l->result.pid = report->pid;
	return answer(l, REPORT_ACK);
}

/* Which namespaces the fds are for is said by the bits of value, in order. */
static int take_namespaces(struct launch *l, struct report *report)
{
	size_t n = 0;

	for (int i = 0; i < LAUNCH_NS_COUNT; i++)
		n += report->value >> i & 1;
	if (n != report->n_fds || report->value >> LAUNCH_NS_COUNT)
		return -EBADMSG;
	n = 0;
	for (int i = 0; i < LAUNCH_NS_COUNT; i++)
		if (report->value >> i & 1)
			l->result.ns_fds[i] = report->fds[n++];
	report->n_fds = 0;
	return 0;
}

static int on_ready(struct launch *l, struct report *report)
{
	struct launch_result result;
	int r;

	if (l->state != STARTING || l->process.pidfd < 0)
		return -EBADMSG;
	r = take_namespaces(l, report);
	if (r < 0)
		return r;
	if (!l->is_init) {
		l->state = RELEASED;
		return answer(l, REPORT_GO);
	}
	l->state = READY;
	l->reported = true;
	source_set_deadline(l->timer, INT64_MAX);
	result = l->result;
	for (int i = 0; i < LAUNCH_NS_COUNT; i++)
		l->result.ns_fds[i] = -1;
	/* May release or cancel: the launch is not to be touched afterwards. */
	l->done(l->done_data, &result, NULL);
	return 0;
}

static int on_report(struct launch *l, struct report *report)
{
	switch (report->type) {
	case REPORT_HELLO:
		return on_hello(l, report);
	case REPORT_LOG:
		log_write((enum log_level)report->value, "container", report->text, "cid",
			l->container_id, NULL);
		return 0;
	case REPORT_CGROUP:
		l->made_cgroup = report->value == 1;
		return 0;
	case REPORT_FAILURE:
		err_status(&l->failure, report->value, (uint8_t)report->status, "%s", report->text);
		end(l);
		return 0;
	case REPORT_READY:
		return on_ready(l, report);
	}
	return -EBADMSG;
}

static void on_end_of_file(struct launch *l)
{
	if (l->state == RELEASED) {
		finish(l);
		return;
	}
	end(l);
}

static void on_socket(void *data, int fd, uint32_t events)
{
	struct launch *l = data;
	struct report report;
	int r = report_receive(fd, &report);

	(void)events;
	if (r == -EAGAIN)
		return;
	if (r == 0) {
		on_end_of_file(l);
		return;
	}
	if (r == 1) {
		r = on_report(l, &report);
		report_fini(&report);
		if (r == 0 || has_gone(r))
			return;
	}
	err_sys(&l->failure, -r, "talk to the container process");
	end(l);
}

void launch_release(struct launch *l, launch_released_fn *fn, void *data)
{
	int r;

	assert(l->state == READY && !l->released);
	l->released = fn;
	l->released_data = data;
	l->state = RELEASED;
	r = l->lost ? 0 : answer(l, REPORT_GO);
	if (r < 0 && !has_gone(r)) {
		err_sys(&l->failure, -r, "start the container process");
		lose(l);
	}
	if (l->lost && !err_is_set(&l->failure))
		err_set(&l->failure, ESRCH,
			"the container process has ended before it was started");
	if (l->lost)
		source_set_deadline(l->timer, 0);
}

static int check_request(const struct launch_request *request, struct err *err)
{
	if (!request->spec || !request->spec->linux)
		return err_status(
			err, EINVAL, WIRE_INVALID_ARGUMENT, "the spec has no linux section");
	if (request->is_init && !request->spec->root)
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT, "the spec has no root");
	return launch_check_process(request->process, err);
}

static int start(struct launch *l, const struct launch_request *request)
{
	auto_fd int process_fd = -1;
	pid_t pid;
	int r = report_open_pair(&l->sock_fd, &process_fd);

	if (r == 0)
		r = loop_add_io(l->loop, l->sock_fd, EPOLLIN, on_socket, l, &l->sock_source);
	if (r == 0)
		r = loop_add_timer(l->loop, request->deadline_ns, on_timer, l, &l->timer);
	if (r < 0)
		return r;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		launch_job_run(request, process_fd);
	l->job.pidfd = process_open_pidfd(pid);
	r = l->job.pidfd < 0 ? l->job.pidfd : watch(l, &l->job, on_job_end);
	if (r == 0)
		r = answer(l, REPORT_ACK);
	/* Not even begun: it waits for that byte. */
	if (r < 0)
		(void)kill(pid, SIGKILL);
	return r;
}

int launch_start(struct loop *loop, const struct launch_request *request, launch_done_fn *done,
	void *data, struct launch **ret, struct err *err)
{
	struct launch *l;
	int r = check_request(request, err);

	if (r < 0)
		return r;
	l = calloc(1, sizeof(*l));
	if (!l)
		return err_sys(err, ENOMEM, "start a container process");
	n_launches++;
	*l = (struct launch){.loop = loop,
		.is_init = request->is_init,
		.is_unit = request->is_unit,
		.sock_fd = -1,
		.job.pidfd = -1,
		.process.pidfd = -1,
		.undo.pidfd = -1,
		.job_status = -1,
		.done = done,
		.done_data = data,
		.container_id = strdup(request->container_id),
		.cgroup = request->cgroup ? strdup(request->cgroup) : NULL};
	for (int i = 0; i < LAUNCH_NS_COUNT; i++)
		l->result.ns_fds[i] = -1;
	r = !l->container_id || (request->cgroup && !l->cgroup) ? -ENOMEM : start(l, request);
	if (r < 0) {
		free_launch(l);
		return err_sys(err, -r, "start a container process");
	}
	*ret = l;
	return 0;
}
