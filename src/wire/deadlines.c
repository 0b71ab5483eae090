/* SPDX-License-Identifier: Apache-2.0 */
/* A pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986) with the two-pass merge. */
#include "wire/deadlines.h"

#include <assert.h>

#include "base/clock.h"

/* Both are roots, without siblings; either may be NULL. */
static struct deadline *merge(struct deadline *a, struct deadline *b)
{
	if (!a || !b)
		return a ? a : b;
	if (b->at_ns < a->at_ns) {
		struct deadline *swap = a;

		a = b;
		b = swap;
	}
	b->next = a->child;
	b->prev = a;
	if (a->child)
		a->child->prev = b;
	a->child = b;
	return a;
}

/* Makes one heap of a list of siblings: pairs from the left, then all pairs from the right. */
static struct deadline *merge_siblings(struct deadline *first)
{
	struct deadline *pairs = NULL, *root = NULL;

	while (first) {
		struct deadline *a = first, *b = first->next;

		first = b ? b->next : NULL;
		a->next = a->prev = NULL;
		if (b)
			b->next = b->prev = NULL;
		a = merge(a, b);
		a->next = pairs;
		pairs = a;
	}
	while (pairs) {
		struct deadline *next = pairs->next;

		pairs->next = NULL;
		root = merge(root, pairs);
		pairs = next;
	}
	return root;
}

static void arm(struct deadlines *d)
{
	source_set_deadline(d->timer, d->root ? d->root->at_ns : INT64_MAX);
}

static void unlink_deadline(struct deadlines *d, struct deadline *x)
{
	struct deadline *children = merge_siblings(x->child);

	if (x == d->root) {
		d->root = children;
	} else {
		if (x->prev->child == x)
			x->prev->child = x->next;
		else
			x->prev->next = x->next;
		if (x->next)
			x->next->prev = x->prev;
		d->root = merge(d->root, children);
	}
	x->child = x->next = x->prev = NULL;
	x->is_set = false;
}

static void on_timer(void *data)
{
	struct deadlines *d = data;
	struct deadline *due = d->root;

	if (!due || due->at_ns > clock_now_ns()) {
		arm(d);
		return;
	}
	unlink_deadline(d, due);
	/* The next one, also if due already, gets a call of its own: fire may end d. */
	arm(d);
	due->fire(due);
}

int deadlines_init(struct deadlines *d, struct loop *loop)
{
	*d = (struct deadlines){0};
	return loop_add_timer(loop, INT64_MAX, on_timer, d, &d->timer);
}

void deadlines_fini(struct deadlines *d)
{
	assert(!d->root);
	source_free(d->timer);
	d->timer = NULL;
}

void deadlines_set(struct deadlines *d, struct deadline *deadline, int64_t at_ns)
{
	if (deadline->is_set)
		unlink_deadline(d, deadline);
	if (at_ns != INT64_MAX) {
		deadline->at_ns = at_ns;
		deadline->is_set = true;
		d->root = merge(d->root, deadline);
	}
	arm(d);
}

void deadlines_clear(struct deadlines *d, struct deadline *deadline)
{
	deadlines_set(d, deadline, INT64_MAX);
}
