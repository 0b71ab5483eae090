/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/path.h"
#include "shim/group.h"

#define CRI_TYPE "\"io.kubernetes.cri.container-type\":"
#define CRI_ID "\"io.kubernetes.cri.sandbox-id\":"
#define CRIO_TYPE "\"io.kubernetes.cri-o.ContainerType\":"
#define CRIO_ID "\"io.kubernetes.cri-o.SandboxID\":"

static int set_up(void **data)
{
	char *dir = strdup("/tmp/test_group.XXXXXX");

	assert_non_null(dir);
	assert_non_null(mkdtemp(dir));
	*data = dir;
	return 0;
}

static int tear_down(void **data)
{
	assert_int_equal(path_remove_tree(AT_FDCWD, *data), 0);
	free(*data);
	return 0;
}

static void write_config(const char *dir, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/config.json", dir);
	assert_int_equal(io_replace_file(AT_FDCWD, path, 0600, text, strlen(text)), 0);
}

static void write_annotations(const char *dir, const char *annotations)
{
	auto_buf struct buf b = BUF_INIT;

	assert_int_equal(
		buf_printf(&b, "{\"ociVersion\":\"1.0.2\",\"annotations\":{%s}}", annotations), 0);
	write_config(dir, buf_str(&b));
}

static void annotations_say_the_sandbox(void **data)
{
	static const struct {
		const char *annotations, *id;
		bool joins;
	} rows[] = {
		{"", "c1", false},
		{"\"other\":\"container\"", "c1", false},
		{CRI_TYPE "\"sandbox\"," CRI_ID "\"c1\"", "c1", false},
		{CRI_TYPE "\"sandbox\"," CRI_ID "\"another\"", "c1", false},
		{CRI_TYPE "\"single_container\"", "c1", false},
		/* Only the type makes it a member of a pod. */
		{CRI_ID "\"s1\"", "c1", false},
		{CRI_TYPE "\"container\"," CRI_ID "\"s1\"", "s1", true},
		{CRIO_TYPE "\"container\"," CRIO_ID "\"s1\"", "s1", true},
		{CRIO_TYPE "\"sandbox\"," CRIO_ID "\"s1\"", "c1", false},
		/* CRI-O's come first. */
		{CRI_TYPE "\"container\"," CRI_ID "\"s1\"," CRIO_TYPE "\"sandbox\"", "c1", false},
		{CRI_TYPE "\"container\"," CRI_ID "\"s1\"," CRIO_ID "\"s2\"", "s2", true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_free char *id = NULL;
		struct err err = ERR_INIT;
		bool joins;

		write_annotations(*data, rows[i].annotations);
		assert_int_equal(group_find(*data, "c1", &id, &joins, &err), 0);
		assert_string_equal(id, rows[i].id);
		assert_int_equal(joins, rows[i].joins);
	}
}

static void bad_annotations_are_refused(void **data)
{
	static const struct {
		const char *annotations, *part;
	} rows[] = {
		{CRI_TYPE "\"container\"", "without a sandbox id"},
		{CRI_TYPE "\"container\"," CRI_ID "\"\"", "valid sandbox id"},
		{CRI_TYPE "\"container\"," CRI_ID "\"..\"", "valid sandbox id"},
		{CRI_TYPE "\"container\"," CRI_ID "\"../../etc\"", "valid sandbox id"},
		{CRI_TYPE "\"Container\"," CRI_ID "\"s1\"", "Container"},
		{CRI_TYPE "\"\"", "unknown container type"},
		{CRI_TYPE "1", "annotations"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *id = NULL;
		struct err err = ERR_INIT;
		bool joins;

		write_annotations(*data, rows[i].annotations);
		assert_true(group_find(*data, "c1", &id, &joins, &err) < 0);
		assert_non_null(strstr(err.msg, rows[i].part));
		assert_null(id);
	}
}

static void a_bundle_without_a_spec_is_on_its_own(void **data)
{
	auto_free char *id = NULL;
	struct err err = ERR_INIT;
	bool joins = true;

	assert_int_equal(group_find(*data, "c1", &id, &joins, &err), 0);
	assert_string_equal(id, "c1");
	assert_false(joins);
	write_config(*data, "{");
	assert_true(group_find(*data, "c1", &id, &joins, &err) < 0);
	assert_non_null(strstr(err.msg, "config.json"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(annotations_say_the_sandbox),
		TEST(bad_annotations_are_refused),
		TEST(a_bundle_without_a_spec_is_on_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
