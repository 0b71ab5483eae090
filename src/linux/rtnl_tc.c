/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/rtnl_tc.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>

enum { FIRST_ACTION = 1, PRIORITY = 1 };

static void encode_ingress(uint16_t type, uint16_t flags, int index, struct rtnl_request *ret)
{
	struct tcmsg header = {.tcm_family = AF_UNSPEC,
		.tcm_ifindex = index,
		.tcm_handle = TC_H_MAKE(TC_H_INGRESS, 0),
		.tcm_parent = TC_H_INGRESS};

	rtnl_request_begin(ret, type, flags, &header, sizeof(header));
	rtnl_request_put_str(ret, TCA_KIND, "ingress");
	rtnl_request_end(ret);
}

void rtnl_encode_add_ingress(int index, struct rtnl_request *ret)
{
	encode_ingress(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, index, ret);
}

void rtnl_encode_delete_ingress(int index, struct rtnl_request *ret)
{
	encode_ingress(RTM_DELQDISC, 0, index, ret);
}

/* One key whose mask is empty: every packet has it. u32 and not matchall, which kernels may lack. */
static void put_match_all(struct rtnl_request *q)
{
	struct tc_u32_sel selector = {.flags = TC_U32_TERMINAL, .nkeys = 1};
	uint8_t match[sizeof(selector) + sizeof(struct tc_u32_key)] = {0};

	memcpy(match, &selector, sizeof(selector));
	rtnl_request_put(q, TCA_U32_SEL, match, sizeof(match));
}

static void put_redirect(struct rtnl_request *q, int to_index)
{
	struct tc_mirred redirect = {.action = TC_ACT_STOLEN,
		.eaction = TCA_EGRESS_REDIR,
		.ifindex = (uint32_t)to_index};
	size_t list = rtnl_request_open(q, TCA_U32_ACT);
	size_t action = rtnl_request_open(q, FIRST_ACTION), options;

	rtnl_request_put_str(q, TCA_ACT_KIND, "mirred");
	options = rtnl_request_open(q, TCA_ACT_OPTIONS);
	rtnl_request_put(q, TCA_MIRRED_PARMS, &redirect, sizeof(redirect));
	rtnl_request_close(q, options);
	rtnl_request_close(q, action);
	rtnl_request_close(q, list);
}

void rtnl_encode_redirect(int index, int to_index, struct rtnl_request *ret)
{
	struct tcmsg header = {.tcm_family = AF_UNSPEC,
		.tcm_ifindex = index,
		.tcm_parent = TC_H_MAKE(TC_H_INGRESS, 0),
		.tcm_info = TC_H_MAKE(PRIORITY << 16, htons(ETH_P_ALL))};
	size_t options;

	rtnl_request_begin(ret, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
	rtnl_request_put_str(ret, TCA_KIND, "u32");
	options = rtnl_request_open(ret, TCA_OPTIONS);
	put_match_all(ret);
	put_redirect(ret, to_index);
	rtnl_request_close(ret, options);
	rtnl_request_end(ret);
}

int rtnl_decode_qdisc(struct slice body, struct rtnl_qdisc *ret)
{
	struct tcmsg header;

	if (body.len < sizeof(header))
		return -EBADMSG;
	memcpy(&header, body.p, sizeof(header));
	if (header.tcm_ifindex <= 0)
		return -EBADMSG;
	*ret = (struct rtnl_qdisc){
		.index = header.tcm_ifindex, .is_ingress = header.tcm_parent == TC_H_INGRESS};
	return 0;
}
