/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/hypervisor.h"

#include <stdio.h>
#include <string.h>

#include "hypervisor/qemu.h"

typedef int new_fn(struct loop *loop, const struct hypervisor_vm *vm, hypervisor_exit_fn *on_exit,
	void *data, struct hypervisor **ret, struct err *err);

static const struct {
	const char *name; /* runtime.hypervisor_name */
	new_fn *new;
} drivers[] = {
	{"qemu", qemu_new},
};

int hypervisor_new(struct loop *loop, const struct hypervisor_vm *vm, hypervisor_exit_fn *on_exit,
	void *data, struct hypervisor **ret, struct err *err)
{
	const char *name = vm->config->runtime.hypervisor_name;

	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		if (strcmp(drivers[i].name, name) == 0)
			return drivers[i].new(loop, vm, on_exit, data, ret, err);
	return err_set(err, EOPNOTSUPP, "hypervisor %s is not supported yet", name);
}

void hypervisor_free(struct hypervisor *hv)
{
	if (hv)
		hv->ops->free(hv);
}

int hypervisor_start(struct hypervisor *hv, int64_t deadline_ns, hypervisor_done_fn *done,
	void *data, struct err *err)
{
	return hv->ops->start(hv, deadline_ns, done, data, err);
}

void hypervisor_stop(struct hypervisor *hv, int64_t grace_ns, hypervisor_done_fn *done, void *data)
{
	hv->ops->stop(hv, grace_ns, done, data);
}

const char *hypervisor_agent_address(const struct hypervisor *hv)
{
	return hv->ops->agent_address(hv);
}

int hypervisor_port_address(
	const struct hypervisor *hv, unsigned port, char text[static HYPERVISOR_ADDRESS_SIZE])
{
	const char *address = hypervisor_agent_address(hv);
	const char *colon = strrchr(address, ':');
	int n;

	/* Before the start there is none. */
	if (!colon)
		return -ENOTCONN;
	n = snprintf(
		text, HYPERVISOR_ADDRESS_SIZE, "%.*s:%u", (int)(colon - address), address, port);
	return n < 0 || n >= HYPERVISOR_ADDRESS_SIZE ? -ENAMETOOLONG : 0;
}

pid_t hypervisor_pid(const struct hypervisor *hv)
{
	return hv->ops->pid(hv);
}

const char *hypervisor_console_tail(const struct hypervisor *hv)
{
	return hv->ops->console_tail(hv);
}
