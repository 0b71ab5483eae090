/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include <stdint.h>
#include <string.h>

#include "base/list.h"
#include "base/map.h"
#include "oom.h"

enum { KEYS = 500 };

static void keys_are_found_copied_and_taken_out(void **state)
{
	struct map m = {0};
	char key[] = "b";
	int a, b;

	(void)state;
	assert_null(map_find(&m, "a"));
	assert_null(map_remove(&m, "a"));
	assert_int_equal(map_add(&m, key, &b), 0);
	key[0] = 'x';
	assert_int_equal(map_add(&m, "a", &a), 0);
	assert_int_equal(map_add(&m, "b", &a), -EEXIST);
	assert_int_equal(map_add(&m, "", &a), 0);
	assert_ptr_equal(map_find(&m, "b"), &b);
	assert_null(map_find(&m, "x"));
	assert_ptr_equal(map_remove(&m, "b"), &b);
	assert_null(map_find(&m, "b"));
	assert_int_equal(m.n_entries, 2);
	map_fini(&m);
	map_fini(&m);
	map_fini(NULL);
}

static void check_order(const struct map *m)
{
	const char *before = NULL;

	MAP_FOREACH (e, m) {
		if (before)
			assert_true(strcmp(before, e->key) < 0);
		before = e->key;
	}
}

/* The oracle: one slot per key. */
static void random_work_agrees_with_an_array_of_slots(void **state)
{
	static int values[KEYS];
	void *slots[KEYS] = {0};
	struct map m = {0};
	uint32_t seed = 7;

	(void)state;
	for (int i = 0; i < 50000; i++) {
		char key[16];
		size_t k, n = 0;

		seed = seed * 1664525 + 1013904223;
		k = (seed >> 8) % KEYS;
		snprintf(key, sizeof(key), "key-%zu", k);
		assert_ptr_equal(map_find(&m, key), slots[k]);
		if (seed >> 31) {
			assert_int_equal(map_add(&m, key, &values[k]), slots[k] ? -EEXIST : 0);
			slots[k] = &values[k];
		} else {
			assert_ptr_equal(map_remove(&m, key), slots[k]);
			slots[k] = NULL;
		}
		for (size_t s = 0; s < KEYS; s++)
			n += slots[s] != NULL;
		assert_int_equal(m.n_entries, n);
		if (i % 1000 == 0)
			check_order(&m);
	}
	map_fini(&m);
}

static void a_failed_add_leaves_the_map_as_it_was(void **state)
{
	int value;

	(void)state;
	OOM_SWEEP(n)
	{
		struct map m = {0};
		char key[8];
		int r = 0;

		oom_arm(n);
		for (int i = 0; i < 40 && r == 0; i++) {
			snprintf(key, sizeof(key), "%d", i);
			r = map_add(&m, key, &value);
		}
		oom_disarm();
		assert_int_equal(r, oom_has_struck() ? -ENOMEM : 0);
		if (r < 0)
			assert_null(map_find(&m, key));
		check_order(&m);
		map_fini(&m);
	}
}

struct item {
	int n;
	struct list link;
};

static void lists_keep_order_and_survive_removal_while_walking(void **state)
{
	struct list head = LIST_INIT(head);
	struct item items[5];
	int sum = 0, n = 0;

	(void)state;
	assert_true(list_is_empty(&head));
	for (int i = 0; i < 5; i++) {
		items[i].n = i;
		list_add(&head, &items[i].link);
	}
	LIST_FOREACH (item, &head, struct item, link)
		assert_int_equal(item->n, n++);
	assert_int_equal(n, 5);
	LIST_FOREACH_SAFE (item, &head, struct item, link) {
		sum += item->n;
		if (item->n % 2 == 0) {
			list_remove(&item->link);
			list_remove(&item->link); /* it points to itself now */
		}
	}
	assert_int_equal(sum, 10);
	n = 1;
	LIST_FOREACH (item, &head, struct item, link) {
		assert_int_equal(item->n, n);
		n += 2;
	}
	assert_int_equal(n, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_found_copied_and_taken_out),
		cmocka_unit_test(random_work_agrees_with_an_array_of_slots),
		cmocka_unit_test(a_failed_add_leaves_the_map_as_it_was),
		cmocka_unit_test(lists_keep_order_and_survive_removal_while_walking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
