/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Calls that wait for the same thing, the oldest first: a list (base/list.h) of struct parked. One
 * whose client leaves, or whose time is up, goes out of the list by itself.
 */
#include "base/list.h"
#include "wire/ttrpc_server.h"

struct parked {
	struct list link;
	struct ttrpc_call *call;
};

/* Takes over call. -ENOMEM: it is still the caller's. */
int parked_add(struct list *list, struct ttrpc_call *call) must_check;
/* The oldest, which is the caller's to end; NULL: none. */
struct ttrpc_call *parked_take(struct list *list);
