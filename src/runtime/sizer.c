/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: one round at a time goes through CPUs, memory and the agent, for the sum as it
 * was when the round began. Who asks while a round is under way waits for the next one, so that what is
 * answered is always about a machine that has been fitted to one's own need. Nobody waits for a machine
 * to become smaller, which a guest may be slow about. Callers are never called back from within their
 * call: a timer stands between.
 */
#include "runtime/sizer.h"

#include <string.h>

#include "agent.pb-c.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "wire/message.h"

struct waiter {
	struct list link;
	sizer_done_fn *done; /* may be NULL */
	void *data;	     /* borrowed from the caller */
};

struct sizer {
	struct hypervisor *hv;		      /* borrowed */
	struct agent *agent;		      /* borrowed */
	const struct config *config;	      /* borrowed */
	struct source *timer;		      /* owned: somebody waits */
	struct map needs;		      /* cid -> struct sizing_need, owned */
	struct list waiting;		      /* owned: for the next round */
	struct list served;		      /* owned: by the round that is under way */
	bool in_round, is_shrinking, is_over; /* is_shrinking: the round, or it changes nothing */
	struct sizing target;
	bool has_changed;
	struct err failure;	    /* the first of the round */
	struct agent_pending *call; /* NULL: none in flight */
};

/* ---- Waiters ---- */

static void move_all(struct list *from, struct list *to)
{
	LIST_FOREACH_SAFE (w, from, struct waiter, link) {
		list_remove(&w->link);
		list_add(to, &w->link);
	}
}

/* A callback may add to other lists than this one, and end the sizer: freed then says so. */
static void answer(struct list *list, const struct err *err)
{
	while (!list_is_empty(list)) {
		struct waiter *w = container_of(list->next, struct waiter, link);
		struct waiter copy = *w;

		list_remove(&w->link);
		free(w);
		if (copy.done)
			copy.done(copy.data, err);
	}
}

static void drop(struct list *list)
{
	LIST_FOREACH_SAFE (w, list, struct waiter, link) {
		list_remove(&w->link);
		free(w);
	}
}

/* ---- A round ---- */

static void keep_failure(struct sizer *s, const struct err *err, const char *what)
{
	if (!err || err_is_set(&s->failure))
		return;
	s->failure = *err;
	err_wrap(&s->failure, "%s", what);
}

static void end_round(struct sizer *s)
{
	struct list served;
	struct err failure = s->failure;
	const struct err *err = err_is_set(&failure) ? &failure : NULL;

	if (err)
		log_write(LOG_WARN, "sizer", "the virtual machine could not be resized", "error",
			failure.msg, NULL);
	s->in_round = false;
	if (!list_is_empty(&s->waiting))
		source_set_deadline(s->timer, clock_now_ns());
	list_init(&served);
	move_all(&s->served, &served);
	/* The sizer may be gone with the first of them. */
	answer(&served, err);
}

static void on_online(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct sizer *s = data;

	(void)reply;
	s->call = NULL;
	if (s->is_over)
		return;
	keep_failure(s, err, "put CPUs and memory to use");
	end_round(s);
}

static void tell_agent(struct sizer *s)
{
	Grpc__OnlineCPUMemRequest request = GRPC__ONLINE_CPUMEM_REQUEST__INIT;
	struct hypervisor_size size;
	struct err err = ERR_INIT;
	int r;

	if (!s->has_changed) {
		end_round(s);
		return;
	}
	hypervisor_get_size(s->hv, &size);
	MESSAGE_SET(&request, nb_cpus, size.vcpus);
	r = agent_call(s->agent, AGENT_ONLINE_CPU_MEM, &request.base, on_online, s, &s->call);
	if (r < 0) {
		err_sys(&err, -r, "call the agent");
		keep_failure(s, &err, "put CPUs and memory to use");
		end_round(s);
	}
}

static void on_memory(void *data, uint64_t n, const struct err *err)
{
	struct sizer *s = data;

	(void)n;
	if (s->is_over)
		return;
	s->has_changed = true;
	keep_failure(s, err, "change the memory");
	tell_agent(s);
}

static void resize_memory(struct sizer *s)
{
	struct hypervisor_size size;
	struct err err = ERR_INIT;

	hypervisor_get_size(s->hv, &size);
	/* It has whole blocks only. */
	if (s->target.memory_mib <= size.memory_mib &&
		size.memory_mib - s->target.memory_mib < HYPERVISOR_MEMORY_BLOCK_MIB) {
		tell_agent(s);
		return;
	}
	if (hypervisor_resize_memory(s->hv, s->target.memory_mib, on_memory, s, &err) == 0)
		return;
	keep_failure(s, &err, "change the memory");
	tell_agent(s);
}

static void on_vcpus(void *data, uint64_t n, const struct err *err)
{
	struct sizer *s = data;

	(void)n;
	if (s->is_over)
		return;
	s->has_changed = true;
	keep_failure(s, err, "change the CPUs");
	resize_memory(s);
}

static struct sizing compute_target(const struct sizer *s, const struct hypervisor_size *size)
{
	struct sizing_need total = {.micro_cpus = 0};

	MAP_FOREACH (e, &s->needs)
		sizing_add(&total, e->value);
	return sizing_compute(&s->config->hypervisor, &total,
		&(struct sizing){.vcpus = size->max_vcpus, .memory_mib = size->max_memory_mib});
}

static void begin_round(struct sizer *s, const struct hypervisor_size *size)
{
	struct err err = ERR_INIT;

	s->in_round = true;
	s->has_changed = false;
	s->failure = (struct err)ERR_INIT;
	if (s->target.vcpus != size->vcpus) {
		if (hypervisor_resize_vcpus(s->hv, s->target.vcpus, on_vcpus, s, &err) == 0)
			return;
		keep_failure(s, &err, "change the CPUs");
	}
	resize_memory(s);
}

/* Somebody waits, or a round has ended. */
static void on_timer(void *data)
{
	struct sizer *s = data;
	struct hypervisor_size size;
	struct sizing target;
	struct list fitted;
	bool fits;

	if (s->is_over)
		return;
	list_init(&fitted);
	hypervisor_get_size(s->hv, &size);
	target = compute_target(s, &size);
	fits = target.vcpus <= size.vcpus && target.memory_mib <= size.memory_mib;
	/* A round that makes the machine smaller must leave enough. */
	if (s->in_round)
		fits = s->is_shrinking && target.vcpus <= s->target.vcpus &&
		       target.memory_mib <= s->target.memory_mib;
	if (fits)
		move_all(&s->waiting, &fitted);
	if (!s->in_round) {
		move_all(&s->waiting, &s->served);
		s->target = target;
		s->is_shrinking = fits;
		begin_round(s, &size);
	}
	/* The sizer may be gone with the first of them. */
	answer(&fitted, NULL);
}

/* ---- From outside ---- */

int sizer_apply(struct sizer *s, sizer_done_fn *done, void *data)
{
	struct waiter *w;

	if (s->is_over)
		return -ENOTCONN;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	*w = (struct waiter){.done = done, .data = data};
	list_add(&s->waiting, &w->link);
	source_set_deadline(s->timer, clock_now_ns());
	return 0;
}

int sizer_set(struct sizer *s, const char *cid, const struct sizing_need *need)
{
	struct sizing_need *known = map_find(&s->needs, cid);
	int r;

	if (known) {
		*known = *need;
		return 0;
	}
	known = malloc(sizeof(*known));
	if (!known)
		return -ENOMEM;
	*known = *need;
	r = map_add(&s->needs, cid, known);
	if (r < 0)
		free(known);
	return r;
}

void sizer_forget(struct sizer *s, const char *cid)
{
	free(map_remove(&s->needs, cid));
}

void sizer_end(struct sizer *s)
{
	struct list all;
	struct err err = ERR_INIT;

	if (!s || s->is_over)
		return;
	s->is_over = true;
	source_set_deadline(s->timer, INT64_MAX);
	list_init(&all);
	move_all(&s->served, &all);
	move_all(&s->waiting, &all);
	err_set(&err, ECONNRESET, "the virtual machine is going");
	answer(&all, &err);
}

int sizer_new(struct loop *loop, struct hypervisor *hv, struct agent *agent,
	const struct config *config, struct sizer **ret)
{
	struct sizer *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	*s = (struct sizer){.hv = hv, .agent = agent, .config = config};
	list_init(&s->waiting);
	list_init(&s->served);
	r = loop_add_timer(loop, INT64_MAX, on_timer, s, &s->timer);
	if (r < 0) {
		free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void sizer_free(struct sizer *s)
{
	if (!s)
		return;
	if (s->call)
		agent_pending_cancel(s->call);
	source_free(s->timer);
	drop(&s->waiting);
	drop(&s->served);
	MAP_FOREACH (e, &s->needs)
		free(e->value);
	map_fini(&s->needs);
	free(s);
}
