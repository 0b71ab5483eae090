/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/copy_path.h"
#include "wire/status.h"

#define BASE "/run/kata-containers/shared/containers"

static struct copy_path path;

static int parse(const char *text)
{
	return copy_path_parse(BASE, text, &path, NULL);
}

static void paths_below_the_base_are_split(void **state)
{
	static const struct {
		const char *path, *dir, *name;
	} rows[] = {
		{BASE "/f", "", "f"},
		{BASE "/a/b/f.txt", "a/b", "f.txt"},
		{"//run/./kata-containers//shared/containers/./a//f/", "a", "f"},
		{BASE "/..data", "", "..data"},
		{BASE "/..2026_01/...", "..2026_01", "..."},
		{BASE "/.kata-copy", "", ".kata-copy"},
		{BASE "/\xff\xfe/ \n", "\xff\xfe", " \n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(parse(rows[i].path), 0);
		assert_string_equal(path.dir, rows[i].dir);
		assert_string_equal(path.name, rows[i].name);
	}
}

static void everything_else_is_refused(void **state)
{
	static const struct {
		const char *path, *text;
	} rows[] = {
		{"", "not an absolute path"},
		{"f", "not an absolute path"},
		{"run/kata-containers/shared/containers/f", "not an absolute path"},
		{"/", "not below"},
		{"/etc/passwd", "not below"},
		{"/run/kata-containers/shared/containersx/f", "not below"},
		{"/run/kata-containers/shared/container", "not below"},
		{"/run/../run/kata-containers/shared/containers/f", "not below"},
		{BASE, "itself"},
		{BASE "/", "itself"},
		{BASE "//./.", "itself"},
		{BASE "/..", "\"..\""},
		{BASE "/../f", "\"..\""},
		{BASE "/a/../../../f", "\"..\""},
		{BASE "/a/..", "\"..\""},
		{BASE "/.kata-copy-f", "agent's"},
		{BASE "/.kata-copy-f/f", "agent's"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;

		assert_true(copy_path_parse(BASE, rows[i].path, &path, &err) < 0);
		assert_int_equal(wire_status_of(&err), WIRE_INVALID_ARGUMENT);
		if (!strstr(err.msg, rows[i].text))
			fail_msg("%s: %s", rows[i].path, err.msg);
	}
}

static void lengths_have_the_kernels_limits(void **state)
{
	char text[PATH_MAX + sizeof(BASE) + 8];
	size_t n;

	(void)state;
	n = (size_t)snprintf(text, sizeof(text), BASE "/%0255d", 0);
	assert_int_equal(parse(text), 0);
	assert_int_equal(strlen(path.name), NAME_MAX);
	assert_int_equal(strlen(path.temp), NAME_MAX);
	text[n] = '0';
	text[n + 1] = '\0';
	assert_int_equal(parse(text), -ENAMETOOLONG);
	snprintf(text, sizeof(text), BASE "/%0256d/f", 0);
	assert_int_equal(parse(text), -ENAMETOOLONG);

	snprintf(text, sizeof(text), BASE "/f");
	for (n = strlen(text); n < PATH_MAX - 1; n++)
		text[n] = n % 2 ? '/' : 'd';
	text[n] = '\0';
	assert_int_equal(parse(text), 0);
	text[n++] = 'x';
	text[n] = '\0';
	assert_int_equal(parse(text), -ENAMETOOLONG);
}

static void no_two_names_share_a_temporary_one(void **state)
{
	static char names[3][NAME_MAX + 1], temps[6][NAME_MAX + 1];
	const char *all[] = {"a.txt", "a.json", "a", names[0], names[1], names[2]};

	(void)state;
	/* They differ at the start only, and one at the limit of what fits. */
	snprintf(names[0], sizeof(names[0]), "a%0254d", 0);
	snprintf(names[1], sizeof(names[1]), "b%0254d", 0);
	snprintf(names[2], sizeof(names[2]), "%0244d", 0);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		char text[sizeof(BASE) + NAME_MAX + 1];

		snprintf(text, sizeof(text), BASE "/%s", all[i]);
		assert_int_equal(parse(text), 0);
		assert_int_equal(strncmp(path.temp, ".kata-copy-", 11), 0);
		memcpy(temps[i], path.temp, sizeof(temps[i]));
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(temps[i], temps[k]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_below_the_base_are_split),
		cmocka_unit_test(everything_else_is_refused),
		cmocka_unit_test(lengths_have_the_kernels_limits),
		cmocka_unit_test(no_two_names_share_a_temporary_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
