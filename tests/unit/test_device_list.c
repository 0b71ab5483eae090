/* SPDX-License-Identifier: Apache-2.0 */
/* What cgroup v1 is told, for rules of which the last one that matches decides. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "linux/device_list.h"

#define ANY DEVICE_ANY
#define ALL DEVICE_ALL
#define R DEVICE_READ
#define W DEVICE_WRITE
#define M DEVICE_MKNOD

enum { RULES = 4 };

static void assert_list(const struct device_rule *rules, int expected_r, const char *expected)
{
	struct device_list list = {.n_rules = 0};
	auto_buf struct buf b = BUF_INIT;
	size_t n = 0;
	int r;

	while (n < RULES && rules[n].type)
		n++;
	r = device_list_build(rules, n, &list);
	assert_int_equal(r, expected_r);
	if (r < 0)
		return;
	assert_int_equal(buf_append_str(&b, list.allow ? "all" : "none"), 0);
	for (size_t i = 0; i < list.n_rules; i++) {
		char text[DEVICE_RULE_TEXT_SIZE];

		device_list_format(&list.rules[i], text);
		assert_int_equal(buf_printf(&b, ", %s", text), 0);
	}
	if (strcmp(buf_str(&b), expected) != 0)
		fail_msg("\"%s\", not \"%s\"", buf_str(&b), expected);
	device_list_fini(&list);
}

static void rules_become_exceptions(void **state)
{
	static const struct {
		struct device_rule rules[RULES];
		int r;
		const char *text;
	} rows[] = {
		{{{0}}, 0, "none"},
		{{{true, 'a', ANY, ANY, ALL}}, 0, "all"},
		{{{true, 'a', ANY, ANY, ALL}, {false, 'a', ANY, ANY, ALL}}, 0, "none"},
		{{{true, 'c', 1, 3, ALL}}, 0, "none, c 1:3 rwm"},
		{{{true, 'c', 10, ANY, R | W}}, 0, "none, c 10:* rw"},
		{{{true, 'a', 10, 1, M}}, 0, "none, b 10:1 m, c 10:1 m"},
		/* A deny of the same takes it away, wholly or in part. */
		{{{true, 'c', 1, 3, ALL}, {false, 'c', 1, 3, ALL}}, 0, "none"},
		{{{true, 'c', 1, 3, ALL}, {false, 'c', 1, 3, W}}, 0, "none, c 1:3 rm"},
		{{{true, 'c', 1, 3, ALL}, {false, 'c', ANY, ANY, M}}, 0, "none, c 1:3 rw"},
		{{{true, 'c', 1, 3, ALL}, {false, 'b', 1, 3, ALL}}, 0, "none, c 1:3 rwm"},
		{{{true, 'c', 1, 3, R}, {false, 'c', 1, 3, W}}, 0, "none, c 1:3 r"},
		/* A hole in a wider one. */
		{{{true, 'b', 8, ANY, ALL}, {false, 'b', 8, 1, ALL}}, -ENOTSUP, ""},
		{{{true, 'b', ANY, ANY, ALL}, {false, 'b', 8, ANY, W}}, -ENOTSUP, ""},
		{{{true, 'b', ANY, ANY, M}, {false, 'b', 8, 1, ALL}}, 0, "none"},
		/* Where all is allowed, denials are the exceptions. */
		{{{true, 'a', ANY, ANY, ALL}, {false, 'b', 8, 1, ALL}}, 0, "all, b 8:1 rwm"},
		{{{true, 'a', ANY, ANY, ALL}, {false, 'b', 8, 1, ALL}, {true, 'b', 8, 1, R}}, 0,
			"all, b 8:1 wm"},
		{{{true, 'a', ANY, ANY, ALL}, {false, 'b', 8, ANY, ALL}, {true, 'b', 8, 1, M}},
			-ENOTSUP, ""},
		{{{true, 'a', ANY, ANY, ALL}, {false, 'b', 8, 1, ALL}, {true, 'b', ANY, ANY, ALL}},
			0, "all"},
		/* Nearly everything is not everything. */
		{{{true, 'a', ANY, ANY, R | W}}, 0, "none, b *:* rw, c *:* rw"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_list(rows[i].rules, rows[i].r, rows[i].text);
}

static void too_many_are_refused(void **state)
{
	struct device_rule rule = {true, 'c', 1, 3, ALL};
	struct device_list list;

	(void)state;
	assert_int_equal(device_list_build(&rule, DEVICE_RULES_MAX + 1, &list), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_become_exceptions),
		cmocka_unit_test(too_many_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
