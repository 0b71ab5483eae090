/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "oom.h"
#include "text/base64.h"

/* RFC 4648, section 10, and what needs the last two digits. */
static const struct {
	const char *bytes, *text;
} pairs[] = {
	{"", ""},
	{"f", "Zg=="},
	{"fo", "Zm8="},
	{"foo", "Zm9v"},
	{"foob", "Zm9vYg=="},
	{"fooba", "Zm9vYmE="},
	{"foobar", "Zm9vYmFy"},
	{"\xfb\xef\xbe", "++++"},
	{"\xff\xff\xff", "////"},
};

static void bytes_become_text_and_bytes_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		auto_buf struct buf text = BUF_INIT, bytes = BUF_INIT;

		assert_int_equal(base64_encode(slice_of_str(pairs[i].bytes), &text), 0);
		assert_string_equal(buf_str(&text), pairs[i].text);
		assert_int_equal(base64_decode(buf_slice(&text), &bytes), 0);
		assert_string_equal(buf_str(&bytes), pairs[i].bytes);
	}
}

static void every_byte_survives(void **state)
{
	uint8_t all[256];

	(void)state;
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (uint8_t)i;
	for (size_t len = 0; len <= sizeof(all); len++) {
		auto_buf struct buf text = BUF_INIT, bytes = BUF_INIT;

		assert_int_equal(base64_encode(slice_of(all, len), &text), 0);
		assert_int_equal(base64_decode(buf_slice(&text), &bytes), 0);
		assert_true(slice_equal(buf_slice(&bytes), slice_of(all, len)));
	}
}

static void other_alphabet_and_missing_padding_are_read(void **state)
{
	static const struct {
		const char *text, *bytes;
	} rows[] = {
		{"--__", "\xfb\xef\xff"},
		{"Zg", "f"},
		{"Zm8", "fo"},
		{"Zm9vYg", "foob"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_buf struct buf bytes = BUF_INIT;

		assert_int_equal(base64_decode(slice_of_str(rows[i].text), &bytes), 0);
		assert_string_equal(buf_str(&bytes), rows[i].bytes);
	}
}

static void what_is_not_base64_is_refused(void **state)
{
	static const char *const rows[] = {"Z", "Zm9vY", "Zg=", "Zg===", "=",
		"==", "====", "Z===", "Zm9v=", "Zm9v====", "Zm 9v", "Zm9v\n", "Zm9*",
		"Z=g=", "Zh==", "Zm9=", "\xff\xff", "Zg==Zg=="};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_buf struct buf bytes = BUF_INIT;

		if (base64_decode(slice_of_str(rows[i]), &bytes) != -EINVAL)
			fail_msg("accepted: %s", rows[i]);
		assert_int_equal(buf_len(&bytes), 0);
	}
	{
		auto_buf struct buf bytes = BUF_INIT;

		assert_int_equal(base64_decode(slice_of("Zm\0v", 4), &bytes), -EINVAL);
	}
}

static void no_memory_is_an_error(void **state)
{
	struct buf out = BUF_INIT;

	(void)state;
	oom_arm(1);
	assert_int_equal(base64_encode(slice_of_str("foo"), &out), -ENOMEM);
	oom_arm(1);
	assert_int_equal(base64_decode(slice_of_str("Zm9v"), &out), -ENOMEM);
	oom_disarm();
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_become_text_and_bytes_again),
		cmocka_unit_test(every_byte_survives),
		cmocka_unit_test(other_alphabet_and_missing_padding_are_read),
		cmocka_unit_test(what_is_not_base64_is_refused),
		cmocka_unit_test(no_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
