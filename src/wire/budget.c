/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/budget.h"

#include <assert.h>
#include <stdalign.h>

/* In front of each block; as large as the alignment that malloc promises. */
union prefix {
	size_t charged;
	max_align_t align;
};

/* The prefix and about what malloc itself adds: without it a peer gets many tiny blocks too cheap.
 */
enum { BLOCK_OVERHEAD = sizeof(union prefix) + 16 };

/* How much of it the parent is charged for. */
static size_t passed_on(const struct message_budget *b)
{
	return b->used > b->reserve ? b->used - b->reserve : 0;
}

/* Charges size without looking at limits. */
static void add(struct message_budget *budget, size_t size)
{
	for (struct message_budget *b = budget; b; b = b->parent) {
		size_t before = passed_on(b);

		b->used += size;
		size = passed_on(b) - before;
	}
}

void budget_discharge(struct message_budget *budget, size_t size)
{
	for (struct message_budget *b = budget; b; b = b->parent) {
		size_t before = passed_on(b);

		assert(b->used >= size);
		b->used -= size;
		size = before - passed_on(b);
	}
}

bool budget_charge(struct message_budget *budget, size_t size)
{
	size_t rest = size;

	for (const struct message_budget *b = budget; b && rest; b = b->parent) {
		size_t reserved = b->reserve > b->used ? b->reserve - b->used : 0;

		if (b->limit < b->used || b->limit - b->used < rest)
			return false;
		rest -= rest < reserved ? rest : reserved;
	}
	add(budget, size);
	return true;
}

void budget_recharge(struct message_budget *budget, size_t *charged, size_t now)
{
	if (now > *charged)
		add(budget, now - *charged);
	else
		budget_discharge(budget, *charged - now);
	*charged = now;
}

bool budget_is_over(const struct message_budget *budget)
{
	for (const struct message_budget *b = budget; b; b = b->parent) {
		if (b->used > b->limit)
			return true;
		if (passed_on(b) == 0)
			return false;
	}
	return false;
}

void *budget_alloc(struct budget_allocator *a, size_t size)
{
	union prefix *block;
	size_t charged;

	if (__builtin_add_overflow(size, (size_t)BLOCK_OVERHEAD, &charged) ||
		!budget_charge(a->budget, charged)) {
		a->over_budget = true;
		return NULL;
	}
	block = malloc(sizeof(*block) + size);
	if (!block) {
		budget_discharge(a->budget, charged);
		a->out_of_memory = true;
		return NULL;
	}
	block->charged = charged;
	return block + 1;
}

void budget_free(struct budget_allocator *a, void *p)
{
	union prefix *block = p;

	if (!p)
		return;
	block--;
	budget_discharge(a->budget, block->charged);
	free(block);
}

static void *alloc_hook(void *data, size_t size)
{
	return budget_alloc(data, size);
}

static void free_hook(void *data, void *p)
{
	budget_free(data, p);
}

void budget_allocator_init(struct budget_allocator *a, struct message_budget *budget)
{
	*a = (struct budget_allocator){
		.base = {.alloc = alloc_hook, .free = free_hook, .allocator_data = a},
		.budget = budget,
	};
}
