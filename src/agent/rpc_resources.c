/* SPDX-License-Identifier: Apache-2.0 */
/* Methods about what a container may use, and has used: pause, resume, update, statistics. */
#include "agent.pb-c.h"
#include "agent/container.h"
#include "agent/operation.h"
#include "agent/rpc.h"
#include "agent/stats.h"
#include "wire/status.h"

static struct container *find_or_fail(struct agent *agent, const char *id, struct ttrpc_call *call)
{
	struct container *c = container_find(agent, rpc_str(id));
	struct err err = ERR_INIT;

	if (c && c->state != CONTAINER_PREPARING && c->state != CONTAINER_LAUNCHING)
		return c;
	err_status(&err, ENOENT, WIRE_INVALID_ARGUMENT, "invalid container id %s", rpc_str(id));
	rpc_fail(call, &err);
	return NULL;
}

void rpc_pause_container(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Grpc__PauseContainerRequest *request = (const Grpc__PauseContainerRequest *)message;
	struct container *c = find_or_fail(user, request->container_id, call);

	if (c)
		operation_start(c, OPERATION_PAUSE, call);
}

void rpc_resume_container(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Grpc__ResumeContainerRequest *request = (const Grpc__ResumeContainerRequest *)message;
	struct container *c = find_or_fail(user, request->container_id, call);

	if (c)
		operation_start(c, OPERATION_RESUME, call);
}

void rpc_update_container(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Grpc__UpdateContainerRequest *request = (const Grpc__UpdateContainerRequest *)message;
	struct container *c = find_or_fail(user, request->container_id, call);

	if (c && request->resources)
		operation_start(c, OPERATION_UPDATE, call);
	else if (c)
		ttrpc_call_reply(call, NULL);
}

/* Reading is done here and not in a job: these files wait for nobody. */
void rpc_stats_container(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Grpc__StatsContainerRequest *request = (const Grpc__StatsContainerRequest *)message;
	struct container *c = find_or_fail(user, request->container_id, call);
	auto_cgroup struct cgroup cgroup = {.layout = NULL};
	struct cgroup_stats stats = {.has_cpu = false};
	struct err err = ERR_INIT;
	int r;

	if (!c)
		return;
	r = launch_open_cgroup(c->cgroup, &cgroup, &err);
	if (r == 0) {
		r = cgroup_stats_read(&cgroup, &stats);
		if (r < 0)
			err_sys(&err, -r, "statistics of container %s", c->id);
	}
	if (r < 0)
		rpc_fail(call, &err);
	else
		stats_reply(call, &stats);
	cgroup_stats_fini(&stats);
}
