/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>
#include <sys/wait.h>

#include "launch_rig.h"

static struct outcome out;

#define assert_runs(o)                                                                        \
	do {                                                                                  \
		if (!(o).started)                                                             \
			fail_msg("did not start: %s", (o).err.msg);                           \
		if (!WIFEXITED((o).status) || WEXITSTATUS((o).status) != 0)                   \
			fail_msg("status %#x, output: %s", (unsigned)(o).status, (o).output); \
	} while (0)

static void exit_codes_arrive(void **state)
{
	(void)state;
	rig_run(&(struct plan){.args = "[\"true\"]"}, &out);
	assert_runs(out);
	rig_run(&(struct plan){.args = "[\"/bin/false\"]"}, &out);
	assert_int_equal(WEXITSTATUS(out.status), 1);
	rig_sh((struct plan){0}, "exit 42", &out);
	assert_int_equal(WEXITSTATUS(out.status), 42);
}

static void init_is_pid_1_in_a_session_of_its_own(void **state)
{
	(void)state;
	rig_sh((struct plan){0}, "echo $$; cut -d' ' -f1,5,6 /proc/self/stat; ls -d /proc/[0-9]*",
		&out);
	assert_runs(out);
	assert_string_equal(out.output, "1\n2 1 1\n/proc/1\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(exit_codes_arrive, rig_fresh_root),
		cmocka_unit_test_setup(init_is_pid_1_in_a_session_of_its_own, rig_fresh_root),
	};

	alarm(50);
	return cmocka_run_group_tests(tests, rig_set_up, rig_tear_down);
}
