/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/reaper.h"

#include <assert.h>
#include <sys/wait.h>

#include "base/list.h"
#include "base/log.h"

struct reaper_child {
	struct list link;
	struct reaper *reaper;
	pid_t pid; /* 0: not known yet */
	reaper_fn *fn;
	void *data; /* borrowed from whoever registered */
};

struct reaper {
	struct list children;
	struct source *signal, *soon;
	unsigned int n_holds;
};

static struct reaper_child *find(struct reaper *reaper, pid_t pid)
{
	LIST_FOREACH (c, &reaper->children, struct reaper_child, link)
		if (c->pid == pid)
			return c;
	return NULL;
}

static bool collect_child(struct reaper_child *c)
{
	struct reaper_child done;
	int status;

	if (c->pid == 0 || waitpid(c->pid, &status, WNOHANG | __WALL) != c->pid)
		return false;
	done = *c;
	list_remove(&c->link);
	free(c);
	done.fn(done.data, done.pid, status);
	return true;
}

/* While held, an unknown zombie hides the ones behind it from P_ALL, so each registered child is
 * asked for by number. The list may change under a callback: start over after each. */
static void collect_registered(struct reaper *reaper)
{
	bool found;

	do {
		found = false;
		LIST_FOREACH (c, &reaper->children, struct reaper_child, link) {
			found = collect_child(c);
			if (found)
				break;
		}
	} while (found);
}

static void collect_unknown(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, WNOHANG | __WALL) != pid)
		return;
	log_printf(LOG_DEBUG, "signals", "reaped process %d, status %#x", (int)pid,
		(unsigned int)status);
}

static void collect(struct reaper *reaper)
{
	for (;;) {
		siginfo_t info = {.si_pid = 0};
		struct reaper_child *child;

		/* WNOWAIT: look who it is before the pid can be used again. */
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) < 0 ||
			info.si_pid == 0)
			return;
		child = find(reaper, info.si_pid);
		if (child) {
			collect_child(child);
		} else if (reaper->n_holds == 0) {
			collect_unknown(info.si_pid);
		} else {
			collect_registered(reaper);
			return;
		}
	}
}

static void on_signal(void *data, int signo)
{
	(void)signo;
	collect(data);
}

static void on_soon(void *data)
{
	collect(data);
}

int reaper_new(struct loop *loop, struct reaper **ret)
{
	struct reaper *reaper = calloc(1, sizeof(*reaper));
	int r;

	if (!reaper)
		return -ENOMEM;
	list_init(&reaper->children);
	r = loop_add_signal(loop, SIGCHLD, on_signal, reaper, &reaper->signal);
	if (r == 0)
		r = loop_add_timer(loop, INT64_MAX, on_soon, reaper, &reaper->soon);
	if (r < 0) {
		reaper_free(reaper);
		return r;
	}
	*ret = reaper;
	return 0;
}

void reaper_free(struct reaper *reaper)
{
	if (!reaper)
		return;
	LIST_FOREACH_SAFE (child, &reaper->children, struct reaper_child, link)
		free(child);
	source_free(reaper->signal);
	source_free(reaper->soon);
	free(reaper);
}

int reaper_prepare(struct reaper *reaper, reaper_fn *fn, void *data, struct reaper_child **ret)
{
	struct reaper_child *child = calloc(1, sizeof(*child));

	if (!child)
		return -ENOMEM;
	*child = (struct reaper_child){.reaper = reaper, .fn = fn, .data = data};
	list_add(&reaper->children, &child->link);
	*ret = child;
	return 0;
}

void reaper_watch(struct reaper_child *child, pid_t pid)
{
	child->pid = pid;
	/* Its signal may have come and gone; fn must not run inside this call. */
	source_set_deadline(child->reaper->soon, 0);
}

void reaper_remove(struct reaper_child *child)
{
	if (!child)
		return;
	list_remove(&child->link);
	free(child);
}

void reaper_hold(struct reaper *reaper)
{
	reaper->n_holds++;
}

void reaper_drop(struct reaper *reaper)
{
	assert(reaper->n_holds > 0);
	if (--reaper->n_holds == 0)
		source_set_deadline(reaper->soon, 0);
}
