/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The shim's end of the agent protocol: one connection for grpc.AgentService and grpc.Health, made
 * by trying until the guest answers.
 *
 * Each method has its own time limit: reads, writes and waits (for an exit, for an OOM event) have
 * none, the rest the configured ones. The guest is hostile; what its replies may be is
 * wire/ttrpc_client.h's business, what they mean is checked by whoever called.
 */
#include <protobuf-c/protobuf-c.h>

#include "base/err.h"
#include "config/config.h"
#include "loop/loop.h"
#include "wire/ttrpc_client.h"

enum agent_method {
	AGENT_CHECK,
	AGENT_CREATE_SANDBOX,
	AGENT_DESTROY_SANDBOX,
	AGENT_GET_GUEST_DETAILS,
	AGENT_SET_GUEST_DATE_TIME,
	AGENT_CREATE_CONTAINER,
	AGENT_START_CONTAINER,
	AGENT_REMOVE_CONTAINER,
	AGENT_REMOVE_STALE_MOUNTS,
	AGENT_EXEC_PROCESS,
	AGENT_SIGNAL_PROCESS,
	AGENT_WAIT_PROCESS,
	AGENT_WRITE_STDIN,
	AGENT_CLOSE_STDIN,
	AGENT_READ_STDOUT,
	AGENT_READ_STDERR,
	AGENT_TTY_WIN_RESIZE,
	AGENT_PAUSE_CONTAINER,
	AGENT_RESUME_CONTAINER,
	AGENT_UPDATE_CONTAINER,
	AGENT_ONLINE_CPU_MEM,
	AGENT_STATS_CONTAINER,
	AGENT_GET_OOM_EVENT,
	AGENT_GET_METRICS,
	AGENT_GET_IP_TABLES,
	AGENT_SET_IP_TABLES,
	AGENT_GET_VOLUME_STATS,
	AGENT_RESIZE_VOLUME,
	AGENT_UPDATE_INTERFACE,
	AGENT_UPDATE_ROUTES,
	AGENT_ADD_ARP_NEIGHBORS,
	AGENT_METHOD_COUNT,
};

struct agent;
struct agent_pending;

/* err NULL: connected, the agent may be called. Called once. */
typedef void agent_connected_fn(void *data, const struct err *err);
/* The connection is gone; every call in flight has failed by then. Called at most once, and only
 * after agent_connected_fn said yes. */
typedef void agent_lost_fn(void *data, const struct err *why);

struct agent_config {
	const char *address;		   /* wire/dial.h; borrowed during agent_new */
	const struct config_agent *config; /* borrowed for the agent's life */
	int64_t deadline_ns;		   /* to connect by */
	agent_connected_fn *connected;
	agent_lost_fn *lost;
	void *data;
};

int agent_new(struct loop *loop, const struct agent_config *config, struct agent **ret,
	struct err *err) must_check;
/* Hangs up: calls in flight fail with -ECONNRESET, before this returns; agent_lost_fn is not
 * called. NULL is fine. */
void agent_close(struct agent *agent);
/* Drops calls in flight without calling them back. NULL is fine. */
void agent_free(struct agent *agent);

/*
 * Sends a request (borrowed during the call); fn is called once, later, unless the pending call is
 * cancelled. Returns -ENOTCONN before the connection and after its end. ret_pending may be NULL; it
 * is good until fn has been called.
 */
int agent_call(struct agent *agent, enum agent_method method, const ProtobufCMessage *request,
	ttrpc_reply_fn *fn, void *data, struct agent_pending **ret_pending) must_check;
void agent_pending_cancel(struct agent_pending *pending);

/* How long to wait between two attempts to connect, by the configuration. */
int64_t agent_retry_ns(const struct config_agent *config);

/* "CreateContainer". */
const char *agent_method_name(enum agent_method method);
