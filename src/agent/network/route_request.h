/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A route of an UpdateRoutes, checked. */
#include "base/err.h"
#include "linux/rtnl_message.h"
#include "types.pb-c.h"

/*
 * All but the index of its link. What cannot be meant is an INVALID_ARGUMENT.
 *
 * source with a prefix of its own is what packets must come from, as upstream has it; a plain
 * address is what packets are sent with, which upstream means and gets wrong.
 */
int route_request_parse(
	const Types__Route *from, struct rtnl_route *ret, struct err *err) must_check;
