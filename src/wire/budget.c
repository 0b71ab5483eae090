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

static bool charge(struct message_budget *budget, size_t size)
{
	for (const struct message_budget *b = budget; b; b = b->parent)
		if (b->limit < b->used || b->limit - b->used < size)
			return false;
	for (struct message_budget *b = budget; b; b = b->parent)
		b->used += size;
	return true;
}

static void discharge(struct message_budget *budget, size_t size)
{
	for (struct message_budget *b = budget; b; b = b->parent) {
		assert(b->used >= size);
		b->used -= size;
	}
}

void *budget_alloc(struct budget_allocator *a, size_t size)
{
	union prefix *block;
	size_t charged;

	if (__builtin_add_overflow(size, (size_t)BLOCK_OVERHEAD, &charged) ||
		!charge(a->budget, charged)) {
		a->over_budget = true;
		return NULL;
	}
	block = malloc(sizeof(*block) + size);
	if (!block) {
		discharge(a->budget, charged);
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
	discharge(a->budget, block->charged);
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
