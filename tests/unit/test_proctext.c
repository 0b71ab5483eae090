/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/own.h"
#include "linux/proctext.h"

static void lines_end_with_the_text_too(void **state)
{
	struct slice text = slice_of_str("a b\n\nc"), line;

	(void)state;
	assert_true(proctext_next_line(&text, &line));
	assert_true(slice_is(line, "a b"));
	assert_true(proctext_next_line(&text, &line));
	assert_true(slice_is(line, ""));
	assert_true(proctext_next_line(&text, &line));
	assert_true(slice_is(line, "c"));
	assert_false(proctext_next_line(&text, &line));
	text = slice_of(NULL, 0);
	assert_false(proctext_next_line(&text, &line));
}

static void words_stand_between_blanks(void **state)
{
	struct slice line = slice_of_str(" \tone  two\t"), word;

	(void)state;
	assert_true(proctext_next_word(&line, &word));
	assert_true(slice_is(word, "one"));
	assert_true(proctext_next_word(&line, &word));
	assert_true(slice_is(word, "two"));
	assert_false(proctext_next_word(&line, &word));
	line = slice_of(NULL, 0);
	assert_false(proctext_next_word(&line, &word));
}

static void keys_end_with_a_colon_or_a_blank(void **state)
{
	static const struct {
		const char *line, *key, *rest;
	} rows[] = {
		{"VmRSS:\t 12 kB", "VmRSS", "\t 12 kB"},
		{"nr_free_pages 7", "nr_free_pages", " 7"},
		{"  eth0:5", "eth0", "5"},
		{"Active(anon): 1", "Active(anon)", " 1"},
		{"alone", "alone", ""},
		{"a:b:c", "a", "b:c"},
	};
	struct slice key, rest;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!proctext_cut_key(slice_of_str(rows[i].line), &key, &rest) ||
			!slice_is(key, rows[i].key) || !slice_is(rest, rows[i].rest))
			fail_msg("row %zu: %s", i, rows[i].line);
	}
	assert_false(proctext_cut_key(slice_of_str(""), &key, &rest));
	assert_false(proctext_cut_key(slice_of_str(" : 1"), &key, &rest));
	assert_false(proctext_cut_key(slice_of(NULL, 0), &key, &rest));
}

static void numbers_are_decimal_and_fit(void **state)
{
	static const char *const bad[] = {
		"", "-1", "+1", "0x1", "1a", "1.5", "18446744073709551616", "99999999999999999999"};
	uint64_t n = 1;

	(void)state;
	assert_true(proctext_parse_u64(slice_of_str("0"), &n));
	assert_int_equal(n, 0);
	assert_true(proctext_parse_u64(slice_of_str("18446744073709551615"), &n));
	assert_true(n == UINT64_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(proctext_parse_u64(slice_of_str(bad[i]), &n));
	assert_true(n == UINT64_MAX);
	assert_false(proctext_parse_u64(slice_of(NULL, 0), &n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_end_with_the_text_too),
		cmocka_unit_test(words_stand_between_blanks),
		cmocka_unit_test(keys_end_with_a_colon_or_a_blank),
		cmocka_unit_test(numbers_are_decimal_and_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
