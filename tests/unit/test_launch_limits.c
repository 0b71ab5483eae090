/* SPDX-License-Identifier: Apache-2.0 */
/* That a container is really held to its limits, on whatever cgroups this machine has. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

#include "base/io.h"
#include "launch_rig.h"

static struct outcome out;

static const struct plan limited = {
	.in_cgroup = true,
	.linux_members = ",\"resources\":{\"memory\":{\"limit\":33554432,\"reservation\":4096},"
			 "\"cpu\":{\"shares\":1024,\"quota\":20000,\"period\":50000},"
			 "\"pids\":{\"limit\":6}}",
};

static bool has_file(
	const struct cgroup *c, enum cgroup_controller which, const char *v1, const char *v2)
{
	bool unified = false;
	int fd = cgroup_fd_of(c, which, &unified);

	return fd >= 0 && faccessat(fd, unified ? v2 : v1, F_OK, 0) == 0;
}

/* Of a container without limits: a controller that is missing would fail its launch. */
static void need_controllers(void)
{
	struct plan plan = {.in_cgroup = true};
	struct cgroup c = {.layout = NULL};
	struct rig_container container;
	bool all;

	rig_create(&plan, &container);
	if (container.failed)
		fail_msg("%s", container.err.msg);
	assert_int_equal(launch_open_cgroup(rig_cgroup, &c, NULL), 0);
	all = has_file(&c, CGROUP_MEMORY, "memory.limit_in_bytes", "memory.max") &&
	      has_file(&c, CGROUP_CPU, "cpu.cfs_quota_us", "cpu.max") &&
	      has_file(&c, CGROUP_PIDS, "pids.max", "pids.max");
	cgroup_close(&c);
	rig_destroy(&container);
	assert_int_equal(rig_fresh_root(NULL), 0);
	if (!all) {
		print_message("skipped: no memory, cpu and pids controllers for our cgroups\n");
		skip();
	}
}

static void assert_file(const struct cgroup *c, enum cgroup_controller which, const char *v1,
	const char *v1_text, const char *v2, const char *v2_text)
{
	auto_buf struct buf b = BUF_INIT;
	bool unified = false;
	int fd = cgroup_fd_of(c, which, &unified);

	assert_int_equal(io_read_file(fd, unified ? v2 : v1, 4096, &b), 0);
	assert_string_equal(buf_str(&b), unified ? v2_text : v1_text);
}

static void limits_are_written(void **state)
{
	struct cgroup c = {.layout = NULL};
	struct rig_container container;

	(void)state;
	need_controllers();
	rig_create(&limited, &container);
	if (container.failed)
		fail_msg("%s", container.err.msg);
	assert_int_equal(launch_open_cgroup(rig_cgroup, &c, NULL), 0);
	assert_file(&c, CGROUP_MEMORY, "memory.limit_in_bytes", "33554432\n", "memory.max",
		"33554432\n");
	assert_file(
		&c, CGROUP_MEMORY, "memory.soft_limit_in_bytes", "4096\n", "memory.low", "4096\n");
	assert_file(&c, CGROUP_CPU, "cpu.shares", "1024\n", "cpu.weight", "39\n");
	assert_file(&c, CGROUP_CPU, "cpu.cfs_quota_us", "20000\n", "cpu.max", "20000 50000\n");
	assert_file(&c, CGROUP_CPU, "cpu.cfs_period_us", "50000\n", "cpu.max", "20000 50000\n");
	assert_file(&c, CGROUP_PIDS, "pids.max", "6\n", "pids.max", "6\n");
	cgroup_close(&c);
	rig_destroy(&container);
}

static void too_much_memory_kills(void **state)
{
	(void)state;
	need_controllers();
	rig_sh(limited, "exec 2>/dev/null; (dd if=/dev/zero of=/dev/null bs=64M count=1); echo $?",
		&out);
	assert_exits(out, 0);
	assert_string_equal(out.output, "137\n");
}

/* The shell itself is one, and gives up at the sixth child. */
static void too_many_processes_are_refused(void **state)
{
	(void)state;
	need_controllers();
	rig_sh(limited, "for i in 1 2 3 4 5 6 7 8; do sleep 0.2 & done; wait", &out);
	assert_true(out.started);
	if (!strstr(out.output, "can't fork"))
		fail_msg("%s", out.output);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rig_test(limits_are_written),
		rig_test(too_much_memory_kills),
		rig_test(too_many_processes_are_refused),
	};

	rig_run_tests(tests, ARRAY_SIZE(tests));
}
