/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A sandbox's network: the pod's network namespace, as a CNI plugin has left it, carried into the
 * guest.
 *
 *	network_set_up	looks into the namespace and joins each interface with a tap (two jobs)
 *	network_add	makes the taps network devices of a VM that has not been started
 *	network_tell	tells the agent about interfaces, permanent neighbors and routes
 *
 * in this order. What set-up makes is noted in the journal first and undone with the sandbox
 * (runtime/undo.h); the taps go with their descriptors.
 */
#include "config/config.h"
#include "hypervisor/hypervisor.h"
#include "loop/loop.h"
#include "runtime/agent.h"
#include "runtime/state.h"

struct network;

struct network_config {
	struct loop *loop;
	struct state *journal;
	const struct config *config; /* borrowed for the network's life */
	const char *netns;
	const char *resolv_conf; /* NULL: the guest gets none */
};

/* The pod's network namespace is to be used (internetworking_model, disable_new_netns). */
bool network_is_wanted(const struct config *config);

/* err NULL: done. From the loop. */
typedef void network_done_fn(void *data, const struct err *err);

int network_new(
	const struct network_config *config, struct network **ret, struct err *err) must_check;
/* After the VM and the agent, and not during the set-up, which is answered in any case. NULL is
 * fine. */
void network_free(struct network *n);

int network_set_up(
	struct network *n, network_done_fn *done, void *data, struct err *err) must_check;
int network_add(struct network *n, struct hypervisor *hv, struct err *err) must_check;
/* Only of a network that has endpoints. Not answered once the agent has been freed. */
int network_tell(struct network *n, struct agent *agent, network_done_fn *done, void *data,
	struct err *err) must_check;

/* The namespace, borrowed from n, after the set-up. */
int network_get_netns(const struct network *n);
/* After the set-up: there is an interface for the guest. */
bool network_has_endpoints(const struct network *n);
/* The lines of the guest's resolv.conf: borrowed from n, as many as are said in *ret_n. */
char **network_get_dns(struct network *n, size_t *ret_n);
