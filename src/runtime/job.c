/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/job.h"

#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"

struct job {
	const char *name; /* borrowed */
	pid_t pid;
	int report_fd; /* owned: carries the child's struct err if it failed */
	bool timed_out;
	job_done_fn *done;
	void *done_data;      /* borrowed from the owner */
	struct source *child; /* owned */
	struct source *timer; /* owned */
};

static void job_free(struct job *job)
{
	if (!job)
		return;
	source_free(job->child);
	source_free(job->timer);
	close_fd(job->report_fd);
	free(job);
}

static void own_job_free(struct job **job)
{
	job_free(*job);
}
#define auto_job __attribute__((cleanup(own_job_free)))

/* What the child said of its failure; if it could not even do that, what its end tells. */
static void read_report(const struct job *job, int status, struct err *err)
{
	struct err report = ERR_INIT;
	ssize_t n;

	if (job->timed_out) {
		err_set(err, ETIMEDOUT, "%s: timed out", job->name);
		return;
	}
	n = read(job->report_fd, &report, sizeof(report));
	report.msg[sizeof(report.msg) - 1] = '\0';
	if (n == (ssize_t)sizeof(report) && report.code != 0)
		err_copy(err, &report);
	else if (WIFSIGNALED(status))
		err_set(err, EIO, "%s: killed by signal %d", job->name, WTERMSIG(status));
	else
		err_set(err, EIO, "%s: failed without saying why", job->name);
}

static void on_child(void *data, pid_t pid, int status)
{
	auto_job struct job *job = data;
	struct err err = ERR_INIT;

	(void)pid;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		job->done(job->done_data, NULL);
		return;
	}
	read_report(job, status, &err);
	job->done(job->done_data, &err);
}

static void on_timeout(void *data)
{
	struct job *job = data;

	/* Not reaped yet, so the pid is still this child's. */
	job->timed_out = true;
	kill(job->pid, SIGKILL);
}

static _Noreturn void run_child(int report_fd, job_fn *fn, void *data)
{
	struct err err = ERR_INIT;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	loop_restore_signals();
	if (fn(data, &err) == 0)
		_exit(0);
	if (!err_is_set(&err))
		err_set(&err, EIO, "failed without saying why");
	/* One write, smaller than PIPE_BUF: it cannot be partial. */
	_exit(write(report_fd, &err, sizeof(err)) == (ssize_t)sizeof(err) ? 1 : 2);
}

int job_start(struct loop *loop, const char *name, int64_t timeout_ns, job_fn *fn, void *fn_data,
	job_done_fn *done, void *done_data, struct err *err)
{
	auto_job struct job *job = calloc(1, sizeof(*job));
	auto_fd int write_fd = -1;
	int fds[2], r;

	if (!job)
		return err_sys(err, ENOMEM, "%s", name);
	*job = (struct job){.name = name, .report_fd = -1, .done = done, .done_data = done_data};
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(err, errno, "%s: pipe", name);
	job->report_fd = fds[0];
	write_fd = fds[1];
	r = loop_add_timer(loop, clock_now_ns() + timeout_ns, on_timeout, job, &job->timer);
	if (r < 0)
		return err_sys(err, -r, "%s", name);
	job->pid = fork();
	if (job->pid < 0)
		return err_sys(err, errno, "%s: fork", name);
	if (job->pid == 0)
		run_child(write_fd, fn, fn_data);
	r = loop_add_child(loop, job->pid, on_child, job, &job->child);
	if (r < 0) {
		/* Without a source nobody would hear of its end: end it here. */
		kill(job->pid, SIGKILL);
		waitpid(job->pid, NULL, 0);
		return err_sys(err, -r, "%s", name);
	}
	take_ptr(&job);
	return 0;
}
