/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "linux/caps.h"
#include "linux/rlimit.h"

static void names_are_numbers(void **state)
{
	static const struct {
		const char *name;
		int nr;
	} rows[] = {
		{"CAP_CHOWN", CAP_CHOWN},
		{"CAP_SYS_ADMIN", CAP_SYS_ADMIN},
		{"CAP_CHECKPOINT_RESTORE", CAP_CHECKPOINT_RESTORE},
		{"sys_admin", CAP_SYS_ADMIN},
		{"cap_bpf", CAP_BPF},
		{"", -EINVAL},
		{"CAP_", -EINVAL},
		{"CAP_SYS_ADMINX", -EINVAL},
		{"CAP_CAP_CHOWN", -EINVAL},
		{" CAP_CHOWN", -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(caps_parse(rows[i].name), rows[i].nr);
	for (int i = 0; i <= CAP_LAST_CAP; i++)
		assert_int_equal(caps_parse(caps_name((unsigned int)i)), i);
	assert_null(caps_name(CAP_LAST_CAP + 1));
	assert_null(caps_name(64));
}

static int limit_in_child(uint64_t mask)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (caps_limit_bounding(mask) < 0)
			_exit(1);
		_exit((caps_limit_bounding(mask) == 0) ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status);
}

static void the_bounding_set_only_shrinks(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(limit_in_child(0), 0);
	assert_int_equal(limit_in_child(UINT64_MAX), 0);
	assert_int_equal(limit_in_child(1), 0);
	assert_true(caps_supported() & 1);
	assert_int_equal(caps_supported() >> (CAP_LAST_CAP + 1) >> 8, 0);
}

static void rlimits_have_names(void **state)
{
	(void)state;
	assert_int_equal(rlimit_parse("RLIMIT_NOFILE"), RLIMIT_NOFILE);
	assert_int_equal(rlimit_parse("RLIMIT_AS"), RLIMIT_AS);
	assert_int_equal(rlimit_parse("RLIMIT_STACK"), RLIMIT_STACK);
	assert_int_equal(rlimit_parse("NOFILE"), -EINVAL);
	assert_int_equal(rlimit_parse("rlimit_nofile"), -EINVAL);
	assert_int_equal(rlimit_parse(""), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_numbers),
		cmocka_unit_test(the_bounding_set_only_shrinks),
		cmocka_unit_test(rlimits_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
