/* SPDX-License-Identifier: Apache-2.0 */
/* Containers where there is no cgroup v2: on this machine's v1 hierarchies, v2 being unmounted in
 * the tests' own mount namespace. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "base/io.h"
#include "launch_rig.h"

static struct outcome out;

/* First of all: the launch asks for the hierarchies once. */
static int take_v2_away(void **state)
{
	static bool done;
	struct cgroup_layout layout;
	int i;

	if (done)
		return rig_fresh_root(state);
	done = true;
	while (cgroup_layout_read(&layout, NULL) == 0 &&
		(i = cgroup_layout_find_unified(&layout)) >= 0)
		if (umount2(layout.hierarchies[i].mount_point, MNT_DETACH) < 0)
			return -1;
	return rig_fresh_root(state);
}

static void need_v1(void)
{
	const struct cgroup_layout *layout = launch_get_cgroup_layout(NULL);

	if (layout && cgroup_layout_find(layout, CGROUP_DEVICES) >= 0 &&
		cgroup_layout_find(layout, CGROUP_FREEZER) >= 0)
		return;
	print_message("skipped: no cgroup v1 devices and freezer controllers here\n");
	skip();
}

/* As seen from outside: in its own cgroup namespace each path is "/". */
static void every_hierarchy_is_joined(void **state)
{
	const struct cgroup_layout *layout;
	auto_buf struct buf b = BUF_INIT;
	struct rig_container c;
	char path[64];

	(void)state;
	need_v1();
	layout = launch_get_cgroup_layout(NULL);
	rig_create(&(struct plan){.in_cgroup = true}, &c);
	if (c.failed)
		fail_msg("%s", c.err.msg);
	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)c.result.pid);
	assert_int_equal(io_read_file(AT_FDCWD, path, 65536, &b), 0);
	for (size_t i = 0; i < layout->n_hierarchies; i++) {
		char line[128], *at;

		/* Of those mounted together one name is enough. */
		snprintf(line, sizeof(line),
			":%s:", strrchr(layout->hierarchies[i].mount_point, '/') + 1);
		at = strstr(buf_str(&b), line);
		if (!at)
			continue;
		snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, "\n"), at);
		if (!strstr(line, rig_cgroup))
			fail_msg("%s", buf_str(&b));
	}
	assert_non_null(strstr(buf_str(&b), rig_cgroup));
	rig_destroy(&c);
}

/* There is no such device: who may use it is told that, the others are not. */
static void devices_are_limited(void **state)
{
	static const char script[] = "mknod /x c 240 7; head -c 1 /x 2>&1; echo x >/dev/null; head "
				     "-c 1 /dev/urandom | wc -c";
	struct plan plan = {.in_cgroup = true};

	(void)state;
	need_v1();
	rig_sh(plan, script, &out);
	assert_exits(out, 0);
	assert_string_equal(out.output, "head: /x: Operation not permitted\n1\n");
	assert_int_equal(rig_fresh_root(state), 0);
	plan.linux_members = ",\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},"
			     "{\"allow\":true,\"type\":\"c\",\"major\":240,\"minor\":7,"
			     "\"access\":\"r\"}]}";
	rig_sh(plan, script, &out);
	assert_exits(out, 0);
	assert_string_equal(out.output, "head: /x: No such device or address\n1\n");
}

static void rules_that_v1_cannot_express_are_refused(void **state)
{
	struct plan plan = {.in_cgroup = true,
		.linux_members = ",\"resources\":{\"devices\":["
				 "{\"allow\":true,\"type\":\"c\",\"major\":240,\"access\":\"rw\"},"
				 "{\"allow\":false,\"type\":\"c\",\"major\":240,\"minor\":7,"
				 "\"access\":\"rw\"}]}"};

	(void)state;
	need_v1();
	rig_run(&plan, &out);
	assert_false(out.created);
	assert_non_null(strstr(out.err.msg, "cannot be expressed in cgroup v1"));
}

static void an_exec_joins_and_all_end_together(void **state)
{
	static const char process[] =
		"{\"args\":[\"sh\",\"-c\",\"grep freezer /proc/self/cgroup | cut -d: "
		"-f3\"],\"env\":[\"PATH=/bin\"],\"cwd\":\"/\"}";
	struct rig_container init;

	(void)state;
	need_v1();
	rig_create(&(struct plan){.args = "[\"sleep\",\"100\"]", .in_cgroup = true}, &init);
	if (init.failed)
		fail_msg("%s", init.err.msg);
	rig_release(&init);
	rig_exec(&init, process, &out);
	assert_exits(out, 0);
	assert_string_equal(out.output, "/\n");
	assert_int_equal(launch_freeze_cgroup(rig_cgroup, true, NULL), 0);
	assert_int_equal(launch_kill_cgroup(rig_cgroup, NULL), 0);
	assert_int_equal(waitpid(init.result.pid, &out.status, 0), init.result.pid);
	assert_int_equal(WTERMSIG(out.status), SIGKILL);
	init.failed = true;
	rig_destroy(&init);
	assert_int_equal(launch_remove_cgroup(rig_cgroup, NULL), 0);
}

#define v1_test(name) cmocka_unit_test_setup(name, take_v2_away)

int main(void)
{
	const struct CMUnitTest tests[] = {
		v1_test(every_hierarchy_is_joined),
		v1_test(devices_are_limited),
		v1_test(rules_that_v1_cannot_express_are_refused),
		v1_test(an_exec_joins_and_all_end_together),
	};

	rig_run_tests(tests, ARRAY_SIZE(tests));
}
