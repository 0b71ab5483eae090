/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/parked.h"

static struct ttrpc_call *unpark(struct parked *parked)
{
	struct ttrpc_call *call = parked->call;

	list_remove(&parked->link);
	ttrpc_call_on_cancel(call, NULL, NULL);
	free(parked);
	return call;
}

static void on_cancel(void *data)
{
	ttrpc_call_drop(unpark(data));
}

int parked_add(struct list *list, struct ttrpc_call *call)
{
	struct parked *parked = malloc(sizeof(*parked));

	if (!parked)
		return -ENOMEM;
	parked->call = call;
	list_add(list, &parked->link);
	ttrpc_call_on_cancel(call, on_cancel, parked);
	return 0;
}

struct ttrpc_call *parked_take(struct list *list)
{
	return list_is_empty(list) ? NULL : unpark(container_of(list->next, struct parked, link));
}
