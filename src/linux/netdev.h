/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* /proc/net/dev: what has gone through each network interface. */
#include "base/slice.h"

/* In the order of the file. */
enum netdev_count {
	NETDEV_RX_BYTES,
	NETDEV_RX_PACKETS,
	NETDEV_RX_ERRORS,
	NETDEV_RX_DROPPED,
	NETDEV_RX_FIFO,
	NETDEV_RX_FRAME,
	NETDEV_RX_COMPRESSED,
	NETDEV_RX_MULTICAST,
	NETDEV_TX_BYTES,
	NETDEV_TX_PACKETS,
	NETDEV_TX_ERRORS,
	NETDEV_TX_DROPPED,
	NETDEV_TX_FIFO,
	NETDEV_TX_COLLISIONS,
	NETDEV_TX_CARRIER,
	NETDEV_TX_COMPRESSED,
	NETDEV_COUNT,
};

struct netdev {
	struct slice name; /* borrowed from the text */
	size_t n;	   /* of counts that were there: the first ones */
	uint64_t counts[NETDEV_COUNT];
};

/* Cuts the next interface off the front of text; what is none (the headings) is passed over. False
 * at the end. */
bool netdev_next(struct slice *text, struct netdev *ret);
