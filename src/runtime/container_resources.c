/* SPDX-License-Identifier: Apache-2.0 */
/* What a container may use, and what it uses. */
#include "runtime/container.h"
#include "wire/status.h"

int container_fit(struct container *c, const Grpc__LinuxResources *resources, sandbox_done_fn *done,
	void *data, struct err *err)
{
	int r;

	if (c->init->state == GUEST_PROCESS_STOPPED)
		return err_status(
			err, EINVAL, WIRE_FAILED_PRECONDITION, "container %s has stopped", c->id);
	c->old_need = c->need;
	sizing_read(resources, &c->need);
	r = sandbox_fit(c->sandbox, c->id, &c->need, done, data);
	if (r < 0)
		c->need = c->old_need;
	return r < 0 ? err_sys(err, -r, "fit the virtual machine") : 0;
}

void container_unfit(struct container *c)
{
	c->need = c->old_need;
	/* Without memory, or a running sandbox, the machine stays as it is. */
	(void)!sandbox_fit(c->sandbox, c->id, &c->need, NULL, NULL);
}

int container_update(const struct container *c, const Grpc__LinuxResources *resources,
	ttrpc_reply_fn *fn, void *data, struct err *err)
{
	Grpc__UpdateContainerRequest request = GRPC__UPDATE_CONTAINER_REQUEST__INIT;
	int r;

	if (c->init->state == GUEST_PROCESS_STOPPED)
		return err_status(
			err, EINVAL, WIRE_FAILED_PRECONDITION, "container %s has stopped", c->id);
	request.container_id = c->id;
	request.resources = (Grpc__LinuxResources *)(uintptr_t)resources;
	r = agent_call(
		sandbox_agent(c->sandbox), AGENT_UPDATE_CONTAINER, &request.base, fn, data, NULL);
	return r < 0 ? err_sys(err, -r, "update the container") : 0;
}

int container_stats(const struct container *c, ttrpc_reply_fn *fn, void *data, struct err *err)
{
	Grpc__StatsContainerRequest request = GRPC__STATS_CONTAINER_REQUEST__INIT;
	int r;

	if (c->init->state == GUEST_PROCESS_STOPPED)
		return err_status(err, ESRCH, WIRE_NOT_FOUND,
			"container %s has stopped: its statistics are not found", c->id);
	request.container_id = c->id;
	r = agent_call(
		sandbox_agent(c->sandbox), AGENT_STATS_CONTAINER, &request.base, fn, data, NULL);
	return r < 0 ? err_sys(err, -r, "ask for the container's statistics") : 0;
}
