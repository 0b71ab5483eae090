/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Joins each endpoint of a pod's network namespace with a network device of the guest (the model
 * tcfilter): a tap device beside it, and filters by which each of the two sends out what the other
 * receives. The endpoint keeps its addresses, which CNI plugins look for.
 *
 * A tap goes with its last descriptor, so with the VMM and us. What stays is the endpoint's ingress
 * discipline: it is noted (struct state_network) before network_attach(), and network_detach() takes
 * it away. All of this enters the namespace, so it is for a job's child, or for `delete`.
 */
#include "linux/tap.h"
#include "runtime/network/scan.h"
#include "runtime/state.h"

/* The tap of the i-th endpoint: "tap0_kata". */
void network_tap_name(uint8_t i, char name[static IFNAMSIZ]);

/*
 * Sends the descriptors of each endpoint's tap in a message of its own, in their order, on the
 * socket; behind them, with_vhost and where this machine has it, as many of /dev/vhost-net. What was made when it fails is undone by network_detach() and the closing of the
 * descriptors.
 */
int network_attach(const char *netns, const struct network_scan *scan, size_t n_queues,
	bool with_vhost, int socket_fd, struct err *err) must_check;

/* A message with descriptors, at most NETWORK_FDS_MAX. Both never wait. Of receiving, their number. */
enum { NETWORK_FDS_MAX = 2 * TAP_QUEUES_MAX };
int network_send_fds(int socket_fd, const int *fds, size_t n) must_check;
int network_receive_fds(int socket_fd, int fds[static NETWORK_FDS_MAX]) must_check;

/* Does nothing to a namespace that is gone, or another one by now. */
int network_detach(const struct state_network *network, struct err *err) must_check;
