/* SPDX-License-Identifier: Apache-2.0 */
/* Methods by which a running guest grows: processors, memory, swap. */
#include <stdio.h>
#include <sys/stat.h>
#include <sys/swap.h>

#include "agent.pb-c.h"
#include "agent/agent.h"
#include "agent/call_job.h"
#include "agent/container.h"
#include "agent/guest_path.h"
#include "agent/online.h"
#include "agent/rpc.h"
#include "base/clock.h"
#include "base/path.h"
#include "linux/cgroup_cpuset.h"
#include "wire/message.h"
#include "wire/status.h"

/* As long as upstream's agent waits for processors. */
#define ONLINE_NS (5 * NS_PER_S)

/* What the container's spec says. In a job, which ends soon: nothing is freed. */
static int find_cpus(const struct container *c, const char **ret, struct err *err)
{
	const Grpc__Spec *spec;
	ProtobufCMessage *message;
	int r = message_decode(&grpc__spec__descriptor, buf_slice(&c->spec), NULL, &message, err);

	if (r < 0)
		return err_wrap(err, "container %s: its spec", c->id);
	spec = (const Grpc__Spec *)message;
	*ret = "";
	if (spec->linux && spec->linux->resources && spec->linux->resources->cpu)
		*ret = rpc_str(spec->linux->resources->cpu->cpus);
	return 0;
}

static int renew_cpusets(const struct agent *agent, struct err *err)
{
	const struct cgroup_layout *layout = launch_get_cgroup_layout(err);
	const struct map *containers = &agent->sandbox.containers;
	auto_free struct cgroup_cpuset *sets = calloc(containers->n_entries + 1, sizeof(*sets));
	size_t n = 0;
	int r = 0;

	if (!layout)
		return -ENOENT;
	if (!sets)
		return err_sys(err, ENOMEM, "processors of the containers");
	MAP_FOREACH (e, containers) {
		const struct container *c = e->value;

		if (r == 0 && c->has_cgroup) {
			sets[n].path = c->cgroup;
			r = find_cpus(c, &sets[n++].cpus, err);
		}
	}
	if (r < 0)
		return r;
	r = cgroup_cpuset_renew(layout, sets, n);
	return r < 0 ? err_sys(err, -r, "processors of the containers") : 0;
}

static int online(
	const struct agent *agent, const ProtobufCMessage *message, void *result, struct err *err)
{
	const Grpc__OnlineCPUMemRequest *request = (const Grpc__OnlineCPUMemRequest *)message;
	int r = 0;

	(void)result;
	if (request->nb_cpus > 0)
		r = online_cpus(request->nb_cpus, clock_now_ns() + ONLINE_NS, err);
	if (r == 0 && !request->cpu_only)
		r = online_memory(err);
	if (r == 0 && request->nb_cpus > 0)
		r = renew_cpusets(agent, err);
	return r;
}

void rpc_online_cpu_mem(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	(void)request;
	call_job_start(user, call, &(struct call_job_config){.run = online});
}

static int probe(
	const struct agent *agent, const ProtobufCMessage *message, void *result, struct err *err)
{
	const Grpc__MemHotplugByProbeRequest *request =
		(const Grpc__MemHotplugByProbeRequest *)message;

	(void)agent, (void)result;
	return online_probe_memory(
		request->memhotplugprobeaddr, request->n_memhotplugprobeaddr, err);
}

void rpc_mem_hotplug_by_probe(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	(void)request;
	call_job_start(user, call, &(struct call_job_config){.run = probe});
}

static int add_swap(
	const struct agent *agent, const ProtobufCMessage *message, void *result, struct err *err)
{
	const Grpc__AddSwapPathRequest *request = (const Grpc__AddSwapPathRequest *)message;
	const char *path = rpc_str(request->path);
	auto_fd int fd = guest_path_open(path, err);
	char name[PATH_FD_SIZE];
	struct stat st;

	(void)agent, (void)result;
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "stat %.512s", path);
	if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode))
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"%.512s is neither a block device nor a file", path);
	if (swapon(path_of_fd(fd, name), 0) < 0)
		return err_sys(err, errno, "swap on %.512s", path);
	return 0;
}

void rpc_add_swap_path(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	(void)message;
	call_job_start(user, call, &(struct call_job_config){.run = add_swap});
}
