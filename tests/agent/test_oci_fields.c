/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of a container's spec that few hosts send: what they do, and how a wrong one is refused.
 * Each in detail: tests/unit/test_launch_*.c. */
#include <stdio.h>
#include <unistd.h>

#include "fixture.h"

/* A container of one shell script; what it prints. */
static void run_amended(struct fixture *f, const char *script,
	void (*amend)(Grpc__CreateContainerRequest *request, void *data), void *data,
	struct buf *out)
{
	struct container_options o = {.id = "c1", .script = script, .amend = amend, .data = data};
	struct err err = ERR_INIT;

	if (create_container(f, &o, &err) != 0)
		fail_msg("%s", err.msg);
	assert_int_equal(start_container(f, "c1"), 0);
	read_all(f, "c1", "", out);
	assert_int_equal(remove_container(f, "c1"), 0);
}

static void assert_refused(struct fixture *f,
	void (*amend)(Grpc__CreateContainerRequest *request, void *data), void *data,
	enum wire_status status, const char *part)
{
	struct container_options o = {.id = "c1", .script = "true", .amend = amend, .data = data};
	struct err err = ERR_INIT;

	assert_int_equal(create_container(f, &o, &err), status);
	if (!strstr(err.msg, part))
		fail_msg("%s", err.msg);
}

struct added {
	const char *type, *path;
	int64_t boottime_s;
};

/* One namespace more. */
static void add_namespace(Grpc__CreateContainerRequest *request, void *data)
{
	static Grpc__LinuxNamespace ns, *list[8];
	static Grpc__LinuxTimeOffset boottime;
	static Grpc__LinuxTimeOffsets offsets;
	const struct added *added = data;
	Grpc__Linux *l = request->oci->linux;

	memcpy(list, l->namespaces, l->n_namespaces * sizeof(*list));
	grpc__linux_namespace__init(&ns);
	ns.type = text(added->type);
	ns.path = added->path ? text(added->path) : NULL;
	list[l->n_namespaces++] = &ns;
	l->namespaces = list;
	if (added->boottime_s == 0)
		return;
	grpc__linux_time_offset__init(&boottime);
	grpc__linux_time_offsets__init(&offsets);
	boottime.has_secs = 1;
	boottime.secs = added->boottime_s;
	offsets.boottime = &boottime;
	l->timeoffsets = &offsets;
}

static void a_namespace_by_path_is_entered(void **state)
{
	struct fixture *f = *state;
	struct buf out = BUF_INIT;
	char path[64], expected[64];
	struct added added = {.type = "network", .path = path};
	ssize_t n;

	/* The test's own, which the agent has too: what is seen is that no new one is made. */
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)getpid());
	n = readlink(path, expected, sizeof(expected) - 2);
	assert_true(n > 0);
	snprintf(expected + n, 2, "\n");
	run_amended(f, "readlink /proc/self/ns/net", add_namespace, &added, &out);
	assert_string_equal(buf_str(&out), expected);
	buf_clear(&out);
	added.path = NULL;
	run_amended(f, "readlink /proc/self/ns/net", add_namespace, &added, &out);
	assert_string_not_equal(buf_str(&out), expected);
	buf_fini(&out);
}

static void a_path_that_is_no_such_namespace_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_refused(f, add_namespace, &(struct added){"network", "/proc/self/ns/uts", 0},
		WIRE_INVALID_ARGUMENT, "is no network namespace");
	assert_refused(f, add_namespace, &(struct added){"pid", "/proc/self/ns/pid", 0},
		WIRE_INTERNAL, "the agent's own pid namespace");
	assert_refused(f, add_namespace, &(struct added){"network", "/no/such", 0}, WIRE_INTERNAL,
		"/no/such");
}

static void a_time_namespace_has_its_offsets(void **state)
{
	struct added added = {"time", NULL, 5000000};
	struct fixture *f = *state;
	struct buf out = BUF_INIT;

	run_amended(f, "cat /proc/uptime", add_namespace, &added, &out);
	assert_true(strtol(buf_str(&out), NULL, 10) >= 5000000);
	buf_fini(&out);
	added.type = "cgroup";
	assert_refused(f, add_namespace, &added, WIRE_INVALID_ARGUMENT, "need a time namespace");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		agent_test(a_namespace_by_path_is_entered),
		agent_test(a_path_that_is_no_such_namespace_is_refused),
		agent_test(a_time_namespace_has_its_offsets),
	};

	fixture_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
