/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/job.h"

#include <linux/close_range.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/log.h"
#include "loop/loop.h"

enum { WARNINGS_SIZE = 4096 };

/* In memory that parent and child share, because it must outlive a killed child. */
struct job_report {
	struct err err;
	uint32_t n_steps;
	bool finished;
	char warnings[WARNINGS_SIZE]; /* lines */
};

struct job {
	struct job_config config; /* name and data borrowed from the starter */
	struct job_report *report;
	pid_t pid;
	bool killed;
};

void job_report_step(struct job_report *report)
{
	report->n_steps++;
}

void job_report_step_back(struct job_report *report)
{
	report->n_steps--;
}

void job_report_warning(struct job_report *report, const char *text)
{
	size_t len = strnlen(report->warnings, WARNINGS_SIZE - 1);

	snprintf(report->warnings + len, WARNINGS_SIZE - len, "%s\n", text);
}

static unsigned int n_jobs;

unsigned int job_count(void)
{
	return n_jobs;
}

static void job_free(struct job *job)
{
	n_jobs--;
	if (job->report)
		(void)munmap(job->report, sizeof(*job->report));
	free(job);
}

static void describe_death(const struct job *job, int status, struct err *err)
{
	if (job->killed)
		err_set(err, ECANCELED, "%s: cancelled", job->config.name);
	else if (WIFSIGNALED(status))
		err_set(err, EIO, "%s: its process was killed by signal %d", job->config.name,
			WTERMSIG(status));
	else
		err_set(err, EIO, "%s: its process ended without a result", job->config.name);
}

static void log_warnings(struct job_report *report)
{
	char *line = report->warnings;

	report->warnings[WARNINGS_SIZE - 1] = '\0';
	for (size_t len; *line; line += len) {
		len = strcspn(line, "\n");
		if (line[len])
			line[len++] = '\0';
		log_write(LOG_WARN, "job", line, NULL);
	}
}

static void on_exit_of(void *data, pid_t pid, int status)
{
	struct job *job = data;
	struct err err = ERR_INIT;

	(void)pid;
	log_warnings(job->report);
	if (!job->report->finished)
		describe_death(job, status, &err);
	else if (job->report->err.code)
		err_copy(&err, &job->report->err);
	job->config.done(job->config.data, err.code ? &err : NULL, job->report->n_steps);
	job_free(job);
}

static _Noreturn void child(struct job *job, pid_t parent)
{
	struct err err = ERR_INIT;
	int r;

	log_set_fd(-1);
	loop_restore_signals();
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	/* Most of all: no pipe end or connection of somebody else, which would stay open with us.
	 */
	if (syscall(SYS_close_range, 3, ~0U, 0) < 0)
		_exit(1);
	r = job->config.run(job->config.data, job->report, &err);
	if (r < 0 && !err.code)
		err_sys(&err, -r, "%s", job->config.name);
	job->report->err = err;
	job->report->finished = true;
	_exit(0);
}

static int start(struct reaper *reaper, struct job *job, struct err *err)
{
	struct reaper_child *registered;
	pid_t parent = getpid();
	int r;

	job->report = mmap(NULL, sizeof(*job->report), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (job->report == MAP_FAILED) {
		job->report = NULL;
		return err_sys(err, errno, "%s: shared memory", job->config.name);
	}
	r = reaper_prepare(reaper, on_exit_of, job, &registered);
	if (r < 0)
		return err_sys(err, -r, "%s", job->config.name);
	job->pid = fork();
	if (job->pid == 0)
		child(job, parent);
	if (job->pid < 0) {
		r = err_sys(err, errno, "%s: fork", job->config.name);
		reaper_remove(registered);
		return r;
	}
	reaper_watch(registered, job->pid);
	return 0;
}

int job_start(
	struct reaper *reaper, const struct job_config *config, struct job **ret, struct err *err)
{
	struct job *job = calloc(1, sizeof(*job));
	int r;

	if (!job)
		return err_sys(err, ENOMEM, "%s", config->name);
	n_jobs++;
	job->config = *config;
	r = start(reaper, job, err);
	if (r < 0) {
		job_free(job);
		return r;
	}
	*ret = job;
	return 0;
}

void job_kill(struct job *job)
{
	job->killed = true;
	(void)kill(job->pid, SIGKILL);
}
