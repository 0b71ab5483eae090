/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "linux/cgroup_layout.h"

static struct cgroup_layout layout;

static int parse(const char *text)
{
	static char copy[4096];

	snprintf(copy, sizeof(copy), "%s", text);
	layout = (struct cgroup_layout){.n_hierarchies = 99};
	return cgroup_layout_parse(copy, &layout);
}

static const char *place_of(enum cgroup_controller which)
{
	int i = cgroup_layout_find(&layout, which);

	return i < 0 ? "" : layout.hierarchies[i].mount_point;
}

#define V2(at) "9 1 0:9 / " at " rw,nosuid - cgroup2 cgroup rw,nsdelegate\n"
#define V1(at, what) "8 1 0:8 / " at " rw shared:5 - cgroup cgroup rw," what "\n"

static void v2_has_everything(void **state)
{
	(void)state;
	assert_int_equal(parse("1 0 8:1 / / rw - ext4 /dev/root rw\n" V2("/sys/fs/cgroup")), 0);
	assert_int_equal(layout.n_hierarchies, 1);
	assert_string_equal(place_of(CGROUP_MEMORY), "/sys/fs/cgroup");
	assert_int_equal(cgroup_layout_find_unified(&layout), 0);
}

static void v1_has_what_is_mounted(void **state)
{
	(void)state;
	assert_int_equal(parse(V1("/sys/fs/cgroup/systemd", "xattr,name=systemd")
					 V1("/sys/fs/cgroup/cpu,cpuacct", "cpu,cpuacct")
						 V1("/sys/fs/cgroup/memory", "memory")),
		0);
	assert_int_equal(layout.n_hierarchies, 2);
	assert_string_equal(place_of(CGROUP_CPU), "/sys/fs/cgroup/cpu,cpuacct");
	assert_string_equal(place_of(CGROUP_CPUACCT), "/sys/fs/cgroup/cpu,cpuacct");
	assert_string_equal(place_of(CGROUP_MEMORY), "/sys/fs/cgroup/memory");
	assert_int_equal(cgroup_layout_find(&layout, CGROUP_PIDS), -ENOENT);
	assert_int_equal(cgroup_layout_find_unified(&layout), -ENOENT);
}

static void in_a_hybrid_v2_has_the_rest(void **state)
{
	(void)state;
	assert_int_equal(
		parse(V2("/sys/fs/cgroup/unified") V1("/sys/fs/cgroup/memory", "memory")), 0);
	assert_string_equal(place_of(CGROUP_MEMORY), "/sys/fs/cgroup/memory");
	assert_string_equal(place_of(CGROUP_PIDS), "/sys/fs/cgroup/unified");
}

static void the_usual_place_is_preferred_and_the_latest_mount_seen(void **state)
{
	(void)state;
	assert_int_equal(parse(V2("/mnt/a") V2("/sys/fs/cgroup") V2("/mnt/b")), 0);
	assert_int_equal(layout.n_hierarchies, 1);
	assert_string_equal(place_of(CGROUP_CPU), "/sys/fs/cgroup");
	assert_int_equal(parse(V2("/mnt/a") V2("/sys/fs/cgroups")), 0);
	assert_string_equal(place_of(CGROUP_CPU), "/mnt/a");
	/* Something else hides it. */
	assert_int_equal(parse(V1("/cg", "pids") "7 1 0:7 / /cg rw - tmpfs tmpfs rw\n"), -ENOENT);
	assert_int_equal(parse(V1("/cg", "pids") V1("/cg", "memory")), 0);
	assert_int_equal(layout.n_hierarchies, 1);
	assert_string_equal(place_of(CGROUP_MEMORY), "/cg");
}

static void odd_mounts_are_passed_over(void **state)
{
	static const char *const rows[] = {
		"",
		"\n\n",
		V1("/sys/fs/cgroup/x", "memoryx,xcpu"),
		V1("/sys/fs/cgroup/systemd", "name=systemd"),
		"8 1 0:8 / /cg rw - cgroup cgroup\n",
		"8 1 0:8 / /cg rw - cgroup3 cgroup rw,memory\n",
		"8 1 0:8 / /cg rw -\n",
		"8 1 0:8 / /"
		"0123456789012345678901234567890123456789012345678901234567890123456789"
		"0123456789012345678901234567890123456789012345678901234567890123456789"
		" rw - cgroup2 cgroup rw\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(parse(rows[i]), -ENOENT);
		/* Written only on success. */
		assert_int_equal(layout.n_hierarchies, 99);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(v2_has_everything),
		cmocka_unit_test(v1_has_what_is_mounted),
		cmocka_unit_test(in_a_hybrid_v2_has_the_rest),
		cmocka_unit_test(the_usual_place_is_preferred_and_the_latest_mount_seen),
		cmocka_unit_test(odd_mounts_are_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
