/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "agent/container/device_policy.h"
#include "wire/message.h"
#include "wire/status.h"

static struct device_policy policy;

static void make(const Grpc__LinuxDeviceCgroup *rule, const Grpc__LinuxDevice *device)
{
	Grpc__LinuxDeviceCgroup *rules[] = {(Grpc__LinuxDeviceCgroup *)(uintptr_t)rule};
	Grpc__LinuxDevice *devices[] = {(Grpc__LinuxDevice *)(uintptr_t)device};
	Grpc__LinuxResources resources = GRPC__LINUX_RESOURCES__INIT;
	Grpc__Linux l = GRPC__LINUX__INIT;
	struct err err = ERR_INIT;

	l.resources = &resources;
	resources.n_devices = rule ? 1 : 0;
	resources.devices = rules;
	l.n_devices = device ? 1 : 0;
	l.devices = devices;
	assert_int_equal(device_policy_make(&l, &policy, &err), 0);
}

static void assert_first(bool allow, char type, int64_t major, int64_t minor, unsigned int access)
{
	assert_int_equal(policy.rules[0].allow, allow);
	assert_int_equal(policy.rules[0].type, type);
	assert_int_equal(policy.rules[0].major, major);
	assert_int_equal(policy.rules[0].minor, minor);
	assert_int_equal(policy.rules[0].access, access);
	device_policy_fini(&policy);
}

static Grpc__LinuxDeviceCgroup rule_of(const char *type, int major, int minor, const char *access)
{
	Grpc__LinuxDeviceCgroup rule = GRPC__LINUX_DEVICE_CGROUP__INIT;

	rule.has_allow = rule.allow = true;
	rule.type = message_text(type);
	rule.has_major = rule.has_minor = true;
	rule.major = major;
	rule.minor = minor;
	rule.access = message_text(access);
	return rule;
}

static void rules_are_read(void **state)
{
	Grpc__LinuxDeviceCgroup rule = rule_of("c", 10, 200, "rw");

	(void)state;
	make(&rule, NULL);
	assert_first(true, 'c', 10, 200, DEVICE_READ | DEVICE_WRITE);
	rule = rule_of("b", 8, 0, "m");
	make(&rule, NULL);
	assert_first(true, 'b', 8, 0, DEVICE_MKNOD);
	rule = rule_of("b", 8, -1, "");
	make(&rule, NULL);
	assert_first(true, 'b', 8, DEVICE_ANY, DEVICE_ALL);
	rule.has_major = rule.has_minor = false;
	make(&rule, NULL);
	assert_first(true, 'b', DEVICE_ANY, DEVICE_ANY, DEVICE_ALL);
	rule = rule_of("", 0, 0, NULL);
	rule.allow = false;
	make(&rule, NULL);
	assert_first(false, 'a', DEVICE_ANY, DEVICE_ANY, DEVICE_ALL);
}

static void listed_devices_count_when_there_are_no_rules(void **state)
{
	Grpc__LinuxDeviceCgroup rule = rule_of("c", 1, 1, "r");
	Grpc__LinuxDevice device = GRPC__LINUX_DEVICE__INIT;

	(void)state;
	device.type = message_text("b");
	device.major = 7;
	device.minor = 3;
	make(NULL, &device);
	assert_first(true, 'b', 7, 3, DEVICE_ALL);
	make(&rule, &device);
	assert_first(true, 'c', 1, 1, DEVICE_READ);
	device.type = message_text("p");
	make(NULL, &device);
	assert_first(true, 'c', DEVICE_ANY, DEVICE_ANY, DEVICE_MKNOD);
}

static void odd_rules_are_refused(void **state)
{
	Grpc__LinuxDeviceCgroup rows[] = {
		rule_of("d", 1, 1, "r"),
		rule_of("bc", 1, 1, "r"),
		rule_of("c", 1, 1, "rx"),
		rule_of("c", 1, 1, "r"),
	};

	(void)state;
	rows[3].major = INT64_C(1) << 40;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		Grpc__LinuxDeviceCgroup *rules[] = {&rows[i]};
		Grpc__LinuxResources resources = GRPC__LINUX_RESOURCES__INIT;
		Grpc__Linux l = GRPC__LINUX__INIT;
		struct err err = ERR_INIT;

		l.resources = &resources;
		resources.n_devices = 1;
		resources.devices = rules;
		assert_int_equal(device_policy_make(&l, &policy, &err), -EINVAL);
		assert_int_equal(err.status, WIRE_INVALID_ARGUMENT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_are_read),
		cmocka_unit_test(listed_devices_count_when_there_are_no_rules),
		cmocka_unit_test(odd_rules_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
