/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A netlink request in the making, and the attributes that requests and answers are made of. Layers
 * above use the encoders of rtnl_message.h and rtnl_tc.h, which are built of these.
 *
 *	rtnl_request_begin(&q, RTM_NEWLINK, NLM_F_CREATE, &header, sizeof(header));
 *	rtnl_request_put_u32(&q, IFLA_MTU, 1500);
 *	nest = rtnl_request_open(&q, IFLA_LINKINFO);
 *	...
 *	rtnl_request_close(&q, nest);
 *	rtnl_request_end(&q);
 */
#include <linux/netlink.h>

#include "base/slice.h"

enum { RTNL_REQUEST_SIZE = 256 };

/* All of our requests fit: a name, a few addresses and numbers. */
struct rtnl_request {
	_Alignas(NLMSG_ALIGNTO) uint8_t bytes[RTNL_REQUEST_SIZE];
	size_t len;
};

/* header: what follows the netlink header in messages of this type. */
void rtnl_request_begin(
	struct rtnl_request *q, uint16_t type, uint16_t flags, const void *header, size_t size);
void rtnl_request_put(struct rtnl_request *q, uint16_t type, const void *p, size_t len);
void rtnl_request_put_u32(struct rtnl_request *q, uint16_t type, uint32_t n);
/* With its NUL. */
void rtnl_request_put_str(struct rtnl_request *q, uint16_t type, const char *s);
/* What is put in between is inside of this attribute. The value is for the close. */
size_t rtnl_request_open(struct rtnl_request *q, uint16_t type);
void rtnl_request_close(struct rtnl_request *q, size_t opened);
void rtnl_request_end(struct rtnl_request *q);

/* Cuts the next attribute off the front of bytes: 1, or 0 at the end, or -EBADMSG. Flags in its type
 * (NLA_F_NESTED) are left out. */
int rtnl_next_attribute(struct slice *bytes, uint16_t *ret_type, struct slice *ret) must_check;
