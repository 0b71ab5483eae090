/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/event_queue.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "forward.pb-c.h"
#include "wire/dial.h"
#include "wire/message.h"
#include "wire/ttrpc_client.h"

enum {
	MAX_EVENTS = 2048, /* some 200 bytes each: a pod's life while containerd restarts */
	RETRY_MS = 200,
	DIAL_S = 60,
	ATTEMPT_S = 5,
	FORWARD_S = 10,
	MAX_TRIES = 5, /* of one event that containerd does not answer */
};

struct event {
	struct list link;
	const char *topic; /* static */
	const char *type;  /* static: the descriptor's name */
	int64_t at_ns;
	struct buf value; /* owned: the encoded event */
	unsigned n_tries;
};

struct event_queue {
	struct loop *loop;  /* borrowed */
	char *address;	    /* owned: "unix://..." */
	char *name_space;   /* owned */
	struct list events; /* of struct event, oldest first */
	size_t n_events;
	struct dial *dial;	     /* owned; NULL: none under way */
	struct ttrpc_client *client; /* owned; NULL: not connected */
	struct ttrpc_pending *call;  /* owned: the first event is being sent */
	struct source *retry;	     /* owned timer */
	struct source *flush_timer;  /* owned */
	void (*flushed)(void *data);
	void *flushed_data; /* borrowed */
};

static void send_next(struct event_queue *q);

static void drop_first(struct event_queue *q)
{
	struct event *e = container_of(q->events.next, struct event, link);

	list_remove(&e->link);
	q->n_events--;
	buf_fini(&e->value);
	free(e);
}

static void on_flush_timer(void *data)
{
	struct event_queue *q = data;
	void (*flushed)(void *) = q->flushed;

	q->flushed = NULL;
	if (flushed)
		flushed(q->flushed_data);
}

static void check_flushed(struct event_queue *q)
{
	/* By way of the timer: from the loop, and once. */
	if (q->flushed && q->n_events == 0)
		source_set_deadline(q->flush_timer, 0);
}

static void disconnect(struct event_queue *q)
{
	ttrpc_client_free(q->client);
	q->client = NULL;
	q->call = NULL;
	source_set_deadline(q->retry, clock_now_ns() + RETRY_MS * NS_PER_MS);
}

static void on_forwarded(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct event_queue *q = data;
	struct event *e = container_of(q->events.next, struct event, link);

	(void)reply;
	q->call = NULL;
	/* A status is containerd's answer: it has seen the event. Everything else is worth a retry.
	 */
	if (err && err->status == 0 && ++e->n_tries < MAX_TRIES) {
		disconnect(q);
		return;
	}
	if (err)
		log_write(LOG_WARN, "events", "containerd did not take an event", "topic", e->topic,
			"error", err->msg, NULL);
	drop_first(q);
	check_flushed(q);
	send_next(q);
}

static void on_closed(void *data, const struct err *why)
{
	struct event_queue *q = data;

	(void)why;
	disconnect(q);
}

static void on_dialled(void *data, int fd, const struct err *err)
{
	struct event_queue *q = data;
	int r;

	q->dial = NULL;
	if (fd < 0) {
		log_write(LOG_WARN, "events", "containerd cannot be reached", "error", err->msg,
			NULL);
		source_set_deadline(q->retry, clock_now_ns() + RETRY_MS * NS_PER_MS);
		return;
	}
	r = ttrpc_client_new(q->loop, fd, on_closed, q, &q->client);
	if (r < 0)
		disconnect(q);
	else
		send_next(q);
}

static void connect_to_containerd(struct event_queue *q)
{
	struct dial_config config = {.address = q->address,
		.retry_ns = RETRY_MS * NS_PER_MS,
		.deadline_ns = clock_now_ns() + DIAL_S * NS_PER_S,
		.attempt_ns = ATTEMPT_S * NS_PER_S};
	struct err err = ERR_INIT;

	if (dial_start(q->loop, &config, on_dialled, q, &q->dial, &err) < 0) {
		log_write(
			LOG_WARN, "events", "containerd cannot be reached", "error", err.msg, NULL);
		source_set_deadline(q->retry, clock_now_ns() + DIAL_S * NS_PER_S);
	}
}

static int forward(struct event_queue *q, struct event *e)
{
	Containerd__Services__Events__Ttrpc__V1__ForwardRequest request =
		CONTAINERD__SERVICES__EVENTS__TTRPC__V1__FORWARD_REQUEST__INIT;
	Containerd__Services__Events__Ttrpc__V1__Envelope envelope =
		CONTAINERD__SERVICES__EVENTS__TTRPC__V1__ENVELOPE__INIT;
	Google__Protobuf__Timestamp timestamp = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;

	MESSAGE_SET(&timestamp, seconds, e->at_ns / NS_PER_S);
	MESSAGE_SET(&timestamp, nanos, (int32_t)(e->at_ns % NS_PER_S));
	any.type_url = message_text(e->type);
	any.has_value = 1;
	any.value.data = e->value.data + e->value.start;
	any.value.len = buf_len(&e->value);
	envelope.timestamp = &timestamp;
	envelope.namespace_ = q->name_space;
	envelope.topic = message_text(e->topic);
	envelope.event = &any;
	request.envelope = &envelope;
	return ttrpc_client_call(q->client, "containerd.services.events.ttrpc.v1.Events", "Forward",
		&request.base, FORWARD_S * NS_PER_S, NULL, on_forwarded, q, &q->call);
}

static void send_next(struct event_queue *q)
{
	if (q->n_events == 0 || q->call || q->dial)
		return;
	if (!q->client)
		connect_to_containerd(q);
	else if (forward(q, container_of(q->events.next, struct event, link)) < 0)
		disconnect(q);
}

static void on_retry(void *data)
{
	send_next(data);
}

int event_queue_add(struct event_queue *q, const char *topic, const ProtobufCMessage *event)
{
	struct event *e;
	int r;

	if (!q->address)
		return 0;
	if (q->n_events >= MAX_EVENTS && !q->call) {
		log_write(LOG_WARN, "events", "too many events wait: the oldest is dropped", NULL);
		drop_first(q);
	} else if (q->n_events >= MAX_EVENTS) {
		return -ENOBUFS;
	}
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->topic = topic;
	e->type = event->descriptor->name;
	e->at_ns = clock_real_ns();
	r = message_encode(event, &e->value);
	if (r < 0) {
		buf_fini(&e->value);
		free(e);
		return r;
	}
	list_add(&q->events, &e->link);
	q->n_events++;
	send_next(q);
	return 0;
}

int event_queue_on_flushed(
	struct event_queue *q, int64_t deadline_ns, void (*fn)(void *data), void *data)
{
	int r = loop_add_timer(q->loop, deadline_ns, on_flush_timer, q, &q->flush_timer);

	if (r < 0)
		return r;
	q->flushed = fn;
	q->flushed_data = data;
	check_flushed(q);
	return 0;
}

int event_queue_new(
	struct loop *loop, const char *address, const char *name_space, struct event_queue **ret)
{
	struct event_queue *q = calloc(1, sizeof(*q));
	int r = q ? 0 : -ENOMEM;

	if (r < 0)
		return r;
	q->loop = loop;
	list_init(&q->events);
	q->name_space = strdup(name_space);
	if (!q->name_space)
		r = -ENOMEM;
	if (r == 0 && address && address[0] &&
		asprintf(&q->address, "%s%s", strstr(address, "://") ? "" : "unix://", address) <
			0) {
		q->address = NULL;
		r = -ENOMEM;
	}
	if (r == 0)
		r = loop_add_timer(loop, INT64_MAX, on_retry, q, &q->retry);
	if (r < 0) {
		event_queue_free(q);
		return r;
	}
	*ret = q;
	return 0;
}

void event_queue_free(struct event_queue *q)
{
	if (!q)
		return;
	dial_cancel(q->dial);
	ttrpc_client_free(q->client);
	while (q->n_events > 0)
		drop_first(q);
	source_free(q->retry);
	source_free(q->flush_timer);
	free(q->address);
	free(q->name_space);
	free(q);
}
