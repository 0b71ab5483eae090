/* SPDX-License-Identifier: Apache-2.0 */
/* The pod's network namespace on its way into the guest: what comes before the VM's start. */
#include "base/clock.h"
#include "linux/spawn.h"
#include "runtime/sandbox_private.h"
#include "runtime/timeline.h"

/* A stop that waits for it goes on after its owner has heard of the end. */
static void on_set_up(void *data, const struct err *err)
{
	struct sandbox *sb = data;
	bool is_awaited = sb->state == SANDBOX_STOPPING;

	timeline_end("look into the network namespace", NULL, sb->step_ns);
	sb->n_jobs--;
	sb->network_done(sb->network_data, err);
	if (is_awaited)
		sandbox_stop_step(sb);
}

int sandbox_set_network(struct sandbox *sb, const char *netns, const char *resolv_conf,
	sandbox_done_fn *done, void *data, struct err *err)
{
	struct network_config config = {.loop = sb->loop,
		.journal = sb->journal,
		.config = sb->config,
		.netns = netns,
		.resolv_conf = resolv_conf};
	int r;

	sb->step_ns = clock_now_ns();
	r = network_new(&config, &sb->network, err);
	if (r == 0)
		r = network_set_up(sb->network, on_set_up, sb, err);
	if (r < 0)
		return r;
	sb->network_done = done;
	sb->network_data = data;
	sb->n_jobs++;
	return 0;
}

/* Whoever breaks out of the VMM is to find the pod's network at most. */
int sandbox_vmm_netns(const struct sandbox *sb)
{
	if (sb->config->runtime.disable_new_netns)
		return 0;
	return sb->network ? network_get_netns(sb->network) : SPAWN_NEW_NETNS;
}
