/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "guestmem/guestmem.h"

static uint8_t low[4096], high[8192];

static void add_both(struct guestmem *gm)
{
	*gm = (struct guestmem){0};
	assert_int_equal(gm_add_region(gm, 0x100000000, sizeof(high), high), 0);
	assert_int_equal(gm_add_region(gm, 0x1000, sizeof(low), low), 0);
}

static void a_range_inside_a_region_is_found(void **state)
{
	static const struct {
		uint64_t gpa, len;
		const uint8_t *p;
	} rows[] = {
		{0x1000, 1, low},
		{0x1000, 4096, low},
		{0x1fff, 1, low + 4095},
		{0x1800, 0x800, low + 0x800},
		{0x100000000, 8192, high},
		{0x100001fff, 1, high + 8191},
		/* Not, or not quite, guest memory. */
		{0x1000, 0, NULL},
		{0xfff, 1, NULL},
		{0xfff, 2, NULL},
		{0x1000, 4097, NULL},
		{0x1fff, 2, NULL},
		{0x2000, 1, NULL},
		{0, 1, NULL},
		{0, UINT64_MAX, NULL},
		{0x1001, UINT64_MAX, NULL},
		{0x1800, UINT64_MAX - 0x1800 + 1, NULL},
		{UINT64_MAX, 1, NULL},
		{UINT64_MAX, UINT64_MAX, NULL},
		{0xffffffff, 2, NULL},
		{0x100002000, 1, NULL},
	};
	struct guestmem gm;

	(void)state;
	add_both(&gm);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_ptr_equal(gm_ptr(&gm, rows[i].gpa, rows[i].len), rows[i].p);
}

static void bad_regions_are_refused(void **state)
{
	struct guestmem gm;

	(void)state;
	add_both(&gm);
	assert_int_equal(gm_add_region(&gm, 0x5000, 0, low), -EINVAL);
	assert_int_equal(gm_add_region(&gm, 0x5000, 16, NULL), -EINVAL);
	assert_int_equal(gm_add_region(&gm, UINT64_MAX - 14, 16, low), -EINVAL);
	assert_int_equal(gm_add_region(&gm, 0x5000, UINT64_MAX, low), -EINVAL);
	assert_int_equal(gm_add_region(&gm, 0x1fff, 1, high), -EEXIST);
	assert_int_equal(gm_add_region(&gm, 0xfff, 2, high), -EEXIST);
	assert_int_equal(gm_add_region(&gm, 0, 0x100000001, high), -EEXIST);
	assert_int_equal(gm_add_region(&gm, 0x1000, 4096, high), -EEXIST);
	assert_int_equal(gm.n_regions, 2);
	/* Neighbours, and the very top of the address space, are fine. */
	assert_int_equal(gm_add_region(&gm, 0x2000, 4096, high), 0);
	assert_int_equal(gm_add_region(&gm, 0, 4096, high), 0);
	assert_int_equal(gm_add_region(&gm, UINT64_MAX - 15, 16, low), 0);
	assert_ptr_equal(gm_ptr(&gm, UINT64_MAX, 1), low + 15);
	/* Contiguous for the guest, not here. */
	assert_null(gm_ptr(&gm, 0x1fff, 2));
}

static void the_table_is_bounded_and_sorted(void **state)
{
	struct guestmem gm = {0};

	(void)state;
	for (uint64_t i = 0; i < GM_REGIONS_MAX; i++)
		assert_int_equal(
			gm_add_region(&gm, (i * 7 % GM_REGIONS_MAX) * 0x1000, 0x1000, low), 0);
	assert_int_equal(gm_add_region(&gm, UINT64_C(1) << 40, 0x1000, low), -ENOSPC);
	for (uint64_t i = 0; i < GM_REGIONS_MAX; i++)
		assert_int_equal(gm.regions[i].gpa, i * 0x1000);
	gm_clear(&gm);
	assert_null(gm_ptr(&gm, 0, 1));
}

static void copies_are_all_or_nothing(void **state)
{
	struct guestmem gm;
	uint8_t bytes[8] = {0};

	(void)state;
	add_both(&gm);
	assert_int_equal(gm_write(&gm, 0x1ffc, "abcd", 4), 0);
	assert_memory_equal(low + 4092, "abcd", 4);
	assert_int_equal(gm_write(&gm, 0x1ffc, "efghi", 5), -EFAULT);
	assert_memory_equal(low + 4092, "abcd", 4);
	assert_int_equal(gm_read(&gm, 0x1ffc, bytes, 4), 0);
	assert_memory_equal(bytes, "abcd", 5);
	assert_int_equal(gm_read(&gm, 0x1ffd, bytes, 4), -EFAULT);
	assert_memory_equal(bytes, "abcd", 5);
	assert_int_equal(gm_read(&gm, 0, bytes, 0), 0);
	assert_int_equal(gm_write(&gm, 0, bytes, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_range_inside_a_region_is_found),
		cmocka_unit_test(bad_regions_are_refused),
		cmocka_unit_test(the_table_is_bounded_and_sorted),
		cmocka_unit_test(copies_are_all_or_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
