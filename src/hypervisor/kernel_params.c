/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/kernel_params.h"

/* COMMAND_LINE_SIZE of x86 with its NUL; Kata's fixed port of the debug console and the agent's own
 * default port. */
enum { PARAMS_MAX = 2047, DEBUG_CONSOLE_PORT = 1026, AGENT_PORT = 1024 };

/* panic=1 and reboot=k end a guest that panics within a second: QEMU runs with -no-reboot. The
 * systemd.* ones are for guests whose init is systemd. */
static const char base[] =
	"reboot=k panic=1 systemd.unit=kata-containers.target "
	"systemd.mask=systemd-networkd.service systemd.mask=systemd-networkd.socket";

/* Each saves the guest a probe, a calibration or a self-test that means nothing in a VM. */
static const char quick[] = "tsc=reliable no_timer_check noreplace-smp cryptomgr.notests "
			    "rcupdate.rcu_expedited=1";

/* Memory that is plugged in is used at once: as much of it as may be is kept free of what cannot be moved,
 * so that it can be taken out again. */
static const char memory[] =
	" memhp_default_state=online memory_hotplug.online_policy=auto-movable";
/* Because memory past 4 GiB may come, the guest would clear and keep 64 MiB for devices that cannot reach
 * it. Virtio's reach everything, unless an IOMMU stands between. */
static const char no_bounces[] = " swiotlb=noforce";

static bool can_grow(const struct config *config)
{
	const struct config_hypervisor *hv = &config->hypervisor;

	return !config->runtime.static_sandbox_resource_mgmt &&
	       (hv->memory_slots > 0 || hv->enable_virtio_mem);
}

/* The log port always: the console is slow (every byte leaves the guest), and the timeline of the
 * start comes by the log. */
static int append_agent(const struct config_agent *agent, struct buf *out)
{
	int r = 0;

	if (agent->container_pipe_size > 0)
		r = buf_printf(out, " agent.container_pipe_size=%u", agent->container_pipe_size);
	if (r == 0 && agent->debug_console_enabled)
		r = buf_printf(out, " agent.debug_console agent.debug_console_vport=%d",
			DEBUG_CONSOLE_PORT);
	if (r == 0 && agent->launch_process_timeout_s > 0)
		r = buf_printf(
			out, " agent.launch_process_timeout=%u", agent->launch_process_timeout_s);
	if (r == 0 && agent->enable_debug)
		r = buf_append_str(out, " agent.log=debug");
	if (r == 0)
		r = buf_printf(out, " agent.log_vport=%u", agent->log_port);
	if (r == 0 && agent->server_port != AGENT_PORT)
		r = buf_printf(out, " agent.server_addr=vsock://-1:%u", agent->server_port);
	return r;
}

int kernel_params_format(const struct config *config, struct buf *out)
{
	const struct config_hypervisor *hv = &config->hypervisor;
	size_t before = buf_len(out);
	int r = buf_printf(
		out, "%s %s console=ttyS0%s", base, quick, hv->enable_debug ? "" : " quiet");

	if (r == 0 && can_grow(config))
		r = buf_append_str(out, memory);
	if (r == 0 && can_grow(config) && !hv->enable_iommu)
		r = buf_append_str(out, no_bounces);
	if (r == 0 && hv->enable_iommu)
		r = buf_append_str(out, " intel_iommu=on iommu=pt");
	if (r == 0)
		r = append_agent(&config->agent, out);
	if (r == 0 && hv->kernel_params && *hv->kernel_params)
		r = buf_printf(out, " %s", hv->kernel_params);
	if (r == 0 && buf_len(out) - before > PARAMS_MAX)
		r = -EFBIG;
	return r;
}
