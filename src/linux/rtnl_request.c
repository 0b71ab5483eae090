/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/rtnl_request.h"

#include <assert.h>
#include <linux/rtnetlink.h>

/* The bytes stay zero up to the next multiple of 4, which is the padding. */
static void put(struct rtnl_request *q, const void *p, size_t len)
{
	assert(q->len + NLMSG_ALIGN(len) <= sizeof(q->bytes));
	if (len > 0)
		memcpy(q->bytes + q->len, p, len);
	q->len += NLMSG_ALIGN(len);
}

void rtnl_request_begin(
	struct rtnl_request *q, uint16_t type, uint16_t flags, const void *header, size_t size)
{
	struct nlmsghdr h = {.nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | flags};

	*q = (struct rtnl_request){.len = 0};
	put(q, &h, sizeof(h));
	put(q, header, size);
}

void rtnl_request_put(struct rtnl_request *q, uint16_t type, const void *p, size_t len)
{
	struct rtattr a = {.rta_type = type, .rta_len = (uint16_t)(sizeof(a) + len)};

	put(q, &a, sizeof(a));
	put(q, p, len);
}

void rtnl_request_put_u32(struct rtnl_request *q, uint16_t type, uint32_t n)
{
	rtnl_request_put(q, type, &n, sizeof(n));
}

void rtnl_request_put_str(struct rtnl_request *q, uint16_t type, const char *s)
{
	rtnl_request_put(q, type, s, strlen(s) + 1);
}

size_t rtnl_request_open(struct rtnl_request *q, uint16_t type)
{
	size_t opened = q->len;

	rtnl_request_put(q, type | NLA_F_NESTED, NULL, 0);
	return opened;
}

void rtnl_request_close(struct rtnl_request *q, size_t opened)
{
	uint16_t len = (uint16_t)(q->len - opened);

	memcpy(q->bytes + opened + offsetof(struct rtattr, rta_len), &len, sizeof(len));
}

void rtnl_request_end(struct rtnl_request *q)
{
	uint32_t len = (uint32_t)q->len;

	memcpy(q->bytes + offsetof(struct nlmsghdr, nlmsg_len), &len, sizeof(len));
}

int rtnl_next_attribute(struct slice *bytes, uint16_t *ret_type, struct slice *ret)
{
	struct rtattr a;
	size_t step;

	/* Less than a header is padding. */
	if (bytes->len < sizeof(a))
		return 0;
	memcpy(&a, bytes->p, sizeof(a));
	if (a.rta_len < sizeof(a) || a.rta_len > bytes->len)
		return -EBADMSG;
	*ret_type = a.rta_type & (uint16_t) ~(NLA_F_NESTED | NLA_F_NET_BYTEORDER);
	*ret = slice_of(bytes->p + sizeof(a), a.rta_len - sizeof(a));
	step = NLMSG_ALIGN(a.rta_len);
	if (step > bytes->len)
		step = bytes->len;
	*bytes = slice_of(bytes->p + step, bytes->len - step);
	return 1;
}
