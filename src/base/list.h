/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Intrusive doubly linked lists. The head is a struct list of its own; an entry embeds a struct
 * list and is recovered with container_of. An entry that is in no list points to itself (after
 * list_init) and may be removed again.
 */
#include <stdbool.h>

#include "base/own.h"

struct list {
	struct list *prev, *next;
};

/* clang-format off */
#define LIST_INIT(name) {&(name), &(name)}
/* clang-format on */

static inline void list_init(struct list *l)
{
	l->prev = l->next = l;
}

static inline bool list_is_empty(const struct list *l)
{
	return l->next == l;
}

/* Adds the entry at the end of the list whose head is given. */
static inline void list_add(struct list *head, struct list *entry)
{
	entry->prev = head->prev;
	entry->next = head;
	head->prev->next = entry;
	head->prev = entry;
}

static inline void list_remove(struct list *entry)
{
	entry->prev->next = entry->next;
	entry->next->prev = entry->prev;
	list_init(entry);
}

#define LIST_FOREACH(pos, head, type, member)                                              \
	for (type *pos = container_of((head)->next, type, member); &pos->member != (head); \
		pos = container_of(pos->member.next, type, member))

/* The body may remove (and free) pos, and nothing else. */
#define LIST_FOREACH_SAFE(pos, head, type, member)                            \
	for (type *pos = container_of((head)->next, type, member),            \
		  *pos##_next = container_of(pos->member.next, type, member); \
		&pos->member != (head);                                       \
		pos = pos##_next, pos##_next = container_of(pos->member.next, type, member))
