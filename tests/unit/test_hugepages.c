/* SPDX-License-Identifier: Apache-2.0 */
/* The options of volumes of huge pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/storage/hugepages.h"
#include "wire/status.h"

struct row {
	char words[2][48];
	uint64_t page_size, n_pages;
};

static void sizes_are_taken_from_options(void **state)
{
	static struct row rows[] = {
		{{"pagesize=2097152,size=4194304"}, 2 << 20, 2},
		{{"size=4194304", "pagesize=2097152"}, 2 << 20, 2},
		{{"pagesize=2M", "size=1g"}, 2 << 20, 512},
		{{"pagesize=64k,size=64k"}, 64 << 10, 1},
		/* What is over is not a page. */
		{{"pagesize=2m,size=3m"}, 2 << 20, 1},
		{{"mode=0700,pagesize=2m,,uid=1", "size=2m,"}, 2 << 20, 1},
		/* The last one counts, as for the kernel. */
		{{"pagesize=2m,size=2m", "size=4m"}, 2 << 20, 2},
		{{"pagesize=1024,size=18446744073709551615"}, 1024, UINT64_MAX / 1024},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *words[] = {rows[i].words[0], rows[i].words[1]};
		struct hugepages pages;
		struct err err = ERR_INIT;

		if (hugepages_parse(words, 2, &pages, &err) < 0)
			fail_msg("row %zu: %s", i, err.msg);
		assert_int_equal(pages.page_size, rows[i].page_size);
		assert_int_equal(pages.n_pages, rows[i].n_pages);
	}
}

static void what_makes_no_page_is_refused(void **state)
{
	static struct row rows[] = {
		{{""}, 0, 0},
		{{"pagesize=2m"}, 0, 0},
		{{"size=2m"}, 0, 0},
		{{"pagesize=2m,size=1m"}, 0, 0},
		{{"pagesize=2m,size=0"}, 0, 0},
		{{"pagesize=0,size=2m"}, 0, 0},
		{{"pagesize=512,size=2m"}, 0, 0},
		{{"pagesize=3000,size=30000"}, 0, 0},
		{{"pagesize=2m,size="}, 0, 0},
		{{"pagesize=,size=2m"}, 0, 0},
		{{"pagesize=2mm,size=2m"}, 0, 0},
		{{"pagesize=2t,size=2m"}, 0, 0},
		{{"pagesize=-2m,size=2m"}, 0, 0},
		{{"pagesize=2m,size=50%"}, 0, 0},
		{{"pagesize=2m,size= 2m"}, 0, 0},
		{{"pagesize=2m,size=0x200000"}, 0, 0},
		{{"pagesize=2m,size=18446744073709551616"}, 0, 0},
		{{"pagesize=2m,size=18446744073709551615k"}, 0, 0},
		{{"PAGESIZE=2m,size=2m"}, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *words[] = {rows[i].words[0], rows[i].words[1]};
		struct hugepages pages;
		struct err err = ERR_INIT;

		if (hugepages_parse(words, 2, &pages, &err) != -EINVAL)
			fail_msg("row %zu", i);
		assert_int_equal(err.status, WIRE_INVALID_ARGUMENT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_taken_from_options),
		cmocka_unit_test(what_makes_no_page_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
