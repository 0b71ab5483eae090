/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "oom.h"

static void a_zeroed_buf_is_empty_and_a_string(void **state)
{
	auto_buf struct buf b = BUF_INIT;

	(void)state;
	assert_int_equal(buf_len(&b), 0);
	assert_string_equal(buf_str(&b), "");
	assert_int_equal(buf_slice(&b).len, 0);
	buf_consume(&b, 0);
	buf_clear(&b);
	buf_fini(NULL);
}

static void text_is_formatted_to_its_end(void **state)
{
	auto_buf struct buf b = BUF_INIT;
	char *s;

	(void)state;
	assert_int_equal(buf_append_str(&b, "a"), 0);
	assert_int_equal(buf_printf(&b, "%d-%s", 5, "x"), 0);
	assert_int_equal(buf_printf(&b, "%s", ""), 0);
	assert_string_equal(buf_str(&b), "a5-x");
	buf_consume(&b, 2);
	assert_string_equal(buf_str(&b), "-x");
	s = buf_take_str(&b);
	assert_string_equal(s, "-x");
	free(s);
	assert_int_equal(buf_len(&b), 0);
	s = buf_take_str(&b);
	assert_string_equal(s, "");
	free(s);
}

static void impossible_sizes_are_refused(void **state)
{
	auto_buf struct buf b = BUF_INIT;

	(void)state;
	assert_int_equal(buf_append_str(&b, "abc"), 0);
	assert_null(buf_reserve(&b, SIZE_MAX));
	assert_null(buf_reserve(&b, SIZE_MAX - 3));
	assert_null(buf_reserve(&b, SIZE_MAX / 2));
	assert_string_equal(buf_str(&b), "abc");
}

static void an_emptied_buf_gives_big_memory_back(void **state)
{
	auto_buf struct buf b = BUF_INIT;

	(void)state;
	assert_non_null(buf_reserve(&b, 100000));
	buf_commit(&b, 100000);
	buf_consume(&b, 100000);
	assert_int_equal(b.cap, 0);
	assert_int_equal(buf_append_str(&b, "x"), 0);
	buf_consume(&b, 1);
	assert_in_range(b.cap, 1, 4096);
}

static void moving_to_the_front_leaves_the_room_behind(void **state)
{
	auto_buf struct buf b = BUF_INIT;

	(void)state;
	buf_move_to_front(&b);
	assert_int_equal(buf_append_str(&b, "0123456789"), 0);
	buf_consume(&b, 7);
	buf_move_to_front(&b);
	assert_int_equal(b.start, 0);
	assert_int_equal(buf_len(&b), 3);
	assert_string_equal(buf_str(&b), "789");
	buf_move_to_front(&b);
	assert_string_equal(buf_str(&b), "789");
}

/* The oracle: a plain array in which everything is done the obvious way. */
struct model {
	uint8_t bytes[1 << 16];
	size_t len;
};

static void check_same(const struct buf *b, const struct model *m)
{
	assert_int_equal(buf_len(b), m->len);
	if (m->len)
		assert_memory_equal(buf_slice(b).p, m->bytes, m->len);
	assert_int_equal(buf_str(b)[m->len], '\0');
}

static void random_work_agrees_with_a_plain_array(void **state)
{
	static struct model m;
	auto_buf struct buf b = BUF_INIT;
	uint32_t seed = 1;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		uint8_t bytes[300];
		size_t n;

		seed = seed * 1664525 + 1013904223;
		n = (seed >> 8) % sizeof(bytes);
		if (seed >> 31 || m.len < n) {
			if (m.len + n > sizeof(m.bytes))
				continue;
			for (size_t k = 0; k < n; k++)
				bytes[k] = (uint8_t)(i + (int)k);
			assert_int_equal(buf_append(&b, bytes, n), 0);
			memcpy(m.bytes + m.len, bytes, n);
			m.len += n;
		} else {
			buf_consume(&b, n);
			m.len -= n;
			memmove(m.bytes, m.bytes + n, m.len);
		}
		check_same(&b, &m);
	}
}

/* 400,000 times a byte leaves a queue of a megabyte and another one enters: if each moved the rest,
 * that would be 400 GB. */
static void a_full_queue_is_not_moved_for_every_byte(void **state)
{
	auto_buf struct buf b = BUF_INIT;
	int64_t start;

	(void)state;
	assert_non_null(buf_reserve(&b, (1 << 20) - 1));
	buf_commit(&b, (1 << 20) - 1);
	start = clock_now_ns();
	for (int i = 0; i < 400000; i++) {
		buf_consume(&b, 1);
		assert_int_equal(buf_append(&b, "x", 1), 0);
	}
	assert_true(clock_now_ns() - start < 10 * NS_PER_S);
	assert_in_range(b.cap, 1 << 20, 4 << 20);
}

static void a_failed_append_leaves_the_buf_as_it_was(void **state)
{
	static char big[10000];

	(void)state;
	OOM_SWEEP(n)
	{
		auto_buf struct buf b = BUF_INIT;
		int r;

		oom_arm(n);
		r = buf_append_str(&b, "start");
		if (r == 0) {
			buf_consume(&b, 2);
			r = buf_append(&b, big, sizeof(big));
			if (r < 0)
				assert_string_equal(buf_str(&b), "art");
			else
				r = buf_printf(&b, "%20000s", "x");
		}
		oom_disarm();
		assert_int_equal(r, oom_has_struck() ? -ENOMEM : 0);
	}
}

static void slices_become_strings_only_if_they_are(void **state)
{
	char *s = NULL;

	(void)state;
	assert_int_equal(slice_to_cstr(slice_of("abc", 3), 3, &s), 0);
	assert_string_equal(s, "abc");
	free(s);
	assert_int_equal(slice_to_cstr(slice_of(NULL, 0), 0, &s), 0);
	assert_string_equal(s, "");
	free(s);
	assert_int_equal(slice_to_cstr(slice_of("abc", 3), 2, &s), -E2BIG);
	assert_int_equal(slice_to_cstr(slice_of("a\0c", 3), 3, &s), -EINVAL);
	assert_int_equal(slice_to_cstr(slice_of("abc\0", 4), 4, &s), -EINVAL);
	assert_true(slice_equal(slice_of(NULL, 0), slice_of("", 0)));
	assert_true(slice_equal(slice_of_str("ab"), slice_of("abc", 2)));
	assert_false(slice_equal(slice_of_str("ab"), slice_of_str("ac")));
	assert_false(slice_equal(slice_of_str("ab"), slice_of_str("abc")));
}

/* Against the definition: each code point encodes to what decodes, and nothing else does. */
static void utf8_is_what_rfc_3629_says(void **state)
{
	static const char *const bad[] = {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2",
		"\xc2\x41", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xe1\x80", "\xed\xa0\x80",
		"\xed\xbf\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80", "\xf1\x80\x80", "\xf1\x80\x80\x41", "\xfe", "\xff"};

	(void)state;
	for (uint32_t c = 0; c < 0x111000; c++) {
		char text[4];
		size_t n = utf8_encode(c, text);
		bool is_character = c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff);

		assert_int_equal(n, !is_character ? 0
				    : c < 0x80	  ? 1
				    : c < 0x800	  ? 2
				    : c < 0x10000 ? 3
						  : 4);
		if (n == 0)
			continue;
		assert_int_equal(utf8_sequence(text, n), n);
		assert_int_equal(utf8_sequence(text, n - 1), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(utf8_sequence(bad[i], strlen(bad[i])), 0);
}

static void texts_of_others_are_made_printable(void **state)
{
	static const char *const rows[][2] = {
		{"", ""},
		{"plain ~ text", "plain ~ text"},
		{"\033[2Ja\r\nb\t\x7f", " [2Ja  b  "},
		{"\xc2\x9b"
		 "31mred",
			"  31mred"},
		{"\xc2\xa0\xc3\xa4\xe2\x82\xac", "\xc2\xa0\xc3\xa4\xe2\x82\xac"},
		{"\xff\xc3", "??"},
		{"a\xe2\x82", "a??"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[32];

		memcpy(text, rows[i][0], strlen(rows[i][0]) + 1);
		utf8_make_printable(text);
		assert_string_equal(text, rows[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_zeroed_buf_is_empty_and_a_string),
		cmocka_unit_test(text_is_formatted_to_its_end),
		cmocka_unit_test(impossible_sizes_are_refused),
		cmocka_unit_test(an_emptied_buf_gives_big_memory_back),
		cmocka_unit_test(moving_to_the_front_leaves_the_room_behind),
		cmocka_unit_test(random_work_agrees_with_a_plain_array),
		cmocka_unit_test(a_full_queue_is_not_moved_for_every_byte),
		cmocka_unit_test(a_failed_append_leaves_the_buf_as_it_was),
		cmocka_unit_test(slices_become_strings_only_if_they_are),
		cmocka_unit_test(utf8_is_what_rfc_3629_says),
		cmocka_unit_test(texts_of_others_are_made_printable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
