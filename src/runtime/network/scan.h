/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a pod's network namespace holds: the interfaces that a CNI plugin has configured for the pod,
 * each of which becomes a network device of the guest, and what the guest has to be told of them.
 *
 * An interface counts if it has an address other than IPv6's link-local ones, which the kernel gives
 * to every link; lo never does. What cannot be handed to a guest is refused by name and not left out.
 * The namespace's content is not ours: every list has a limit.
 */
#include <stdbool.h>

#include "base/err.h"
#include "linux/rtnl_message.h"

enum {
	/* What fits on the guest's PCI bus beside everything else. */
	NETWORK_ENDPOINTS_MAX = 16,
	/* A pod with more routes is a router; its guest can be told only what fits into a message. */
	NETWORK_ADDRESSES_MAX = 128,
	NETWORK_ROUTES_MAX = 512,
	NETWORK_NEIGHBORS_MAX = 512,
	NETWORK_DNS_MAX = 64,
	NETWORK_DNS_SIZE = 16 << 10,
};

enum network_type {
	NETWORK_VETH,
	NETWORK_IPVLAN,
	NETWORK_MACVLAN,
	NETWORK_VLAN,
	NETWORK_TAP,	/* whose other end a program has */
	NETWORK_DEVICE, /* no kind, and no card of the host */
	NETWORK_TYPE_COUNT,
};

struct network_endpoint {
	enum network_type type;
	struct rtnl_link link;
};

/* Holds no pointers: a job fills it in memory that it shares with us. */
struct network_scan {
	struct network_endpoint endpoints[NETWORK_ENDPOINTS_MAX]; /* in the kernel's order */
	size_t n_endpoints;
	struct rtnl_addr addresses[NETWORK_ADDRESSES_MAX];
	size_t n_addresses;
	/* Of endpoints, of the main table, and not those that follow from the addresses. */
	struct rtnl_route routes[NETWORK_ROUTES_MAX];
	size_t n_routes;
	size_t n_untold; /* routes that the agent's protocol has no words for */
	struct rtnl_neighbor neighbors[NETWORK_NEIGHBORS_MAX]; /* permanent ones */
	size_t n_neighbors;
	char dns[NETWORK_DNS_SIZE]; /* lines of resolv.conf, each with a NUL */
	size_t n_dns;
	uint64_t dev, ino; /* of the namespace */
};

/*
 * Fills *ret, which is zero. -ENOTSUP: an interface that a guest cannot have; -E2BIG: more than there
 * is room for; -EEXIST: somebody filters what an interface receives already. resolv_conf: a file,
 * or NULL. Enters the namespace, which is left open in *ret_fd: only for a job's child.
 */
int network_scan(const char *netns, const char *resolv_conf, struct network_scan *ret, int *ret_fd,
	struct err *err) must_check;

/* The endpoint of the link with this index, or NULL. */
const struct network_endpoint *network_scan_find(const struct network_scan *scan, int index);

/*
 * Opens the network namespace at path. -EINVAL: it is something else. ret_dev and ret_ino, which name
 * it as long as it lives, may be NULL.
 */
int network_open_netns(
	const char *path, uint64_t *ret_dev, uint64_t *ret_ino, struct err *err) must_check;
