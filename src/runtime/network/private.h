/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What network.c (the host's side) and guest.c (the agent's) share. */
#include "hypervisor/device.h"
#include "runtime/network/attach.h"
#include "runtime/network/network.h"

/* The guest's end of an endpoint. */
struct network_device {
	struct network *network;
	/* Owned until the VM has them: of the tap's queues, then as many of vhost-net, if any. */
	int fds[NETWORK_FDS_MAX];
	size_t n_fds;
	char pci[HYPERVISOR_GUEST_ADDRESS_SIZE]; /* "": the VM has not said yet */
};

struct network {
	struct loop *loop;	     /* borrowed */
	struct state *journal;	     /* borrowed */
	const struct config *config; /* borrowed */
	char *netns, *resolv_conf;   /* owned */
	struct network_scan *scan;   /* owned: a mapping shared with our jobs */
	struct network_device devices[NETWORK_ENDPOINTS_MAX];
	size_t n_queues;
	int receive_fd, send_fd;    /* owned: descriptors from the jobs */
	int netns_fd;		    /* owned */
	struct err device_err;	    /* what the VM said of a device that it does not get */
	char *dns[NETWORK_DNS_MAX]; /* borrowed from scan */

	network_done_fn *done; /* NULL: nothing is under way */
	void *data;
	struct agent *agent; /* borrowed while the agent is being told */
	size_t n_told;	     /* endpoints */
};
