/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Private to src/wire: the allocator that charges a struct message_budget. Each block remembers its
 * size in front of it, so that freeing gives back what was charged; memory from one budget must be
 * freed to the same one.
 */
#include "wire/message.h"

struct budget_allocator {
	ProtobufCAllocator base;	 /* what protobuf-c is handed */
	struct message_budget *budget;	 /* borrowed; NULL: nothing is charged */
	bool over_budget, out_of_memory; /* why an allocation failed */
};

/* a must stay where it is while base is in use. */
void budget_allocator_init(struct budget_allocator *a, struct message_budget *budget);
/* NULL when the budget or the memory does not suffice. */
void *budget_alloc(struct budget_allocator *a, size_t size);
void budget_free(struct budget_allocator *a, void *p);
