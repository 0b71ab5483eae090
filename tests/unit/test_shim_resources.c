/* SPDX-License-Identifier: Apache-2.0 */
/* Update and Stats. */
#include "shim_fixture.h"

#include <signal.h>
#include <string.h>

#include "cgroup_metrics_v1.pb-c.h"
#include "cgroup_metrics_v2.pb-c.h"
#include "wire/message.h"
#include "wire/status.h"

#define RESOURCES "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources"

/* type NULL: no resources at all. */
static struct answer update(struct fixture *f, const char *type, const char *json)
{
	Containerd__Task__V2__UpdateTaskRequest request = INIT(UPDATE_TASK_REQUEST);
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;

	any.type_url = message_text(type);
	any.has_value = 1;
	any.value.data = (uint8_t *)(uintptr_t)json;
	any.value.len = strlen(json);
	request.id = c1;
	request.resources = type ? &any : NULL;
	return call(f, "Update", &request.base, NULL);
}

static struct answer stats(struct fixture *f)
{
	Containerd__Task__V2__StatsRequest request = INIT(STATS_REQUEST);

	request.id = c1;
	return call(f, "Stats", &request.base, &containerd__task__v2__stats_response__descriptor);
}

static void limits_reach_the_guest(void **data)
{
	struct fixture *f = *data;
	struct answer a;

	script(f, "update_echoes");
	assert_int_equal(create(f).status, 0);
	a = update(f, RESOURCES,
		"{\"memory\":{\"limit\":1048576},\"cpu\":{\"quota\":-1},\"pids\":{\"limit\":7}}");
	assert_non_null(strstr(a.msg, "c1: memory 1048576, quota -1, pids 7"));
	assert_int_equal(start(f, NULL).status, 0);
	a = update(f, "LinuxResources", "{}");
	assert_non_null(strstr(a.msg, "c1: memory 0, quota 0, pids 0"));
	assert_int_equal(delete_task(f, NULL).status, 0);

	script(f, "");
	assert_int_equal(create(f).status, 0);
	assert_int_equal(update(f, RESOURCES, "{\"pids\":{\"limit\":7}}").status, 0);
	assert_int_equal(delete_task(f, NULL).status, 0);
}

/* The machine has to grow first: a block of memory for this limit. */
static void a_machine_that_does_not_grow_refuses_the_limit(void **data)
{
	struct fixture *f = *data;
	struct answer a;

	script(f, "update_echoes online_fails");
	assert_int_equal(create(f).status, 0);
	a = update(f, RESOURCES, "{\"memory\":{\"limit\":1048576}}");
	assert_string_equal(a.msg, "put CPUs and memory to use: 1 of 2 processors are online");
	assert_int_equal(delete_task(f, NULL).status, 0);
}

static void bad_limits_are_refused_and_named(void **data)
{
	static const struct {
		const char *type, *json, *part;
	} rows[] = {
		{NULL, "", "the resources are missing"},
		{"", "{}", "resources of the type \"\""},
		{"types.containerd.io/opencontainers/runtime-spec/1/WindowsResources", "{}",
			"1/WindowsResources\" are not LinuxResources"},
		{RESOURCES "x", "{}", "are not LinuxResources"},
		{RESOURCES, "", "resources:"},
		{RESOURCES, "{", "resources:1:"},
		{RESOURCES, "[]", "resources: expected"},
		{RESOURCES, "{\"memory\":1}", "resources: memory: expected"},
		{RESOURCES, "{\"memory\":{\"limit\":-2}}", "resources: memory.limit: -2 is below"},
		{RESOURCES, "{\"memory\":{\"limit\":9223372036854775808}}",
			"resources: memory.limit"},
		{RESOURCES, "{\"cpu\":{\"period\":999}}", "resources: cpu.period: 999 is out of"},
	};
	struct fixture *f = *data;

	script(f, "update_echoes");
	assert_int_equal(create(f).status, 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct answer a = update(f, rows[i].type, rows[i].json);

		if (a.status != WIRE_INVALID_ARGUMENT || !strstr(a.msg, rows[i].part))
			fail_msg("row %zu: %d %s", i, a.status, a.msg);
	}
	assert_int_equal(delete_task(f, NULL).status, 0);
}

static void the_guests_cgroups_decide_which_metrics_are_sent(void **data)
{
	static const struct {
		const char *guest, *type;
		const ProtobufCMessageDescriptor *desc;
	} rows[] = {
		{"", "io.containerd.cgroups.v2.Metrics",
			&io__containerd__cgroups__v2__metrics__descriptor},
		{"cgroup_v1", "io.containerd.cgroups.v1.Metrics",
			&io__containerd__cgroups__v1__metrics__descriptor},
	};
	struct fixture *f = *data;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ProtobufCMessage *metrics;
		struct answer a;

		script(f, rows[i].guest);
		assert_int_equal(create(f).status, 0);
		a = stats(f);
		assert_int_equal(a.status, 0);
		assert_string_equal(a.stats_type, rows[i].type);
		assert_int_equal(message_decode(rows[i].desc, a.stats, NULL, &metrics, NULL), 0);
		if (i == 0)
			assert_true(
				((Io__Containerd__Cgroups__V2__Metrics *)metrics)->pids->current ==
				3);
		else
			assert_true(
				((Io__Containerd__Cgroups__V1__Metrics *)metrics)->pids->current ==
				3);
		message_free(metrics, NULL);
		assert_int_equal(delete_task(f, NULL).status, 0);
	}
}

static void what_the_guest_cannot_say_is_an_error(void **data)
{
	struct fixture *f = *data;

	script(f, "stats_fails");
	assert_int_equal(create(f).status, 0);
	assert_non_null(strstr(stats(f).msg, "as told: stats_fails"));
	assert_int_equal(delete_task(f, NULL).status, 0);
}

static void a_stopped_container_has_neither(void **data)
{
	struct fixture *f = *data;

	assert_int_equal(stats(f).status, WIRE_NOT_FOUND);
	assert_int_equal(update(f, RESOURCES, "{}").status, WIRE_NOT_FOUND);
	assert_int_equal(create(f).status, 0);
	assert_int_equal(start(f, NULL).status, 0);
	assert_int_equal(kill_task(f, NULL, SIGKILL).status, 0);
	run_until_event(f, "/tasks/exit c1");
	assert_int_equal(stats(f).status, WIRE_NOT_FOUND);
	assert_int_equal(update(f, RESOURCES, "{}").status, WIRE_FAILED_PRECONDITION);
	assert_int_equal(delete_task(f, NULL).status, 0);
}

static void a_vm_that_dies_answers_both(void **data)
{
	struct fixture *f = *data;
	struct answer a;

	script(f, "resources_hang");
	a = create(f);
	assert_int_equal(kill((pid_t)a.pid, SIGKILL), 0);
	assert_int_not_equal(stats(f).status, 0);
	assert_int_not_equal(update(f, RESOURCES, "{}").status, 0);
	assert_int_equal(delete_task(f, NULL).status, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		shim_test(limits_reach_the_guest),
		shim_test(a_machine_that_does_not_grow_refuses_the_limit),
		shim_test(bad_limits_are_refused_and_named),
		shim_test(the_guests_cgroups_decide_which_metrics_are_sent),
		shim_test(what_the_guest_cannot_say_is_an_error),
		shim_test(a_stopped_container_has_neither),
		shim_test(a_vm_that_dies_answers_both),
	};
	int status = fixture_main(argc, argv);

	return status >= 0 ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
