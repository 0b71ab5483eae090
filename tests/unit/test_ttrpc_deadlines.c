/* SPDX-License-Identifier: Apache-2.0 */
/* The heap of deadlines against a plain array that does the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "wire/deadlines.h"

enum { N = 500 };

struct item {
	struct deadline deadline;
	struct deadlines *heap;
	int64_t at_ns; /* the array's copy; INT64_MAX: not set */
	size_t *n_fired;
	int64_t *last_ns;
	bool ends_heap, sets_again;
};

static void fire(struct deadline *deadline)
{
	struct item *item = container_of(deadline, struct item, deadline);

	assert_false(deadline->is_set);
	assert_true(item->at_ns != INT64_MAX);
	assert_true(item->at_ns >= *item->last_ns);
	assert_true(item->at_ns <= clock_now_ns());
	*item->last_ns = item->at_ns;
	item->at_ns = INT64_MAX;
	++*item->n_fired;
	if (item->sets_again) {
		item->sets_again = false;
		item->at_ns = *item->last_ns;
		deadlines_set(item->heap, deadline, item->at_ns);
	}
	if (item->ends_heap)
		deadlines_fini(item->heap);
}

static void init(struct item *item, struct deadlines *heap, size_t *n_fired, int64_t *last_ns)
{
	*item = (struct item){.deadline.fire = fire,
		.heap = heap,
		.at_ns = INT64_MAX,
		.n_fired = n_fired,
		.last_ns = last_ns};
}

static uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static void check_nearest(const struct deadlines *heap, const struct item *items)
{
	int64_t nearest_ns = INT64_MAX;

	for (size_t i = 0; i < N; i++)
		if (items[i].at_ns < nearest_ns)
			nearest_ns = items[i].at_ns;
	assert_true((heap->root ? heap->root->at_ns : INT64_MAX) == nearest_ns);
}

static void any_order_of_setting_fires_in_order_of_time(void **state)
{
	static struct item items[N];
	struct loop *loop;
	struct deadlines heap;
	size_t n_fired = 0, n_set = 0;
	int64_t last_ns = 0, now_ns = clock_now_ns();
	uint32_t seed = 88172645;

	(void)state;
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(deadlines_init(&heap, loop), 0);
	for (size_t i = 0; i < N; i++)
		init(&items[i], &heap, &n_fired, &last_ns);
	for (int step = 0; step < 20000; step++) {
		struct item *item = &items[next_random(&seed) % N];

		/* Set, moved to earlier or later, cleared, cleared again; many are equal. */
		item->at_ns =
			next_random(&seed) % 4 ? now_ns - next_random(&seed) % 1000 : INT64_MAX;
		deadlines_set(&heap, &item->deadline, item->at_ns);
		assert_true(item->deadline.is_set == (item->at_ns != INT64_MAX));
		if (step % 16 == 0)
			check_nearest(&heap, items);
	}
	for (size_t i = 0; i < N; i++)
		n_set += items[i].at_ns != INT64_MAX;
	assert_in_range(n_set, 1, N - 1);
	while (n_fired < n_set)
		assert_int_equal(loop_run_once(loop, -1), 0);
	assert_int_equal(loop_run_once(loop, 0), 0);
	assert_int_equal(n_fired, n_set);
	assert_null(heap.root);
	deadlines_fini(&heap);
	loop_free(loop);
}

static void nothing_fires_before_its_time(void **state)
{
	struct item item;
	struct loop *loop;
	struct deadlines heap;
	size_t n_fired = 0;
	int64_t last_ns = 0;

	(void)state;
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(deadlines_init(&heap, loop), 0);
	init(&item, &heap, &n_fired, &last_ns);
	item.at_ns = clock_now_ns() + 5 * NS_PER_MS;
	deadlines_set(&heap, &item.deadline, item.at_ns);
	while (n_fired == 0)
		assert_int_equal(loop_run_once(loop, -1), 0);
	/* fire itself has looked at the clock. */
	deadlines_clear(&heap, &item.deadline);
	deadlines_fini(&heap);
	loop_free(loop);
}

static void firing_may_set_again_and_may_end_the_heap(void **state)
{
	struct item items[2];
	struct loop *loop;
	struct deadlines heap;
	size_t n_fired = 0;
	int64_t last_ns = 0;

	(void)state;
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(deadlines_init(&heap, loop), 0);
	for (size_t i = 0; i < 2; i++) {
		init(&items[i], &heap, &n_fired, &last_ns);
		items[i].at_ns = (int64_t)i + 1;
		deadlines_set(&heap, &items[i].deadline, items[i].at_ns);
	}
	items[0].sets_again = true;
	items[1].ends_heap = true;
	while (n_fired < 3)
		assert_int_equal(loop_run_once(loop, -1), 0);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_order_of_setting_fires_in_order_of_time),
		cmocka_unit_test(nothing_fires_before_its_time),
		cmocka_unit_test(firing_may_set_again_and_may_end_the_heap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
