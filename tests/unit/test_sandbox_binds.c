/* SPDX-License-Identifier: Apache-2.0 */
/* What sandbox_bind_mounts makes of its words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "oom.h"
#include "runtime/sandbox_private.h"

static void init(struct sandbox *sb, const char *words)
{
	struct err err = ERR_INIT;
	char text[512];

	memset(sb, 0, sizeof(*sb));
	snprintf(text, sizeof(text),
		"[hypervisor.qemu]\nkernel = \"/k\"\ninitrd = \"/i\"\n[runtime]\n"
		"sandbox_bind_mounts = [%s]\n",
		words);
	assert_int_equal(config_parse("t.toml", text, strlen(text), &sb->config, &err), 0);
	assert_int_equal(layout_init(&sb->layout, "/run", "s1"), 0);
	share_plan_init(&sb->binds, &sb->layout);
}

static void fini(struct sandbox *sb)
{
	sandbox_free_binds(sb);
	config_free(sb->config);
}

static void paths_are_read_only_unless_they_say_otherwise(void **state)
{
	static const char dir[] = "/run/kata-containers/shared/sandboxes/s1/rw/sandbox-mounts";
	static const struct {
		const char *source, *name;
		bool is_readonly;
	} rows[] = {{"/a/one", "one", true}, {"/a/two", "two", true}, {"/a/three", "three", false},
		{"/a/:rw:x", ":rw:x", true}};
	struct sandbox sb;
	char target[256];

	(void)state;
	init(&sb, "\"/a/one\", \"/a/two:ro\", \"/a/three:rw\", \"/a/:rw:x\"");
	assert_int_equal(sandbox_plan_binds(&sb, NULL), 0);
	assert_int_equal(sb.binds.n_items, ARRAY_SIZE(rows));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(target, sizeof(target), "%s/%s", dir, rows[i].name);
		assert_string_equal(sb.binds.items[i].source, rows[i].source);
		assert_string_equal(sb.binds.items[i].target, target);
		assert_int_equal(sb.binds.items[i].is_readonly, rows[i].is_readonly);
		assert_int_equal(sb.binds.items[i].purpose, SHARE_SANDBOX);
	}
	fini(&sb);
}

static void none_is_none(void **state)
{
	struct sandbox sb;

	(void)state;
	init(&sb, "");
	assert_int_equal(sandbox_plan_binds(&sb, NULL), 0);
	assert_int_equal(sb.binds.n_items, 0);
	fini(&sb);
}

static void what_names_no_place_is_refused(void **state)
{
	static const struct {
		const char *words;
		int code;
	} rows[] = {{"\"relative\"", EINVAL}, {"\"\"", EINVAL}, {"\":rw\"", EINVAL},
		{"\"/a/\"", EINVAL}, {"\"/\"", EINVAL}, {"\"/a/..\"", EINVAL}, {"\"/.\"", EINVAL},
		{"\"/a/x\", \"/b/x:rw\"", EEXIST}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;
		struct sandbox sb;

		init(&sb, rows[i].words);
		assert_int_equal(sandbox_plan_binds(&sb, &err), -rows[i].code);
		assert_non_null(strstr(err.msg, "sandbox_bind_mounts"));
		fini(&sb);
	}
}

static void planning_survives_the_lack_of_memory(void **state)
{
	(void)state;
	OOM_SWEEP(n)
	{
		struct sandbox sb;
		int r;

		init(&sb, "\"/a/one\", \"/a/two:rw\"");
		oom_arm(n);
		r = sandbox_plan_binds(&sb, NULL);
		oom_disarm();
		if (r < 0)
			assert_int_equal(r, -ENOMEM);
		fini(&sb);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_are_read_only_unless_they_say_otherwise),
		cmocka_unit_test(none_is_none),
		cmocka_unit_test(what_names_no_place_is_refused),
		cmocka_unit_test(planning_survives_the_lack_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
