/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Requests about the guest's network: its links, addresses, routes, neighbours and packet filter,
 * those of the network namespace that the agent lives in, which all containers share.
 *
 * Each is done by a job (agent/job.h), because the kernel, or a program, may take its time over it.
 * There are two lanes, in each of which one request is at work and the others wait for their turn in
 * the order of their arrival: two that change the same link never meet, and a host that asks without
 * end keeps one process busy.
 *
 * A request fails as a whole: what it had changed by then is put back.
 */
#include <protobuf-c/protobuf-c.h>

#include "base/err.h"
#include "linux/net_address.h"
#include "loop/loop.h"

struct network;
struct network_reply;
struct reaper;
struct ttrpc_call;

enum network_lane {
	NETWORK_LANE_KERNEL,
	NETWORK_LANE_IPTABLES,
	NETWORK_LANE_COUNT,
};

struct network_method {
	const char *name; /* for messages: "update interface" */
	enum network_lane lane;
	/* Whether the request makes sense, before anything is begun. NULL: it always does. */
	int (*check)(const ProtobufCMessage *request, struct err *err);
	/* In the job. May set a reply. */
	int (*run)(const ProtobufCMessage *request, struct network_reply *reply, struct err *err);
	const ProtobufCMessageDescriptor *reply; /* NULL: google.protobuf.Empty */
	/*
	 * Not NULL: run fails with ENODEV, and has changed nothing, while the link with this MAC
	 * address is missing (none: it may have any). It is run again when the kernel tells of that
	 * link, until the time for hot-plugged devices is over.
	 */
	void (*get_awaited)(const ProtobufCMessage *request, struct mac_address *ret);
	/* What the host is told then. Returns -ENODEV. */
	int (*say_missing)(const ProtobufCMessage *request, struct err *err);
};

int network_new(struct loop *loop, struct reaper *reaper, int64_t hotplug_timeout_ns,
	struct network **ret) must_check;
/* After its last job. Calls that still wait are dropped. NULL is fine. */
void network_free(struct network *network);

/* Takes the call over. method is borrowed for ever. */
void network_start(
	struct network *network, const struct network_method *method, struct ttrpc_call *call);

/* In the job, once: what the call is answered with. */
int network_reply_set(
	struct network_reply *reply, const ProtobufCMessage *message, struct err *err) must_check;
