/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/events.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "events.pb-c.h"
#include "shim/event_queue.h"
#include "wire/message.h"

struct events {
	struct event_queue *queue; /* owned */
};

int events_new(struct loop *loop, const char *address, const char *name_space, struct events **ret)
{
	struct events *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return -ENOMEM;
	r = event_queue_new(loop, address, name_space, &e->queue);
	if (r < 0) {
		free(e);
		return r;
	}
	*ret = e;
	return 0;
}

void events_free(struct events *e)
{
	if (!e)
		return;
	event_queue_free(e->queue);
	free(e);
}

int events_on_flushed(struct events *e, int64_t deadline_ns, void (*fn)(void *data), void *data)
{
	return event_queue_on_flushed(e->queue, deadline_ns, fn, data);
}

static void publish(struct events *e, const char *topic, const char *cid, const char *id,
	const ProtobufCMessage *event)
{
	int r = event_queue_add(e->queue, topic, event);

	log_write(LOG_INFO, "events", topic, "cid", cid, "exec", id, NULL);
	if (r < 0)
		log_write(LOG_ERROR, "events", "an event is lost", "topic", topic, "error",
			strerror(-r), NULL);
}

void events_timestamp(int64_t real_ns, Google__Protobuf__Timestamp *ret)
{
	google__protobuf__timestamp__init(ret);
	MESSAGE_SET(ret, seconds, real_ns / NS_PER_S);
	MESSAGE_SET(ret, nanos, (int32_t)(real_ns % NS_PER_S));
}

void events_create(
	struct events *e, const Containerd__Task__V2__CreateTaskRequest *request, uint32_t pid)
{
	Containerd__Events__TaskCreate event = CONTAINERD__EVENTS__TASK_CREATE__INIT;
	Containerd__Events__TaskIO io = CONTAINERD__EVENTS__TASK_IO__INIT;

	io.stdin = request->stdin;
	io.stdout = request->stdout;
	io.stderr = request->stderr;
	MESSAGE_SET(&io, terminal, request->terminal);
	event.container_id = request->id;
	event.bundle = request->bundle;
	event.rootfs = request->rootfs;
	event.n_rootfs = request->n_rootfs;
	event.io = &io;
	event.checkpoint = request->checkpoint;
	MESSAGE_SET(&event, pid, pid);
	publish(e, "/tasks/create", request->id, "", &event.base);
}

void events_start(struct events *e, const char *cid, uint32_t pid)
{
	Containerd__Events__TaskStart event = CONTAINERD__EVENTS__TASK_START__INIT;

	event.container_id = message_text(cid);
	MESSAGE_SET(&event, pid, pid);
	publish(e, "/tasks/start", cid, "", &event.base);
}

void events_exec_added(struct events *e, const char *cid, const char *eid)
{
	Containerd__Events__TaskExecAdded event = CONTAINERD__EVENTS__TASK_EXEC_ADDED__INIT;

	event.container_id = message_text(cid);
	event.exec_id = message_text(eid);
	publish(e, "/tasks/exec-added", cid, eid, &event.base);
}

void events_exec_started(struct events *e, const char *cid, const char *eid, uint32_t pid)
{
	Containerd__Events__TaskExecStarted event = CONTAINERD__EVENTS__TASK_EXEC_STARTED__INIT;

	event.container_id = message_text(cid);
	event.exec_id = message_text(eid);
	MESSAGE_SET(&event, pid, pid);
	publish(e, "/tasks/exec-started", cid, eid, &event.base);
}

void events_paused(struct events *e, const char *cid)
{
	Containerd__Events__TaskPaused event = CONTAINERD__EVENTS__TASK_PAUSED__INIT;

	event.container_id = message_text(cid);
	publish(e, "/tasks/paused", cid, "", &event.base);
}

void events_resumed(struct events *e, const char *cid)
{
	Containerd__Events__TaskResumed event = CONTAINERD__EVENTS__TASK_RESUMED__INIT;

	event.container_id = message_text(cid);
	publish(e, "/tasks/resumed", cid, "", &event.base);
}

void events_oom(struct events *e, const char *cid)
{
	Containerd__Events__TaskOOM event = CONTAINERD__EVENTS__TASK_OOM__INIT;

	event.container_id = message_text(cid);
	publish(e, "/tasks/oom", cid, "", &event.base);
}

void events_exit(struct events *e, const char *cid, const char *id, const struct events_exit *exit)
{
	Containerd__Events__TaskExit event = CONTAINERD__EVENTS__TASK_EXIT__INIT;
	Google__Protobuf__Timestamp at;

	events_timestamp(exit->at_ns, &at);
	event.container_id = message_text(cid);
	event.id = message_text(id);
	MESSAGE_SET(&event, pid, exit->pid);
	MESSAGE_SET(&event, exit_status, exit->status);
	event.exited_at = &at;
	publish(e, "/tasks/exit", cid, id, &event.base);
}

void events_delete(
	struct events *e, const char *cid, const char *id, const struct events_exit *exit)
{
	Containerd__Events__TaskDelete event = CONTAINERD__EVENTS__TASK_DELETE__INIT;
	Google__Protobuf__Timestamp at;

	events_timestamp(exit->at_ns, &at);
	event.container_id = message_text(cid);
	event.id = message_text(id);
	MESSAGE_SET(&event, pid, exit->pid);
	MESSAGE_SET(&event, exit_status, exit->status);
	event.exited_at = &at;
	publish(e, "/tasks/delete", cid, id, &event.base);
}
