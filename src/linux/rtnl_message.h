/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * rtnetlink messages (rtnetlink(7), linux/rtnetlink.h), without the socket: requests are written
 * into a struct of fixed size, and what arrives is read without trust in any of its lengths.
 *
 * Decoders take the message's body, skip attributes that they do not know, and refuse with -EBADMSG
 * what is too short, or an attribute of the wrong size. A decoded struct holds copies only.
 */
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "base/slice.h"
#include "linux/net_address.h"
#include "linux/rtnl_request.h"

/* Of a kind's name, as "veth", with its NUL: that of the longest in Linux. */
enum { RTNL_KIND_SIZE = 16 };

struct rtnl_link {
	int index;
	unsigned int flags; /* IFF_UP, ... */
	uint32_t mtu;
	char name[IFNAMSIZ];
	struct mac_address mac;
	bool is_virtual; /* made by software on top of others or of nothing (veth, bridge, ...) */
	char kind[RTNL_KIND_SIZE]; /* "veth", ...; "": none, or too long to be one we know */
};

/* What is to be changed of a link; what is 0 or NULL stays. */
struct rtnl_link_change {
	int index;
	unsigned int flags, flags_mask;
	uint32_t mtu;
	const char *name; /* borrowed; shorter than IFNAMSIZ */
	const struct mac_address *mac;
};

struct rtnl_addr {
	int index;
	struct ip_address ip;
	uint8_t scope;
	uint32_t flags; /* IFA_F_PERMANENT, ... */
};

struct rtnl_route {
	uint8_t family;
	struct ip_address dest; /* AF_UNSPEC: the default route */
	struct ip_address gateway;
	struct ip_address source; /* of packets that are sent (RTA_PREFSRC) */
	struct ip_address from;	  /* that packets must have (RTA_SRC) */
	int index;		  /* of the link; 0: none, or several */
	uint32_t table, priority;
	uint8_t scope, type, protocol; /* type 0: RTN_UNICAST; protocol 0: RTPROT_BOOT */
	uint32_t flags;		       /* RTNH_F_ONLINK, ... */
	uint32_t mtu;		       /* 0: the link's */
};

struct rtnl_neighbor {
	int index;
	struct ip_address ip;
	struct mac_address mac;
	uint16_t state; /* NUD_PERMANENT, ... */
	uint8_t flags;
};

/* type: RTM_NEW... or RTM_DEL...; flags: NLM_F_CREATE and such. Sequence number and acknowledgement
 * are the socket's business (rtnl.h). */
void rtnl_encode_link(const struct rtnl_link_change *change, struct rtnl_request *ret);
void rtnl_encode_addr(
	uint16_t type, uint16_t flags, const struct rtnl_addr *addr, struct rtnl_request *ret);
/* In the main table, unless route->table says otherwise. */
void rtnl_encode_route(
	uint16_t type, uint16_t flags, const struct rtnl_route *route, struct rtnl_request *ret);
void rtnl_encode_neighbor(
	uint16_t type, uint16_t flags, const struct rtnl_neighbor *n, struct rtnl_request *ret);
/* All of type RTM_GET... and family (AF_UNSPEC: every one). */
void rtnl_encode_dump(uint16_t type, uint8_t family, struct rtnl_request *ret);

/* One message of a datagram; all borrowed from it. */
struct rtnl_message {
	uint16_t type, flags;
	uint32_t sequence, port;
	struct slice body;  /* behind the netlink header */
	struct slice whole; /* with it */
};

/* Cuts the next message off the front of bytes. 1, or 0 at the end, or -EBADMSG. */
int rtnl_next_message(struct slice *bytes, struct rtnl_message *ret) must_check;

int rtnl_decode_link(struct slice body, struct rtnl_link *ret) must_check;
int rtnl_decode_addr(struct slice body, struct rtnl_addr *ret) must_check;
int rtnl_decode_route(struct slice body, struct rtnl_route *ret) must_check;
int rtnl_decode_neighbor(struct slice body, struct rtnl_neighbor *ret) must_check;
/*
 * NLMSG_ERROR: 0 (the acknowledgement of a success) or -errno in *ret_code, and the kernel's own
 * words about it, or "", in why.
 */
enum { RTNL_WHY_SIZE = 128 };
int rtnl_decode_error(
	const struct rtnl_message *m, int *ret_code, char why[static RTNL_WHY_SIZE]) must_check;
