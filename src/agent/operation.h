/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What is done to a container's cgroup on request and may take its time: freezing waits for every
 * process, a smaller limit for memory to be given back. Each is a job; a container has one at a
 * time, in the order in which they were asked for. Killing does not wait for others: it comes next,
 * and breaks off what is under way.
 *
 * What may be done to the container is decided when the operation's turn has come.
 */
#include "wire/ttrpc_server.h"

struct container;

enum operation_kind {
	OPERATION_PAUSE,
	OPERATION_RESUME,
	OPERATION_UPDATE, /* the call's request is an UpdateContainerRequest with resources */
	OPERATION_KILL,
};

/* Takes the call over. */
void operation_start(struct container *c, enum operation_kind kind, struct ttrpc_call *call);
/* For a container that is to be removed: breaks off the one under way and fails the others. True if
 * one is under way: container_remove() is called again after it. */
bool operation_stop_all(struct container *c);
/* For a container that is to be freed. */
void operation_forget_all(struct container *c);
