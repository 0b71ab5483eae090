/* SPDX-License-Identifier: Apache-2.0 */
#include "dry_agent.h"

#include <assert.h>
#include <fcntl.h>
#include <signal.h>

#include "agent/container/launch.h"
#include "agent/job.h"
#include "agent/logport.h"
#include "base/io.h"
#include "base/list.h"

/* PID_MAX_LIMIT is less. */
enum { FIRST_PID = 1 << 24 };

struct reaper {
	unsigned int n_holds;
};

struct reaper_child {
	struct list link;
	pid_t pid; /* 0: not known yet */
	bool killed;
	int stdio[3]; /* owned: what the process has open */
	reaper_fn *fn;
	void *data;
};

struct job {
	struct list link;
	struct job_config config;
	bool killed;
};

enum launch_step { PREPARING, WAITING, RELEASED, UNDOING };

struct launch {
	struct list link;
	enum launch_step step;
	bool is_init;
	pid_t pid;    /* 0: not made yet */
	int stdio[3]; /* owned until it is made */
	launch_done_fn *done;
	launch_released_fn *released;
	launch_undone_fn *undone;
	void *data;
};

static struct list children = LIST_INIT(children), jobs = LIST_INIT(jobs),
		   launches = LIST_INIT(launches);
static unsigned int n_jobs, n_launches, n_holds;
static pid_t last_pid = FIRST_PID;

static void take_stdio(int to[3], int from[3])
{
	for (int i = 0; i < 3; i++)
		to[i] = take_fd(&from[i]);
}

static void close_stdio(int stdio[3])
{
	for (int i = 0; i < 3; i++)
		close_fd(take_fd(&stdio[i]));
}

/* NULL: the list is empty. */
static struct list *nth(const struct list *list, size_t n)
{
	struct list *at = list->next;
	size_t len = 0;

	for (const struct list *l = list->next; l != list; l = l->next)
		len++;
	if (len == 0)
		return NULL;
	for (n %= len; n > 0; n--)
		at = at->next;
	return at;
}

bool dry_is_idle(void)
{
	return list_is_empty(&jobs) && list_is_empty(&launches) && list_is_empty(&children) &&
	       n_holds == 0;
}

/* job.h */

void job_report_step(struct job_report *report)
{
	(void)report;
	abort();
}

void job_report_step_back(struct job_report *report)
{
	(void)report;
	abort();
}

void job_report_warning(struct job_report *report, const char *text)
{
	(void)report, (void)text;
	abort();
}

int job_start(
	struct reaper *reaper, const struct job_config *config, struct job **ret, struct err *err)
{
	struct job *job = calloc(1, sizeof(*job));

	(void)reaper, (void)err;
	if (!job)
		abort();
	assert(config->name && config->run && config->done);
	job->config = *config;
	list_add(&jobs, &job->link);
	n_jobs++;
	*ret = job;
	return 0;
}

unsigned int job_count(void)
{
	return n_jobs;
}

void job_kill(struct job *job)
{
	job->killed = true;
}

bool dry_end_job(size_t n, bool success)
{
	struct list *link = nth(&jobs, n);
	struct job *job = link ? container_of(link, struct job, link) : NULL;
	struct err err = ERR_INIT;

	if (!job)
		return false;
	list_remove(&job->link);
	if (job->killed)
		err_set(&err, ECANCELED, "%s: cancelled", job->config.name);
	else if (!success)
		err_set(&err, EIO, "%s: a dry run", job->config.name);
	job->config.done(job->config.data, err_is_set(&err) ? &err : NULL, 0);
	free(job);
	n_jobs--;
	return true;
}

/* reaper.h */

int reaper_new(struct loop *loop, struct reaper **ret)
{
	(void)loop;
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void reaper_free(struct reaper *reaper)
{
	free(reaper);
}

int reaper_prepare(struct reaper *reaper, reaper_fn *fn, void *data, struct reaper_child **ret)
{
	struct reaper_child *child = calloc(1, sizeof(*child));

	(void)reaper;
	if (!child)
		return -ENOMEM;
	*child = (struct reaper_child){.stdio = {-1, -1, -1}, .fn = fn, .data = data};
	list_add(&children, &child->link);
	*ret = child;
	return 0;
}

void reaper_watch(struct reaper_child *child, pid_t pid)
{
	assert(child->pid == 0 && pid > FIRST_PID && n_holds > 0);
	child->pid = pid;
}

void reaper_remove(struct reaper_child *child)
{
	if (!child)
		return;
	list_remove(&child->link);
	close_stdio(child->stdio);
	free(child);
}

void reaper_hold(struct reaper *reaper)
{
	reaper->n_holds++;
	n_holds++;
}

void reaper_drop(struct reaper *reaper)
{
	assert(reaper->n_holds > 0);
	reaper->n_holds--;
	n_holds--;
}

static void end_child(struct reaper_child *child, int status)
{
	struct reaper_child ended = *child;

	list_remove(&child->link);
	close_stdio(child->stdio);
	free(child);
	ended.fn(ended.data, ended.pid, ended.killed ? SIGKILL : status);
}

bool dry_end_process(size_t n, int status)
{
	struct list *link = nth(&children, n);
	struct reaper_child *child = link ? container_of(link, struct reaper_child, link) : NULL;

	if (!child || child->pid == 0)
		return false;
	end_child(child, status);
	return true;
}

/* The agent signals its own processes and nobody else's. Prototype: <signal.h>. */
int kill(pid_t pid, int signo)
{
	assert(signo >= 0 && signo <= 64);
	LIST_FOREACH (child, &children, struct reaper_child, link)
		if (child->pid == pid && pid > 0) {
			child->killed |= signo == SIGKILL;
			return 0;
		}
	abort();
}

/* launch.h */

unsigned int launch_count(void)
{
	return n_launches;
}

int launch_start(struct loop *loop, const struct launch_request *request, launch_done_fn *done,
	void *data, struct launch **ret, struct err *err)
{
	struct launch *launch;
	int r = launch_check_process(request->process, err);

	(void)loop;
	if (r < 0)
		return r;
	assert(request->container_id && request->spec && request->cgroup);
	assert(!request->is_init || (request->rootfs && request->rootfs[0] == '/'));
	launch = calloc(1, sizeof(*launch));
	if (!launch)
		abort();
	*launch = (struct launch){.is_init = request->is_init, .done = done, .data = data};
	for (size_t i = 0; i < ARRAY_SIZE(request->stdio); i++) {
		assert(fcntl(request->stdio[i], F_GETFD) == FD_CLOEXEC);
		launch->stdio[i] = io_dup(request->stdio[i]);
	}
	list_add(&launches, &launch->link);
	n_launches++;
	*ret = launch;
	return 0;
}

void launch_release(struct launch *launch, launch_released_fn *fn, void *data)
{
	assert(launch->step == WAITING);
	launch->step = RELEASED;
	launch->released = fn;
	launch->data = data;
}

void launch_cancel(struct launch *launch, launch_undone_fn *fn, void *data)
{
	if (!launch && fn)
		fn(data);
	if (!launch)
		return;
	assert(launch->step != UNDOING);
	launch->step = UNDOING;
	launch->undone = fn;
	launch->data = data;
}

static void launch_free(struct launch *launch)
{
	list_remove(&launch->link);
	close_stdio(launch->stdio);
	free(launch);
	n_launches--;
}

static struct reaper_child *find_child(pid_t pid)
{
	LIST_FOREACH (child, &children, struct reaper_child, link)
		if (child->pid == pid)
			return child;
	abort();
}

static void launch_succeed(struct launch *launch)
{
	struct launch_result result = {.pid = ++last_pid};

	for (size_t i = 0; i < ARRAY_SIZE(result.ns_fds); i++)
		result.ns_fds[i] = -1;
	if (launch->is_init) {
		result.ns_fds[LAUNCH_NS_PID] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		result.ns_fds[LAUNCH_NS_MNT] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	}
	launch->step = WAITING;
	launch->pid = result.pid;
	launch->done(launch->data, &result, NULL);
	take_stdio(find_child(result.pid)->stdio, launch->stdio);
	if (!launch->is_init)
		launch_free(launch);
}

/* What was made dies with it; nobody may be left who waits for that. */
static void kill_init(pid_t pid)
{
	LIST_FOREACH (child, &children, struct reaper_child, link)
		if (pid && child->pid == pid)
			child->killed = true;
}

static void launch_end(struct launch *launch, const struct err *err)
{
	switch (launch->step) {
	case PREPARING:
		launch->done(launch->data, NULL, err);
		break;
	case RELEASED:
		launch->released(launch->data, err);
		break;
	case UNDOING:
		kill_init(launch->pid);
		if (launch->undone)
			launch->undone(launch->data);
		break;
	case WAITING:
		abort();
	}
	launch_free(launch);
}

bool dry_end_launch(size_t n, bool success)
{
	struct err err = ERR_INIT;

	/* One that waits for its release does not end by itself. */
	LIST_FOREACH (launch, &launches, struct launch, link) {
		if (launch->step == WAITING || n-- > 0)
			continue;
		err_set(&err, EIO, "exec: a dry run");
		if (success && launch->step == PREPARING)
			launch_succeed(launch);
		else
			launch_end(launch, success ? NULL : &err);
		return true;
	}
	return false;
}

static int no_cgroup(const char *cgroup, struct err *err)
{
	assert(cgroup && cgroup[0] == '/');
	return err_sys(err, ENOENT, "cgroup %s", cgroup);
}

const struct cgroup_layout *launch_get_cgroup_layout(struct err *err)
{
	err_sys(err, ENOENT, "cgroups");
	return NULL;
}

int launch_open_cgroup(const char *cgroup, struct cgroup *ret, struct err *err)
{
	(void)ret;
	return no_cgroup(cgroup, err);
}

int launch_remove_cgroup(const char *cgroup, struct err *err)
{
	return no_cgroup(cgroup, err);
}

int launch_kill_cgroup(const char *cgroup, struct err *err)
{
	return no_cgroup(cgroup, err);
}

int launch_freeze_cgroup(const char *cgroup, bool freeze, struct err *err)
{
	(void)freeze;
	return no_cgroup(cgroup, err);
}

int launch_remove_unit(const char *cgroup, struct err *err)
{
	return no_cgroup(cgroup, err);
}

int launch_update_cgroup(
	const char *cgroup, bool is_unit, const Grpc__LinuxResources *resources, struct err *err)
{
	(void)is_unit, (void)resources;
	return no_cgroup(cgroup, err);
}

/* ---- agent/logport.h: of the world's records the program disposes itself ---- */

int logport_open(struct loop *loop, const char *address, struct logport **ret, struct err *err)
{
	(void)loop, (void)address, (void)err;
	*ret = NULL;
	return 0;
}

void logport_close(struct logport *port)
{
	(void)port;
}
