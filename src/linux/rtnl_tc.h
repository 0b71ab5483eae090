/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Traffic control (tc(8)): what one link receives is sent out by another. An ingress queueing
 * discipline gives a link a place for filters; the one filter there matches every packet, whatever
 * its protocol, and redirects it, so the kernel's own network stack does not see it any more.
 *
 * Requests for rtnl_call(). With the discipline go its filters.
 */
#include <stdbool.h>

#include "linux/rtnl_request.h"

/* -EEXIST when the link has one already, which is then somebody else's. */
void rtnl_encode_add_ingress(int index, struct rtnl_request *ret);
/* -EINVAL or -ENOENT when it has none. */
void rtnl_encode_delete_ingress(int index, struct rtnl_request *ret);
/* index needs its ingress discipline first. */
void rtnl_encode_redirect(int index, int to_index, struct rtnl_request *ret);

/* A queueing discipline, of a dump of RTM_GETQDISC. */
struct rtnl_qdisc {
	int index;	 /* of its link */
	bool is_ingress; /* or clsact, which takes the same place */
};
int rtnl_decode_qdisc(struct slice body, struct rtnl_qdisc *ret) must_check;
