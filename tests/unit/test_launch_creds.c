/* SPDX-License-Identifier: Apache-2.0 */
/* Who a container's process is, and what it may: ids, capabilities, no_new_privs. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "launch_rig.h"
#include "wire/status.h"

static struct outcome out;

static void ids_and_groups_are_taken_on(void **state)
{
	(void)state;
	rig_run(&(struct plan){.args = "[\"id\"]",
			.process = ",\"user\":{\"uid\":1000,\"gid\":7,\"additionalGids\":[8,9]}"},
		&out);
	assert_exits(out, 0);
	assert_string_equal(out.output, "uid=1000(user) gid=7 groups=8,9\n");
	/* Root's groups of the agent are not the container's. */
	rig_sh((struct plan){0}, "grep Groups /proc/self/status; umask", &out);
	assert_string_equal(out.output, "Groups:\t \n0022\n");
}

static void minus_one_is_no_user(void **state)
{
	static const char *const rows[] = {
		",\"user\":{\"uid\":4294967295,\"gid\":0}",
		",\"user\":{\"uid\":0,\"gid\":4294967295}",
		",\"user\":{\"uid\":0,\"gid\":0,\"additionalGids\":[1,4294967295]}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		rig_run(&(struct plan){.process = rows[i]}, &out);
		assert_false(out.created);
		assert_int_equal(out.err.status, WIRE_INVALID_ARGUMENT);
	}
}

static const char show_caps[] = "grep Cap /proc/self/status | cut -f2 | tr '\\n' ' '";

static void capabilities_are_the_five_sets(void **state)
{
	(void)state;
	/* CHOWN 0, KILL 5, NET_RAW 13; inheritable, permitted, effective, bounding, ambient. */
	rig_sh((struct plan){.capabilities =
				     "{\"bounding\":[\"CAP_CHOWN\",\"CAP_KILL\",\"CAP_NET_RAW\"],"
				     "\"effective\":[\"CAP_CHOWN\"],\"permitted\":[\"CAP_CHOWN\","
				     "\"CAP_KILL\"],\"inheritable\":[],\"ambient\":[]}"},
		show_caps, &out);
	assert_exits(out, 0);
	/* Root gets what is bounding at execve. */
	assert_string_equal(out.output, "0000000000000000 0000000000002021 0000000000002021 "
					"0000000000002021 0000000000000000 ");
	rig_sh((struct plan){.process = ",\"user\":{\"uid\":1000,\"gid\":0}"}, show_caps, &out);
	assert_string_equal(out.output, "0000000000000000 0000000000000000 0000000000000000 "
					"00000000a80425fb 0000000000000000 ");
	rig_sh((struct plan){.process = ",\"user\":{\"uid\":1000,\"gid\":0}",
		       .capabilities =
			       "{\"bounding\":[\"CAP_KILL\"],\"effective\":[\"CAP_KILL\"],"
			       "\"permitted\":[\"CAP_KILL\"],\"inheritable\":[\"CAP_KILL\"],"
			       "\"ambient\":[\"CAP_KILL\"]}"},
		show_caps, &out);
	assert_string_equal(out.output, "0000000000000020 0000000000000020 0000000000000020 "
					"0000000000000020 0000000000000020 ");
	rig_sh((struct plan){.capabilities = "{}"}, show_caps, &out);
	assert_string_equal(out.output, "0000000000000000 0000000000000000 0000000000000000 "
					"0000000000000000 0000000000000000 ");
}

static void unknown_names_are_refused(void **state)
{
	static const struct {
		struct plan plan;
		const char *named;
	} rows[] = {
		{{.capabilities = "{\"bounding\":[\"CAP_FOO\"]}"}, "CAP_FOO"},
		{{.capabilities = "{\"ambient\":[\"\"]}"}, "capability \"\""},
		{{.process = ",\"rlimits\":[{\"type\":\"RLIMIT_X\",\"soft\":1,\"hard\":1}]"},
			"RLIMIT_X"},
		{{.process = ",\"rlimits\":[{\"type\":\"RLIMIT_AS\",\"soft\":2,\"hard\":1}]"},
			"RLIMIT_AS"},
		{{.namespaces = "[{\"type\":\"mount\"},{\"type\":\"blah\"}]"}, "blah"},
		{{.namespaces = "[{\"type\":\"pid\"}]"}, "mount namespace"},
		{{.namespaces = "[{\"type\":\"mount\"},{\"type\":\"mount\"}]"}, "twice"},
		{{.linux_members = ",\"rootfsPropagation\":\"odd\""}, "odd"},
		{{.linux_members = ",\"maskedPaths\":[\"/a/../b\"]"}, "/a/../b"},
		{{.linux_members = ",\"devices\":[{\"path\":\"/etc/x\",\"type\":\"c\"}]"},
			"/etc/x"},
		{{.linux_members = ",\"devices\":[{\"path\":\"/dev/../x\",\"type\":\"c\"}]"},
			"/dev/../x"},
		{{.linux_members = ",\"devices\":[{\"path\":\"/dev/x\",\"type\":\"q\"}]"}, "\"q\""},
		{{.linux_members = ",\"sysctl\":{\"kernel.core_pattern\":\"|x\"}"},
			"kernel.core_pattern"},
		{{.mounts = "{\"destination\":\"x\",\"type\":\"tmpfs\"}"}, "\"x\""},
		{{.args = "[]"}, "no args"},
		{{.process = ",\"oomScoreAdj\":1001"}, "oomScoreAdj"},
		{{.namespaces = "[{\"type\":\"mount\"}]", .members = ",\"hostname\":\"h\""}, "uts"},
		{{.linux_members = ",\"uidMappings\":[{\"size\":1}]"}, "user namespace"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		rig_run(&rows[i].plan, &out);
		assert_false(out.created);
		if (!strstr(out.err.msg, rows[i].named))
			fail_msg("row %zu: %s", i, out.err.msg);
		assert_int_equal(out.err.status, WIRE_INVALID_ARGUMENT);
	}
}

static void no_new_privs_is_set_when_asked_for(void **state)
{
	(void)state;
	rig_sh((struct plan){.process = ",\"noNewPrivileges\":true"},
		"grep NoNewPrivs /proc/self/status", &out);
	assert_string_equal(out.output, "NoNewPrivs:\t1\n");
	rig_sh((struct plan){0}, "grep NoNewPrivs /proc/self/status", &out);
	assert_string_equal(out.output, "NoNewPrivs:\t0\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rig_test(ids_and_groups_are_taken_on),
		rig_test(minus_one_is_no_user),
		rig_test(capabilities_are_the_five_sets),
		rig_test(unknown_names_are_refused),
		rig_test(no_new_privs_is_set_when_asked_for),
	};

	rig_run_tests(tests, ARRAY_SIZE(tests));
}
