/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Private to src/wire: the allocator that charges a struct message_budget. Each block remembers its
 * size in front of it, so that freeing gives back what was charged; memory from one budget must be
 * freed to the same one.
 */
#include <stdbool.h>

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

/* The same without memory. False: the budget, or one above it, does not suffice. */
bool budget_charge(struct message_budget *budget, size_t size) must_check;
void budget_discharge(struct message_budget *budget, size_t size);
/* For what is there already: *charged becomes now, even past the limits. */
void budget_recharge(struct message_budget *budget, size_t *charged, size_t now);
/* More has been charged than this budget may have, or than one above it that it draws on. */
bool budget_is_over(const struct message_budget *budget);
