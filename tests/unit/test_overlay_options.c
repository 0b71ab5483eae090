/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "linux/overlay_options.h"
#include "oom.h"

static void lower_directories_become_relative(void **state)
{
	static const struct {
		const char *options, *shortened, *dir;
	} rows[] = {
		{"lowerdir=/s/2/fs:/s/1/fs", "lowerdir=2/fs:1/fs", "/s/"},
		{"index=off,workdir=/s/3/w,upperdir=/s/3/u,lowerdir=/s/2/fs:/s/1/fs,xino=off",
			"index=off,workdir=/s/3/w,upperdir=/s/3/u,lowerdir=2/fs:1/fs,xino=off",
			"/s/"},
		{"lowerdir=/s/12/fs:/s/1/fs:/t/1/fs", "lowerdir=s/12/fs:s/1/fs:t/1/fs", "/"},
		{"lowerdir=/s/10/fs:/s/11/fs", "lowerdir=10/fs:11/fs", "/s/"},
		{"lowerdir=/s/ab:/s/a", "lowerdir=ab:a", "/s/"},
		{"lowerdir=/a", "lowerdir=a", "/"},
		{"lowerdir=/a/b", "lowerdir=b", "/a/"},
		{"xlowerdir=/x/y,lowerdir=/a/b", "xlowerdir=/x/y,lowerdir=b", "/a/"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_buf struct buf options = BUF_INIT, dir = BUF_INIT;

		assert_int_equal(overlay_options_shorten(rows[i].options, &options, &dir), 0);
		assert_string_equal(buf_str(&options), rows[i].shortened);
		assert_string_equal(buf_str(&dir), rows[i].dir);
	}
}

static void what_cannot_be_relative_stays(void **state)
{
	static const char *const rows[] = {"", "lowerdir=", "ro", "lowerdir=a:b", "lowerdir=/a:b",
		"lowerdir=/a/b::/a/c", "lowerdir=/a/b:", "lowerdir=:/a", "lowerdir=/a/:/a/b",
		"lowerdir=/a\\:b:/c", "lowerdir=/", "lowerdir=/a/b:/a/"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_buf struct buf options = BUF_INIT, dir = BUF_INIT;

		assert_int_equal(overlay_options_shorten(rows[i], &options, &dir), -EINVAL);
		assert_int_equal(buf_len(&options), 0);
		assert_int_equal(buf_len(&dir), 0);
	}
}

static void shortening_survives_the_lack_of_memory(void **state)
{
	(void)state;
	OOM_SWEEP(n)
	{
		auto_buf struct buf options = BUF_INIT, dir = BUF_INIT;
		int r;

		oom_arm(n);
		r = overlay_options_shorten("lowerdir=/s/2/fs:/s/1/fs", &options, &dir);
		oom_disarm();
		if (r < 0)
			assert_int_equal(r, -ENOMEM);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lower_directories_become_relative),
		cmocka_unit_test(what_cannot_be_relative_stays),
		cmocka_unit_test(shortening_survives_the_lack_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
