/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces that a spec names by path, and those with settings of their own. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "launch_rig.h"
#include "wire/status.h"

#define MOUNT "{\"type\":\"mount\"}"

static struct outcome out;

/* Another container, whose namespaces have paths. */
static void start_other(const char *namespaces, struct rig_container *ret)
{
	rig_create(&(struct plan){.args = "[\"sleep\",\"100\"]", .namespaces = namespaces}, ret);
	if (ret->failed)
		fail_msg("%s", ret->err.msg);
	rig_release(ret);
}

static void read_namespace(const struct rig_container *c, const char *file, char link[64])
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)c->result.pid, file);
	n = readlink(path, link, 63);
	assert_true(n > 0);
	link[n] = '\0';
}

static void namespaces_are_entered_by_path(void **state)
{
	static const struct {
		const char *type, *file;
	} rows[] = {
		{"network", "net"},
		{"ipc", "ipc"},
		{"uts", "uts"},
		{"pid", "pid"},
		{"cgroup", "cgroup"},
		{"time", "time"},
	};
	struct rig_container other;

	(void)state;
	start_other("[" MOUNT ",{\"type\":\"network\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},"
		    "{\"type\":\"pid\"},{\"type\":\"cgroup\"},{\"type\":\"time\"}]",
		&other);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char list[256], script[64], expected[64];

		snprintf(list, sizeof(list),
			"[" MOUNT ",{\"type\":\"%s\",\"path\":\"/proc/%d/ns/%s\"}]", rows[i].type,
			(int)other.result.pid, rows[i].file);
		snprintf(script, sizeof(script), "readlink /proc/self/ns/%s", rows[i].file);
		read_namespace(&other, rows[i].file, expected);
		rig_sh((struct plan){.namespaces = list}, script, &out);
		assert_exits(out, 0);
		out.output[strcspn(out.output, "\n")] = '\0';
		assert_string_equal(out.output, expected);
	}
	rig_destroy(&other);
}

/* And an exec finds its way into it too. */
static void an_exec_enters_what_init_was_given_by_path(void **state)
{
	struct rig_container other, c;
	char list[256], expected[64];

	(void)state;
	start_other("[" MOUNT ",{\"type\":\"network\"},{\"type\":\"time\"}]", &other);
	snprintf(list, sizeof(list),
		"[" MOUNT ",{\"type\":\"network\",\"path\":\"/proc/%d/ns/net\"},"
		"{\"type\":\"time\",\"path\":\"/proc/%d/ns/time\"}]",
		(int)other.result.pid, (int)other.result.pid);
	rig_create(&(struct plan){.args = "[\"sleep\",\"100\"]", .namespaces = list}, &c);
	assert_false(c.failed);
	rig_release(&c);
	rig_exec(&c,
		"{\"args\":[\"sh\",\"-c\",\"cd /proc/self/ns; readlink net; readlink time\"],"
		"\"cwd\":\"/\",\"env\":[\"PATH=/bin\"]}",
		&out);
	read_namespace(&other, "net", expected);
	assert_non_null(strstr(out.output, expected));
	read_namespace(&other, "time", expected);
	assert_non_null(strstr(out.output, expected));
	rig_destroy(&c);
	rig_destroy(&other);
}

static void what_is_no_such_namespace_is_refused(void **state)
{
	static const struct {
		const char *type, *path, *error;
		int code;
		uint8_t status;
	} rows[] = {
		{"network", "/proc/self/ns/uts", "is no network namespace", EINVAL,
			WIRE_INVALID_ARGUMENT},
		{"uts", "/etc/passwd", "is no namespace", EINVAL, WIRE_INVALID_ARGUMENT},
		{"ipc", "/no/such", "open the ipc namespace /no/such: No such file or directory",
			ENOENT, 0},
		{"pid", "/proc/self/ns/pid", "is the agent's own pid namespace", EPERM, 0},
		{"network", "proc/1/ns/net", "is not absolute", EINVAL, WIRE_INVALID_ARGUMENT},
		{"mount", "/proc/1/ns/mnt", "mount namespace by path", ENOTSUP, 0},
		{"bogus", "", "unknown namespace type \"bogus\"", EINVAL, WIRE_INVALID_ARGUMENT},
		{"mount\"},{\"type\":\"uts\"},{\"type\":\"uts", "", "uts is listed twice", EINVAL,
			WIRE_INVALID_ARGUMENT},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char list[256];
		bool is_mount = strncmp(rows[i].type, "mount", 5) == 0;

		snprintf(list, sizeof(list), "[%s{\"type\":\"%s\",\"path\":\"%s\"}]",
			is_mount ? "" : MOUNT ",", rows[i].type, rows[i].path);
		rig_run(&(struct plan){.namespaces = list}, &out);
		assert_false(out.created);
		if (!strstr(out.err.msg, rows[i].error))
			fail_msg("%s", out.err.msg);
		assert_int_equal(out.err.code, rows[i].code);
		assert_int_equal(out.err.status, rows[i].status);
	}
}

/* A fifo would keep who opens it waiting for ever. */
static void what_is_no_namespace_is_not_even_opened(void **state)
{
	char list[256], path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/fifo", rig_root);
	assert_int_equal(mkfifo(path, 0600), 0);
	snprintf(list, sizeof(list), "[" MOUNT ",{\"type\":\"uts\",\"path\":\"%s\"}]", path);
	rig_run(&(struct plan){.namespaces = list, .deadline_ns = 5 * NS_PER_S}, &out);
	assert_int_equal(out.err.code, EINVAL);
}

static void clocks_have_their_offsets(void **state)
{
	static const char offsets[] = ",\"timeOffsets\":{\"monotonic\":{\"secs\":1000000,"
				      "\"nanosecs\":5},\"boottime\":{\"secs\":2000000}}";
	struct plan plan = {
		.namespaces = "[" MOUNT ",{\"type\":\"time\"}]", .linux_members = offsets};
	struct timespec now;
	long uptime;

	(void)state;
	rig_sh(plan, "cat /proc/self/timens_offsets | tr -s ' ' && cut -d. -f1 /proc/uptime", &out);
	assert_exits(out, 0);
	assert_int_equal(
		sscanf(out.output, "monotonic 1000000 5 boottime 2000000 0 %ld", &uptime), 1);
	assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &now), 0);
	assert_in_range(uptime - 2000000, now.tv_sec - 10, now.tv_sec);
}

static void an_exec_sees_the_same_clocks(void **state)
{
	struct plan plan = {.args = "[\"sleep\",\"100\"]",
		.namespaces = "[" MOUNT ",{\"type\":\"time\"}]",
		.linux_members = ",\"timeOffsets\":{\"boottime\":{\"secs\":3000000}}"};
	struct rig_container c;

	(void)state;
	rig_create(&plan, &c);
	if (c.failed)
		fail_msg("%s", c.err.msg);
	rig_release(&c);
	rig_exec(&c,
		"{\"args\":[\"cut\",\"-d.\",\"-f1\",\"/proc/uptime\"],\"cwd\":\"/\",\"env\":["
		"\"PATH=/bin\"]}",
		&out);
	assert_true(strtol(out.output, NULL, 10) >= 3000000);
	rig_destroy(&c);
}

static void offsets_that_cannot_be_are_refused(void **state)
{
	static const struct {
		const char *namespaces, *offsets, *error;
	} rows[] = {
		{"[" MOUNT "]", "{\"boottime\":{\"secs\":1}}", "need a time namespace"},
		{"[" MOUNT ",{\"type\":\"time\",\"path\":\"/proc/1/ns/time\"}]",
			"{\"boottime\":{\"secs\":1}}", "need a time namespace"},
		{"[" MOUNT ",{\"type\":\"time\"}]",
			"{\"boottime\":{\"secs\":1,\"nanosecs\":1000000000}}",
			"timeOffsets.boottime: 1000000000 nanosecs are a second or more"},
		{"[" MOUNT ",{\"type\":\"time\"}]", "{\"monotonic\":{\"secs\":-999999999}}",
			"set the offset of a clock to monotonic -999999999 0: Numerical result out "
			"of range"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char members[128];

		snprintf(members, sizeof(members), ",\"timeOffsets\":%s", rows[i].offsets);
		rig_run(&(struct plan){.namespaces = rows[i].namespaces, .linux_members = members},
			&out);
		assert_false(out.created);
		if (!strstr(out.err.msg, rows[i].error))
			fail_msg("%s", out.err.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rig_test(namespaces_are_entered_by_path),
		rig_test(an_exec_enters_what_init_was_given_by_path),
		rig_test(what_is_no_such_namespace_is_refused),
		rig_test(what_is_no_namespace_is_not_even_opened),
		rig_test(clocks_have_their_offsets),
		rig_test(an_exec_sees_the_same_clocks),
		rig_test(offsets_that_cannot_be_are_refused),
	};

	rig_run_tests(tests, ARRAY_SIZE(tests));
}
