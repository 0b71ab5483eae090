/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/utf8.h"

static void a_message_is_set_and_the_code_returned(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_false(err_is_set(&err));
	assert_false(err_is_set(NULL));
	assert_int_equal(err_set(&err, EINVAL, "a %d", 5), -EINVAL);
	assert_true(err_is_set(&err));
	assert_string_equal(err.msg, "a 5");
	assert_int_equal(err.status, 0);
	err = (struct err)ERR_INIT;
	assert_int_equal(err_sys(&err, ENOENT, "open %s", "/x"), -ENOENT);
	assert_string_equal(err.msg, "open /x: No such file or directory");
	err = (struct err)ERR_INIT;
	assert_int_equal(err_status(&err, EBUSY, 9, "busy"), -EBUSY);
	assert_int_equal(err.status, 9);
	assert_string_equal(err.msg, "busy");
}

static void without_a_struct_only_the_code_is_returned(void **state)
{
	(void)state;
	assert_int_equal(err_set(NULL, EINVAL, "x"), -EINVAL);
	assert_int_equal(err_sys(NULL, EPERM, "x"), -EPERM);
	assert_int_equal(err_status(NULL, EBUSY, 9, "x"), -EBUSY);
	assert_int_equal(err_wrap(NULL, "x"), -EIO);
}

static void wrapping_puts_text_in_front(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(err_wrap(&err, "nothing"), -EIO);
	assert_string_equal(err.msg, "");
	err_status(&err, EPERM, 7, "c");
	assert_int_equal(err_wrap(&err, "b"), -EPERM);
	assert_int_equal(err_wrap(&err, "a %s", "x"), -EPERM);
	assert_string_equal(err.msg, "a x: b: c");
	assert_int_equal(err.status, 7);
}

static void a_copy_is_the_whole_error(void **state)
{
	struct err from = ERR_INIT, to = ERR_INIT;

	(void)state;
	assert_int_equal(err_copy(&to, &from), -EIO);
	err_status(&from, EPERM, 7, "x");
	assert_int_equal(err_copy(NULL, &from), -EPERM);
	assert_int_equal(err_copy(&to, &from), -EPERM);
	assert_memory_equal(&to, &from, sizeof(to));
}

static bool is_utf8(const char *s)
{
	size_t len = strlen(s);

	while (len > 0) {
		size_t n = utf8_sequence(s, len);

		if (n == 0)
			return false;
		s += n;
		len -= n;
	}
	return true;
}

/* The end of the message falls on each byte of each kind of character. */
static void a_cut_message_is_still_utf8(void **state)
{
	static const char *const characters[] = {
		"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};

	(void)state;
	for (size_t c = 0; c < ARRAY_SIZE(characters); c++) {
		for (size_t shift = 0; shift < 8; shift++) {
			struct err err = ERR_INIT;
			char text[2000];
			size_t at = 0;

			while (at < shift)
				text[at++] = 'x';
			while (at < sizeof(text) - 8) {
				memcpy(text + at, characters[c], strlen(characters[c]));
				at += strlen(characters[c]);
			}
			text[at] = '\0';
			err_sys(&err, EPERM, "%s", text);
			assert_in_range(strlen(err.msg), ERR_MSG_SIZE - 5, ERR_MSG_SIZE - 1);
			assert_true(is_utf8(err.msg));
			err_wrap(&err, "y");
			assert_true(is_utf8(err.msg));
			assert_int_equal(err.msg[0], 'y');
		}
	}
}

static void times_are_written_as_rfc_3339(void **state)
{
	char text[CLOCK_TEXT_SIZE];
	int64_t now = clock_now_ns();

	(void)state;
	clock_format(0, text);
	assert_string_equal(text, "1970-01-01T00:00:00.000000000Z");
	clock_format(INT64_C(1700000000) * NS_PER_S + 5, text);
	assert_string_equal(text, "2023-11-14T22:13:20.000000005Z");
	clock_format(INT64_C(951827696) * NS_PER_S + NS_PER_S - 1, text);
	assert_string_equal(text, "2000-02-29T12:34:56.999999999Z");
	assert_true(clock_now_ns() >= now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_is_set_and_the_code_returned),
		cmocka_unit_test(without_a_struct_only_the_code_is_returned),
		cmocka_unit_test(wrapping_puts_text_in_front),
		cmocka_unit_test(a_copy_is_the_whole_error),
		cmocka_unit_test(a_cut_message_is_still_utf8),
		cmocka_unit_test(times_are_written_as_rfc_3339),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
