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

struct fixture {
	struct loop *loop;
	struct deadlines heap;
	size_t n_fired;
	int64_t last_ns;
};

struct item {
	struct deadline deadline;
	struct fixture *f;
	int64_t at_ns; /* the array's copy; INT64_MAX: not set */
	bool ends_heap, sets_again;
};

static void fire(struct deadline *deadline)
{
	struct item *item = container_of(deadline, struct item, deadline);
	struct fixture *f = item->f;

	assert_false(deadline->is_set);
	assert_true(item->at_ns != INT64_MAX);
	assert_true(item->at_ns >= f->last_ns);
	assert_true(item->at_ns <= clock_now_ns());
	f->last_ns = item->at_ns;
	item->at_ns = INT64_MAX;
	f->n_fired++;
	if (item->sets_again) {
		item->sets_again = false;
		item->at_ns = f->last_ns;
		deadlines_set(&f->heap, deadline, item->at_ns);
	}
	if (item->ends_heap)
		deadlines_fini(&f->heap);
}

static void init(struct item *item, struct fixture *f)
{
	*item = (struct item){.deadline.fire = fire, .f = f, .at_ns = INT64_MAX};
}

static int set_up(void **state)
{
	static struct fixture f;

	f = (struct fixture){0};
	*state = &f;
	assert_int_equal(loop_new(&f.loop), 0);
	assert_int_equal(deadlines_init(&f.heap, f.loop), 0);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	deadlines_fini(&f->heap);
	loop_free(f->loop);
	return 0;
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
	struct fixture *f = *state;
	size_t n_set = 0;
	int64_t now_ns = clock_now_ns();
	uint32_t seed = 88172645;

	for (size_t i = 0; i < N; i++)
		init(&items[i], f);
	for (int step = 0; step < 20000; step++) {
		struct item *item = &items[next_random(&seed) % N];

		/* Set, moved to earlier or later, cleared, cleared again; many are equal. */
		item->at_ns =
			next_random(&seed) % 4 ? now_ns - next_random(&seed) % 1000 : INT64_MAX;
		deadlines_set(&f->heap, &item->deadline, item->at_ns);
		assert_true(item->deadline.is_set == (item->at_ns != INT64_MAX));
		if (step % 16 == 0)
			check_nearest(&f->heap, items);
	}
	for (size_t i = 0; i < N; i++)
		n_set += items[i].at_ns != INT64_MAX;
	assert_in_range(n_set, 1, N - 1);
	while (f->n_fired < n_set)
		assert_int_equal(loop_run_once(f->loop, -1), 0);
	assert_int_equal(loop_run_once(f->loop, 0), 0);
	assert_int_equal(f->n_fired, n_set);
	assert_null(f->heap.root);
}

static void nothing_fires_before_its_time(void **state)
{
	struct item item;
	struct fixture *f = *state;

	init(&item, f);
	item.at_ns = clock_now_ns() + 5 * NS_PER_MS;
	deadlines_set(&f->heap, &item.deadline, item.at_ns);
	while (f->n_fired == 0)
		assert_int_equal(loop_run_once(f->loop, -1), 0);
	/* fire itself has looked at the clock. */
	deadlines_clear(&f->heap, &item.deadline);
}

static void firing_may_set_again_and_may_end_the_heap(void **state)
{
	struct item items[2];
	struct fixture *f = *state;

	for (size_t i = 0; i < 2; i++) {
		init(&items[i], f);
		items[i].at_ns = (int64_t)i + 1;
		deadlines_set(&f->heap, &items[i].deadline, items[i].at_ns);
	}
	items[0].sets_again = true;
	items[1].ends_heap = true;
	while (f->n_fired < 3)
		assert_int_equal(loop_run_once(f->loop, -1), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(any_order_of_setting_fires_in_order_of_time),
		TEST(nothing_fires_before_its_time),
		TEST(firing_may_set_again_and_may_end_the_heap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
