/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The sending half of shim/events.h: a bounded queue of encoded events and the connection. */
#include <protobuf-c/protobuf-c.h>

#include "base/err.h"
#include "loop/loop.h"

struct event_queue;

int event_queue_new(struct loop *loop, const char *address, const char *name_space,
	struct event_queue **ret) must_check;
void event_queue_free(struct event_queue *q);
/* event is borrowed during the call. Its type URL is its message's full name. */
int event_queue_add(
	struct event_queue *q, const char *topic, const ProtobufCMessage *event) must_check;
int event_queue_on_flushed(
	struct event_queue *q, int64_t deadline_ns, void (*fn)(void *data), void *data) must_check;
