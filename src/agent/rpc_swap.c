/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AddSwap: a disk to swap to, named by its PCI path, which is waited for as the disks of containers
 * are (device/hotplug.h).
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/swap.h>

#include "agent.pb-c.h"
#include "agent/agent.h"
#include "agent/call_job.h"
#include "agent/rpc.h"
#include "wire/status.h"

/* The call, until its disk is there. */
struct swap_wait {
	struct agent *agent;
	struct ttrpc_call *call;
	struct hotplug_wait *wait;
};

/* The numbers of slots, from the root bus down; each of function 0. */
static int parse(const Grpc__AddSwapRequest *request, struct device_want *ret, struct err *err)
{
	enum { MAX_SLOT = 0x1f };

	*ret = (struct device_want){.kind = DEVICE_BLOCK_PCI};
	if (request->n_pcipath == 0 || request->n_pcipath > PCI_PATH_MAX)
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT, "a PCI path of %zu slots",
			request->n_pcipath);
	for (size_t i = 0; i < request->n_pcipath; i++) {
		if (request->pcipath[i] > MAX_SLOT)
			return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
				"%u is not a PCI slot", request->pcipath[i]);
		ret->pci.at[ret->pci.n++].slot = (uint8_t)request->pcipath[i];
	}
	return 0;
}

static int find_disk(const char *sys_dir, const struct device_want *want, struct device_found *ret)
{
	auto_fd int sys_fd = open(sys_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char devpath[PCI_DEVPATH_SIZE];
	int r = sys_fd < 0 ? -errno : device_find(sys_fd, want, devpath);

	return r < 0 ? r : device_describe(sys_fd, want, devpath, ret);
}

/* In a job: reading the disk's header may take its time. */
static int add_swap(
	const struct agent *agent, const ProtobufCMessage *message, void *result, struct err *err)
{
	struct device_found disk;
	struct device_want want;
	int r = parse((const Grpc__AddSwapRequest *)message, &want, err);

	(void)result;
	if (r < 0)
		return r;
	r = find_disk(agent->hotplug.sys_dir, &want, &disk);
	if (r < 0)
		return err_sys(err, -r, "find the disk to swap to");
	return swapon(disk.node, 0) < 0 ? err_sys(err, errno, "swap on %s", disk.node) : 0;
}

static void on_found(void *data, const struct device_found *found, const struct err *err)
{
	struct swap_wait *s = data;
	struct agent *agent = s->agent;
	struct ttrpc_call *call = s->call;

	(void)found;
	free(s);
	ttrpc_call_on_cancel(call, NULL, NULL);
	if (err)
		rpc_fail(call, err);
	else
		call_job_start(agent, call, &(struct call_job_config){.run = add_swap});
}

static void on_cancel(void *data)
{
	struct swap_wait *s = data;

	hotplug_wait_free(s->wait);
	ttrpc_call_drop(s->call);
	free(s);
}

static int start(struct agent *agent, struct ttrpc_call *call, const Grpc__AddSwapRequest *request,
	struct err *err)
{
	struct swap_wait *s;
	struct device_want want;
	int r = parse(request, &want, err);

	if (r < 0)
		return r;
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_sys(err, ENOMEM, "add swap");
	s->agent = agent;
	s->call = call;
	r = hotplug_wait(&agent->hotplug, &want, on_found, s, &s->wait, err);
	if (r < 0)
		free(s);
	else
		ttrpc_call_on_cancel(call, on_cancel, s);
	return r;
}

void rpc_add_swap(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	struct err err = ERR_INIT;

	if (start(user, call, (const Grpc__AddSwapRequest *)message, &err) < 0)
		rpc_fail(call, &err);
}
