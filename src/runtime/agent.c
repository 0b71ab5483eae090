/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/agent.h"

#include <assert.h>

#include "agent.pb-c.h"
#include "base/clock.h"
#include "base/list.h"
#include "csi.pb-c.h"
#include "health.pb-c.h"
#include "wire/dial.h"

#define SERVICE "grpc.AgentService"
#define HEALTH "grpc.Health"

/*
 * A handshake that takes longer is with a guest that is not there yet. And whoever sets upstream's
 * dial_timeout_ms high means to wait for long, not seldom.
 */
enum { ATTEMPT_S = 2, MAX_RETRY_MS = 50 };

/*
 * The largest replies are lists, as of routes (5,000 fit), and a chunk of output (64 KiB). With what
 * its buffer and its decoded form may take, a reply of this size costs the shim 3 MiB.
 */
enum { REPLY_MAX = 512 << 10 };

/* Which of the configured time limits a method has. */
enum limit { LIMIT_NONE, LIMIT_HEALTH, LIMIT_GENERAL };

struct method {
	const char *service, *name;
	const ProtobufCMessageDescriptor *reply; /* NULL: google.protobuf.Empty */
	enum limit limit;
};

static const struct method methods[] = {
	[AGENT_CHECK] = {HEALTH, "Check", &grpc__health_check_response__descriptor, LIMIT_HEALTH},
	[AGENT_CREATE_SANDBOX] = {SERVICE, "CreateSandbox", NULL, LIMIT_GENERAL},
	[AGENT_DESTROY_SANDBOX] = {SERVICE, "DestroySandbox", NULL, LIMIT_GENERAL},
	[AGENT_GET_GUEST_DETAILS] = {SERVICE, "GetGuestDetails",
		&grpc__guest_details_response__descriptor, LIMIT_GENERAL},
	[AGENT_SET_GUEST_DATE_TIME] = {SERVICE, "SetGuestDateTime", NULL, LIMIT_GENERAL},
	[AGENT_CREATE_CONTAINER] = {SERVICE, "CreateContainer", NULL, LIMIT_GENERAL},
	[AGENT_START_CONTAINER] = {SERVICE, "StartContainer", NULL, LIMIT_GENERAL},
	[AGENT_REMOVE_CONTAINER] = {SERVICE, "RemoveContainer", NULL, LIMIT_GENERAL},
	[AGENT_REMOVE_STALE_MOUNTS] = {SERVICE, "RemoveStaleVirtiofsShareMounts", NULL,
		LIMIT_GENERAL},
	[AGENT_EXEC_PROCESS] = {SERVICE, "ExecProcess", NULL, LIMIT_GENERAL},
	[AGENT_SIGNAL_PROCESS] = {SERVICE, "SignalProcess", NULL, LIMIT_GENERAL},
	[AGENT_WAIT_PROCESS] = {SERVICE, "WaitProcess", &grpc__wait_process_response__descriptor,
		LIMIT_NONE},
	[AGENT_WRITE_STDIN] = {SERVICE, "WriteStdin", &grpc__write_stream_response__descriptor,
		LIMIT_NONE},
	[AGENT_CLOSE_STDIN] = {SERVICE, "CloseStdin", NULL, LIMIT_GENERAL},
	[AGENT_READ_STDOUT] = {SERVICE, "ReadStdout", &grpc__read_stream_response__descriptor,
		LIMIT_NONE},
	[AGENT_READ_STDERR] = {SERVICE, "ReadStderr", &grpc__read_stream_response__descriptor,
		LIMIT_NONE},
	[AGENT_TTY_WIN_RESIZE] = {SERVICE, "TtyWinResize", NULL, LIMIT_GENERAL},
	[AGENT_PAUSE_CONTAINER] = {SERVICE, "PauseContainer", NULL, LIMIT_GENERAL},
	[AGENT_RESUME_CONTAINER] = {SERVICE, "ResumeContainer", NULL, LIMIT_GENERAL},
	[AGENT_UPDATE_CONTAINER] = {SERVICE, "UpdateContainer", NULL, LIMIT_GENERAL},
	[AGENT_ONLINE_CPU_MEM] = {SERVICE, "OnlineCPUMem", NULL, LIMIT_GENERAL},
	[AGENT_STATS_CONTAINER] = {SERVICE, "StatsContainer",
		&grpc__stats_container_response__descriptor, LIMIT_GENERAL},
	[AGENT_GET_OOM_EVENT] = {SERVICE, "GetOOMEvent", &grpc__oomevent__descriptor, LIMIT_NONE},
	[AGENT_GET_METRICS] = {SERVICE, "GetMetrics", &grpc__metrics__descriptor, LIMIT_GENERAL},
	[AGENT_GET_IP_TABLES] = {SERVICE, "GetIPTables", &grpc__get_iptables_response__descriptor,
		LIMIT_GENERAL},
	[AGENT_SET_IP_TABLES] = {SERVICE, "SetIPTables", &grpc__set_iptables_response__descriptor,
		LIMIT_GENERAL},
	[AGENT_GET_VOLUME_STATS] = {SERVICE, "GetVolumeStats",
		&grpc__volume_stats_response__descriptor, LIMIT_GENERAL},
	[AGENT_RESIZE_VOLUME] = {SERVICE, "ResizeVolume", NULL, LIMIT_GENERAL},
	[AGENT_UPDATE_INTERFACE] = {SERVICE, "UpdateInterface", &types__interface__descriptor,
		LIMIT_GENERAL},
	[AGENT_UPDATE_ROUTES] = {SERVICE, "UpdateRoutes", &grpc__routes__descriptor, LIMIT_GENERAL},
	[AGENT_ADD_ARP_NEIGHBORS] = {SERVICE, "AddARPNeighbors", NULL, LIMIT_GENERAL},
};
static_assert(ARRAY_SIZE(methods) == AGENT_METHOD_COUNT, "a row for every method");

struct agent {
	struct loop *loop;		   /* borrowed */
	const struct config_agent *config; /* borrowed */
	agent_connected_fn *connected;
	agent_lost_fn *lost;
	void *data;		     /* borrowed from the owner */
	struct dial *dial;	     /* owned; NULL once answered */
	struct ttrpc_client *client; /* owned; NULL before */
	bool is_lost;
	struct list pending; /* of struct agent_pending */
};

struct agent_pending {
	struct list link;
	struct ttrpc_pending *call; /* owned by the client */
	ttrpc_reply_fn *fn;
	void *data; /* borrowed from the caller */
};

static void on_closed(void *data, const struct err *why)
{
	struct agent *agent = data;

	agent->is_lost = true;
	agent->lost(agent->data, why);
}

static void on_dialled(void *data, int fd, const struct err *err)
{
	struct agent *agent = data;
	struct err failed = ERR_INIT;
	int r;

	agent->dial = NULL;
	if (fd < 0) {
		agent->connected(agent->data, err);
		return;
	}
	r = ttrpc_client_new(agent->loop, fd, on_closed, agent, &agent->client);
	if (r < 0)
		err_sys(&failed, -r, "connect to the agent");
	else
		ttrpc_client_limit_replies(agent->client, REPLY_MAX);
	agent->connected(agent->data, r < 0 ? &failed : NULL);
}

int64_t agent_retry_ns(const struct config_agent *config)
{
	uint32_t ms = config->dial_timeout_ms;

	return (ms < MAX_RETRY_MS ? ms : MAX_RETRY_MS) * NS_PER_MS;
}

int agent_new(
	struct loop *loop, const struct agent_config *config, struct agent **ret, struct err *err)
{
	struct dial_config dial = {.address = config->address,
		.retry_ns = agent_retry_ns(config->config),
		.deadline_ns = config->deadline_ns,
		.attempt_ns = ATTEMPT_S * NS_PER_S};
	struct agent *agent = calloc(1, sizeof(*agent));
	int r;

	if (!agent)
		return err_sys(err, ENOMEM, "connect to the agent");
	*agent = (struct agent){.loop = loop,
		.config = config->config,
		.connected = config->connected,
		.lost = config->lost,
		.data = config->data};
	list_init(&agent->pending);
	r = dial_start(loop, &dial, on_dialled, agent, &agent->dial, err);
	if (r < 0) {
		free(agent);
		return r;
	}
	*ret = agent;
	return 0;
}

void agent_close(struct agent *agent)
{
	struct err err = ERR_INIT;

	if (!agent)
		return;
	agent->is_lost = true;
	dial_cancel(agent->dial);
	agent->dial = NULL;
	err_set(&err, ECONNRESET, "the connection to the agent was closed");
	while (!list_is_empty(&agent->pending)) {
		struct agent_pending *p =
			container_of(agent->pending.next, struct agent_pending, link);
		ttrpc_reply_fn *fn = p->fn;
		void *data = p->data;

		agent_pending_cancel(p);
		fn(data, NULL, &err);
	}
}

void agent_free(struct agent *agent)
{
	if (!agent)
		return;
	dial_cancel(agent->dial);
	while (!list_is_empty(&agent->pending))
		agent_pending_cancel(container_of(agent->pending.next, struct agent_pending, link));
	if (agent->client)
		ttrpc_client_free(agent->client);
	free(agent);
}

static int64_t limit_ns(const struct agent *agent, enum limit limit)
{
	switch (limit) {
	case LIMIT_HEALTH:
		return agent->config->health_check_request_timeout_ms * NS_PER_MS;
	case LIMIT_GENERAL:
		/* Upstream's general limit is the one named after its slowest call. */
		return agent->config->create_container_timeout_s * NS_PER_S;
	case LIMIT_NONE:
	default:
		return 0;
	}
}

static void on_reply(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct agent_pending *p = data;
	ttrpc_reply_fn *fn = p->fn;
	void *caller = p->data;

	list_remove(&p->link);
	free(p);
	fn(caller, reply, err);
}

int agent_call(struct agent *agent, enum agent_method method, const ProtobufCMessage *request,
	ttrpc_reply_fn *fn, void *data, struct agent_pending **ret_pending)
{
	const struct method *m = &methods[method];
	struct agent_pending *p;
	int r;

	if (!agent || !agent->client || agent->is_lost)
		return -ENOTCONN;
	p = malloc(sizeof(*p));
	if (!p)
		return -ENOMEM;
	*p = (struct agent_pending){.fn = fn, .data = data};
	r = ttrpc_client_call(agent->client, m->service, m->name, request,
		limit_ns(agent, m->limit), m->reply, on_reply, p, &p->call);
	if (r < 0) {
		free(p);
		return r;
	}
	list_add(&agent->pending, &p->link);
	if (ret_pending)
		*ret_pending = p;
	return 0;
}

void agent_pending_cancel(struct agent_pending *pending)
{
	ttrpc_pending_cancel(pending->call);
	list_remove(&pending->link);
	free(pending);
}

const char *agent_method_name(enum agent_method method)
{
	return methods[method].name;
}
