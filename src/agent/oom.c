/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/oom.h"

#include <string.h>

#include "agent.pb-c.h"
#include "agent/agent.h"
#include "agent/container.h"
#include "agent/rpc.h"
#include "base/clock.h"
#include "base/log.h"
#include "linux/cgroup_oom.h"
#include "wire/parked.h"
#include "wire/status.h"

struct event {
	struct list link;
	char container_id[]; /* copied: the container may be gone when somebody asks */
};

struct oom_watch {
	const char *container_id; /* borrowed */
	struct oom_queue *queue;  /* borrowed */
	struct cgroup_oom oom;
	struct source *io, *timer;
	unsigned int n_rechecks;
};

/* v1 rings before it kills; when the count follows nothing tells. */
static const int64_t recheck_ns[] = {5 * NS_PER_MS, 50 * NS_PER_MS, 500 * NS_PER_MS, 2 * NS_PER_S};

void oom_queue_init(struct oom_queue *q)
{
	*q = (struct oom_queue){.n_events = 0};
	list_init(&q->calls);
	list_init(&q->events);
}

static void remove_event(struct oom_queue *q, struct event *event)
{
	list_remove(&event->link);
	q->n_events--;
	free(event);
}

void oom_queue_fini(struct oom_queue *q)
{
	oom_queue_close(q);
	while (!list_is_empty(&q->events))
		remove_event(q, container_of(q->events.next, struct event, link));
}

static void answer(struct ttrpc_call *call, const char *container_id)
{
	Grpc__OOMEvent reply = GRPC__OOMEVENT__INIT;
	char *id = strdup(container_id);
	struct err err = ERR_INIT;

	reply.container_id = id;
	if (id) {
		ttrpc_call_reply(call, &reply.base);
	} else {
		err_sys(&err, ENOMEM, "out-of-memory event of container %s", container_id);
		rpc_fail(call, &err);
	}
	free(id);
}

static bool is_queued(const struct oom_queue *q, const char *container_id)
{
	LIST_FOREACH (event, &q->events, struct event, link)
		if (strcmp(event->container_id, container_id) == 0)
			return true;
	return false;
}

void oom_queue_add(struct oom_queue *q, const char *container_id)
{
	size_t size = strlen(container_id) + 1;
	struct ttrpc_call *call;
	struct event *event;

	log_write(LOG_WARN, "container", "a process was killed for want of memory", "cid",
		container_id, NULL);
	call = parked_take(&q->calls);
	if (call) {
		answer(call, container_id);
		return;
	}
	if (q->is_closed || is_queued(q, container_id))
		return;
	if (q->n_events >= OOM_EVENTS_MAX)
		remove_event(q, container_of(q->events.next, struct event, link));
	event = malloc(sizeof(*event) + size);
	if (!event)
		return;
	memcpy(event->container_id, container_id, size);
	list_add(&q->events, &event->link);
	q->n_events++;
}

static void fail_closed(struct ttrpc_call *call)
{
	struct err err = ERR_INIT;

	err_status(&err, ESHUTDOWN, WIRE_INTERNAL, "the sandbox is being destroyed");
	rpc_fail(call, &err);
}

void oom_queue_wait(struct oom_queue *q, struct ttrpc_call *call)
{
	struct err err = ERR_INIT;

	if (q->is_closed) {
		fail_closed(call);
		return;
	}
	if (!list_is_empty(&q->events)) {
		struct event *event = container_of(q->events.next, struct event, link);

		answer(call, event->container_id);
		remove_event(q, event);
		return;
	}
	if (parked_add(&q->calls, call) < 0) {
		err_sys(&err, ENOMEM, "wait for an out-of-memory event");
		rpc_fail(call, &err);
	}
}

void oom_queue_close(struct oom_queue *q)
{
	struct ttrpc_call *call;

	q->is_closed = true;
	while ((call = parked_take(&q->calls)))
		fail_closed(call);
}

void rpc_get_oom_event(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	struct agent *agent = user;

	(void)message;
	oom_queue_wait(&agent->sandbox.oom, call);
}

/* False when the cgroup has gone. */
static bool look(struct oom_watch *w, bool *ret_grown)
{
	*ret_grown = false;
	if (cgroup_oom_check(&w->oom, ret_grown) < 0) {
		source_free(take_ptr(&w->io));
		return false;
	}
	if (*ret_grown)
		oom_queue_add(w->queue, w->container_id);
	return true;
}

static void on_timer(void *data)
{
	struct oom_watch *w = data;
	bool grown;

	if (look(w, &grown) && !grown && w->n_rechecks < ARRAY_SIZE(recheck_ns))
		source_set_deadline(w->timer, clock_now_ns() + recheck_ns[w->n_rechecks++]);
}

static void on_event(void *data, int fd, uint32_t events)
{
	struct oom_watch *w = data;

	(void)fd;
	(void)events;
	w->n_rechecks = 0;
	if (w->timer)
		on_timer(w);
	else
		oom_watch_check(w);
}

void oom_watch_check(struct oom_watch *w)
{
	bool grown;

	if (w && w->io)
		(void)look(w, &grown);
}

static int open_watch(struct agent *agent, const struct container *c, struct oom_watch *w)
{
	auto_cgroup struct cgroup cgroup = {.layout = NULL};
	int r = launch_open_cgroup(c->cgroup, &cgroup, NULL);

	if (r == 0)
		r = cgroup_oom_open(&cgroup, &w->oom);
	if (r == 0)
		r = loop_add_io(agent->loop, w->oom.fd, w->oom.events, on_event, w, &w->io);
	if (r == 0 && w->oom.events == EPOLLIN)
		r = loop_add_timer(agent->loop, INT64_MAX, on_timer, w, &w->timer);
	return r;
}

struct oom_watch *oom_watch_new(struct agent *agent, const struct container *c)
{
	struct oom_watch *w = calloc(1, sizeof(*w));
	int r = -ENOMEM;

	if (w) {
		*w = (struct oom_watch){.container_id = c->id, .queue = &agent->sandbox.oom};
		w->oom = (struct cgroup_oom){.fd = -1, .counter_fd = -1};
		r = open_watch(agent, c, w);
	}
	if (r == 0)
		return w;
	log_write(LOG_WARN, "container", "out-of-memory events are not watched", "cid", c->id,
		"error", strerror(-r), NULL);
	oom_watch_free(w);
	return NULL;
}

void oom_watch_free(struct oom_watch *w)
{
	if (!w)
		return;
	source_free(w->io);
	source_free(w->timer);
	cgroup_oom_close(&w->oom);
	free(w);
}
