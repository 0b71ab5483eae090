/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: each watch is POLLED at first. The round that copies it says whether its
 * source has inotify; then its directories are put into the one inotify set, and, as something may
 * have changed in between, it takes part in one more round. What inotify tells is not looked into:
 * any event makes all NOTIFIED watches due.
 */
#include "agent/watch.h"

#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>

#include "agent/agent.h"
#include "agent/job.h"
#include "agent/storage/watchable.h"
#include "base/log.h"
#include "loop/loop.h"

enum watch_state {
	POLLED,
	NOTIFIED,
	SETTLED, /* a bind mount by now */
};

struct watch {
	struct list link;
	struct watches *all;
	char *source, *target; /* owned */
	enum watch_state state;
	bool is_due;
	bool has_failed; /* and that has been logged */
	size_t result;	 /* its place among those of the round, NONE outside of it */
	int wds[MIRROR_MAX_DIRS];
	size_t n_wds;
};

#define NONE SIZE_MAX

struct watch_result {
	enum watchable_result result;
	struct mirror_dirs dirs;
	struct err err;
};

static const uint32_t EVENTS = IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE | IN_MOVE_SELF |
			       IN_CLOSE_WRITE | IN_ATTRIB | IN_ONLYDIR | IN_DONT_FOLLOW;

/* In a job. */
static int run_round(void *data, struct job_report *report, struct err *err)
{
	struct watches *w = data;

	(void)report, (void)err;
	LIST_FOREACH (watch, &w->list, struct watch, link) {
		struct watch_result *result;

		if (watch->result == NONE)
			continue;
		result = &w->results[watch->result];
		if (watchable_update(watch->source, watch->target, &result->result, &result->dirs,
			    &result->err) < 0)
			result->result = WATCHABLE_NONE;
	}
	return 0;
}

static void arm(struct watches *w)
{
	int64_t wait_ns = INT64_MAX, deadline_ns;

	LIST_FOREACH (watch, &w->list, struct watch, link) {
		if (watch->is_due)
			wait_ns = WATCH_SETTLE_NS;
		else if (watch->state == POLLED && wait_ns > WATCH_PERIOD_NS)
			wait_ns = WATCH_PERIOD_NS;
	}
	if (w->job || wait_ns == INT64_MAX)
		return;
	/* What is added now does not put off what was to be done sooner. */
	deadline_ns = clock_now_ns() + wait_ns;
	if (deadline_ns >= w->deadline_ns)
		return;
	w->deadline_ns = deadline_ns;
	source_set_deadline(w->timer, deadline_ns);
}

/* Another watch may have the same directory. */
static void forget_wd(const struct watch *watch, int wd)
{
	LIST_FOREACH (other, &watch->all->list, struct watch, link) {
		for (size_t i = 0; i < other->n_wds; i++)
			if (other->wds[i] == wd)
				return;
	}
	/* EINVAL: the directory is gone. */
	(void)inotify_rm_watch(watch->all->inotify_fd, wd);
}

static bool has_wd(const int *wds, size_t n, int wd)
{
	for (size_t i = 0; i < n; i++)
		if (wds[i] == wd)
			return true;
	return false;
}

static void replace_wds(struct watch *watch, const int *wds, size_t n)
{
	int old[MIRROR_MAX_DIRS];
	size_t n_old = watch->n_wds;

	memcpy(old, watch->wds, sizeof(old));
	if (n > 0)
		memcpy(watch->wds, wds, n * sizeof(*wds));
	watch->n_wds = n;
	for (size_t i = 0; i < n_old; i++)
		if (!has_wd(wds, n, old[i]))
			forget_wd(watch, old[i]);
}

/* Watches each of the directories; ret_new: one was not watched before. */
static bool follow(struct watch *watch, const struct mirror_dirs *dirs, bool *ret_new)
{
	const char *name = dirs->names;
	int wds[MIRROR_MAX_DIRS];
	size_t n = 0;

	*ret_new = false;
	for (; n < dirs->n && n < MIRROR_MAX_DIRS; n++, name += strlen(name) + 1) {
		auto_free char *path = NULL;

		if (asprintf(&path, "%s/%s", watch->source, name) < 0) {
			path = NULL;
			break;
		}
		wds[n] = inotify_add_watch(watch->all->inotify_fd, path, EVENTS);
		if (wds[n] < 0)
			break;
		*ret_new |= !has_wd(watch->wds, watch->n_wds, wds[n]);
	}
	replace_wds(watch, wds, n);
	return n == dirs->n;
}

static void note_error(struct watch *watch, const struct err *err)
{
	if (err_is_set(err) && !watch->has_failed)
		log_write(LOG_WARN, "watch", "cannot update a watchable mount", "path",
			watch->target, "error", err->msg, NULL);
	watch->has_failed = err_is_set(err);
}

static void take_result(struct watch *watch, const struct watch_result *result)
{
	bool is_new = false;

	note_error(watch, &result->err);
	switch (result->result) {
	case WATCHABLE_NONE:
	case WATCHABLE_COPIED:
		watch->state = POLLED;
		break;
	case WATCHABLE_BOUND:
		watch->state = SETTLED;
		break;
	case WATCHABLE_NOTIFIES:
		watch->state = follow(watch, &result->dirs, &is_new) ? NOTIFIED : POLLED;
		break;
	}
	if (watch->state != NOTIFIED)
		replace_wds(watch, NULL, 0);
	watch->is_due |= watch->state == NOTIFIED && is_new;
}

static void on_round_done(void *data, const struct err *err, uint32_t n_steps)
{
	struct watches *w = data;

	(void)n_steps;
	w->job = NULL;
	LIST_FOREACH (watch, &w->list, struct watch, link) {
		/* A round that was killed is done again. */
		if (watch->result != NONE && err)
			watch->is_due = true;
		else if (watch->result != NONE)
			take_result(watch, &w->results[watch->result]);
		watch->result = NONE;
	}
	(void)munmap(w->results, w->n_results * sizeof(*w->results));
	arm(w);
}

static int start_round(struct watches *w, struct err *err)
{
	struct job_config job = {.name = "update watchable mounts",
		.run = run_round,
		.done = on_round_done,
		.data = w};
	int r;

	w->results = mmap(NULL, w->n_results * sizeof(*w->results), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (w->results == MAP_FAILED)
		return err_sys(err, errno, "update watchable mounts");
	r = job_start(w->agent->reaper, &job, &w->job, err);
	if (r < 0)
		(void)munmap(w->results, w->n_results * sizeof(*w->results));
	return r;
}

static void on_timer(void *data)
{
	struct watches *w = data;
	struct err err = ERR_INIT;

	w->deadline_ns = INT64_MAX;
	if (w->job)
		return;
	w->n_results = 0;
	LIST_FOREACH (watch, &w->list, struct watch, link) {
		if (watch->is_due || watch->state == POLLED)
			watch->result = w->n_results++;
		watch->is_due = false;
	}
	if (w->n_results == 0 || start_round(w, &err) == 0)
		return;
	log_write(LOG_WARN, "watch", err.msg, NULL);
	LIST_FOREACH (watch, &w->list, struct watch, link) {
		watch->is_due = watch->result != NONE;
		watch->result = NONE;
	}
	w->deadline_ns = clock_now_ns() + WATCH_PERIOD_NS;
	source_set_deadline(w->timer, w->deadline_ns);
}

static void on_inotify(void *data, int fd, uint32_t events)
{
	struct watches *w = data;
	char text[4096];
	bool is_any = false, was_due = false;

	(void)events;
	while (read(fd, text, sizeof(text)) > 0)
		;
	LIST_FOREACH (watch, &w->list, struct watch, link) {
		was_due |= watch->is_due;
		watch->is_due |= watch->state == NOTIFIED;
		is_any |= watch->is_due;
	}
	/* Not put off by each further event. */
	if (is_any && !was_due)
		arm(w);
}

void watches_init(struct watches *w)
{
	*w = (struct watches){.inotify_fd = -1, .deadline_ns = INT64_MAX};
	list_init(&w->list);
}

static void close_all(struct watches *w)
{
	source_free(take_ptr(&w->timer));
	source_free(take_ptr(&w->inotify_source));
	close_fd(take_fd(&w->inotify_fd));
	w->deadline_ns = INT64_MAX;
}

void watches_fini(struct watches *w)
{
	close_all(w);
}

static int open_all(struct watches *w, struct agent *agent)
{
	int r;

	w->agent = agent;
	if (w->timer)
		return 0;
	w->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (w->inotify_fd < 0)
		return -errno;
	r = loop_add_io(agent->loop, w->inotify_fd, EPOLLIN, on_inotify, w, &w->inotify_source);
	if (r == 0)
		r = loop_add_timer(agent->loop, INT64_MAX, on_timer, w, &w->timer);
	if (r < 0)
		close_all(w);
	return r;
}

int watch_new(struct agent *agent, const char *source, const char *target, struct watch **ret,
	struct err *err)
{
	struct watches *w = &agent->sandbox.watches;
	struct watch *watch = calloc(1, sizeof(*watch));
	int r = watch ? open_all(w, agent) : -ENOMEM;

	if (r == 0) {
		watch->source = strdup(source);
		watch->target = strdup(target);
		if (!watch->source || !watch->target)
			r = -ENOMEM;
	}
	if (r < 0) {
		if (watch) {
			free(watch->source);
			free(watch->target);
		}
		free(watch);
		return err_sys(err, -r, "watch %s", target);
	}
	watch->all = w;
	watch->result = NONE;
	list_add(&w->list, &watch->link);
	arm(w);
	*ret = watch;
	return 0;
}

void watch_free(struct watch *watch)
{
	struct watches *w;

	if (!watch)
		return;
	w = watch->all;
	list_remove(&watch->link);
	replace_wds(watch, NULL, 0);
	/* It may hang, and hold the lock of the copy that is to be removed. */
	if (watch->result != NONE)
		job_kill(w->job);
	free(watch->source);
	free(watch->target);
	free(watch);
	if (list_is_empty(&w->list))
		close_all(w);
}
