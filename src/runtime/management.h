/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The management endpoint of a sandbox: HTTP on <run_dir>/shim-monitor.sock, which kata-ctl, kata-monitor
 * and CSI drivers talk to. The socket is its owner's alone (0600, in a directory of 0700).
 *
 *	GET  /agent-url			where the agent listens
 *	GET  /metrics			Prometheus' text: shim, VMM, then what the guest says of itself
 *	GET, PUT /iptables, /ip6tables	the guest's rules, as iptables-save writes them
 *	GET, POST /direct-volume/stats?path=P	{"usage": ..., "volume_condition": ...}
 *	POST /direct-volume/resize	{"volume_guest_path": P, "size": BYTES}
 *
 * What the guest cannot do is told with 500 and its reason, an unknown path with 404.
 */
#include "hypervisor/hypervisor.h"
#include "runtime/agent.h"

#define MANAGEMENT_SOCKET "shim-monitor.sock"

struct management;

struct management_config {
	const char *path;	     /* of the socket, which has been noted; borrowed */
	struct agent *agent;	     /* borrowed, connected */
	const struct hypervisor *hv; /* borrowed, started */
	pid_t vmm_pid;
};

int management_new(struct loop *loop, const struct management_config *config,
	struct management **ret, struct err *err) must_check;
/* Before the agent and the hypervisor are freed; a request that is under way is not answered. The socket's
 * file is removed. NULL is fine. */
void management_free(struct management *m);
