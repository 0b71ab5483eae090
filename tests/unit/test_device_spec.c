/* SPDX-License-Identifier: Apache-2.0 */
/* The host's device numbers in a spec become the guest's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "agent/device/spec.h"
#include "oom.h"
#include "wire/status.h"

enum { MAX = 3 };

struct numbers {
	const char *type;
	int64_t major, minor;
};

struct row {
	struct numbers host[MAX], guest[MAX];		 /* of /dev/0, /dev/1, ... */
	struct numbers rules[MAX], rules_after[2 * MAX]; /* a rule without a type ends the list */
};

static struct {
	Grpc__Linux l;
	Grpc__LinuxResources resources;
	Grpc__LinuxDevice devices[MAX], *device_list[MAX];
	Grpc__LinuxDeviceCgroup rules[MAX], *rule_list[MAX];
	Grpc__Device requests[MAX];
	struct device_update updates[MAX];
	struct device_set set;
} in;

static char *const paths[] = {(char[]){"/dev/0"}, (char[]){"/dev/1"}, (char[]){"/dev/2"}};

static void fill_device(size_t i, const struct row *row)
{
	grpc__linux_device__init(&in.devices[i]);
	in.devices[i].path = paths[i];
	in.devices[i].type = (char *)(uintptr_t)row->host[i].type;
	in.devices[i].has_major = in.devices[i].has_minor = 1;
	in.devices[i].major = row->host[i].major;
	in.devices[i].minor = row->host[i].minor;
	in.device_list[i] = &in.devices[i];
	in.l.n_devices++;
	if (!row->guest[i].type)
		return;
	grpc__device__init(&in.requests[i]);
	in.requests[i].container_path = paths[i];
	in.updates[in.set.n_updates++] = (struct device_update){
		.request = &in.requests[i],
		.found = {.type = row->guest[i].type[0],
			.major = (unsigned int)row->guest[i].major,
			.minor = (unsigned int)row->guest[i].minor},
	};
}

static void fill_rule(size_t i, const struct numbers *n)
{
	grpc__linux_device_cgroup__init(&in.rules[i]);
	in.rules[i].type = (char *)(uintptr_t)n->type;
	in.rules[i].has_major = n->major >= 0;
	in.rules[i].major = n->major;
	in.rules[i].has_minor = n->minor >= 0;
	in.rules[i].minor = n->minor;
	in.rule_list[i] = &in.rules[i];
	in.resources.n_devices++;
}

static void fill(const struct row *row)
{
	memset(&in, 0, sizeof(in));
	grpc__linux__init(&in.l);
	grpc__linux_resources__init(&in.resources);
	for (size_t i = 0; i < MAX && row->host[i].type; i++)
		fill_device(i, row);
	for (size_t i = 0; i < MAX && row->rules[i].type; i++)
		fill_rule(i, &row->rules[i]);
	in.l.devices = in.device_list;
	in.resources.devices = in.rule_list;
	in.l.resources = &in.resources;
	in.set.updates = in.updates;
}

static void assert_numbers(const char *type, int64_t major, int64_t minor, const struct numbers *n)
{
	assert_string_equal(type, n->type);
	assert_int_equal(major, n->major);
	assert_int_equal(minor, n->minor);
}

static void assert_after(const struct row *row)
{
	size_t n = 0;

	for (size_t i = 0; i < in.l.n_devices; i++) {
		const Grpc__LinuxDevice *d = in.l.devices[i];

		assert_string_equal(d->path, paths[i]);
		assert_numbers(d->type, d->major, d->minor,
			row->guest[i].type ? &row->guest[i] : &row->host[i]);
	}
	while (row->rules_after[n].type)
		n++;
	assert_int_equal(in.l.resources->n_devices, n);
	for (size_t i = 0; i < n; i++) {
		const Grpc__LinuxDeviceCgroup *r = in.l.resources->devices[i];

		assert_numbers(r->type, r->has_major ? r->major : -1, r->has_minor ? r->minor : -1,
			&row->rules_after[i]);
	}
}

static void numbers_become_the_guests(void **state)
{
	static const struct row rows[] = {
		/* Without rules the list of devices is what counts. */
		{{{"b", 8, 16}}, {{"b", 254, 0}}, {{NULL}}, {{NULL}}},
		{{{"b", 8, 16}}, {{"b", 254, 0}}, {{"a", -1, -1}, {"b", 8, 16}},
			{{"a", -1, -1}, {"b", 254, 0}, {"b", 254, 0}}},
		/* Only the rule of that device: not a wider one, nor one of the other type. */
		{{{"b", 8, 16}}, {{"b", 254, 0}}, {{"b", 8, -1}, {"c", 8, 16}, {"a", 8, 16}},
			{{"b", 8, -1}, {"c", 8, 16}, {"a", 8, 16}, {"b", 254, 0}}},
		/* What one becomes, another was. */
		{{{"b", 8, 0}, {"b", 8, 16}}, {{"b", 8, 16}, {"b", 8, 0}},
			{{"b", 8, 0}, {"b", 8, 16}},
			{{"b", 8, 16}, {"b", 8, 0}, {"b", 8, 16}, {"b", 8, 0}}},
		/* The same number, once as a disk and once not. */
		{{{"b", 10, 1}, {"c", 10, 1}}, {{"b", 254, 0}, {"c", 243, 0}},
			{{"c", 10, 1}, {"b", 10, 1}},
			{{"c", 243, 0}, {"b", 254, 0}, {"b", 254, 0}, {"c", 243, 0}}},
		/* One device under two names. */
		{{{"b", 8, 0}, {"b", 8, 0}}, {{"b", 254, 0}, {"b", 254, 0}}, {{"b", 8, 0}},
			{{"b", 254, 0}, {"b", 254, 0}, {"b", 254, 0}}},
		/* Others stay. */
		{{{"c", 1, 3}, {"b", 8, 0}, {"c", 8, 0}}, {{NULL}, {"b", 254, 16}, {NULL}},
			{{"c", 1, 3}, {"b", 8, 0}, {"c", 8, 0}},
			{{"c", 1, 3}, {"b", 254, 16}, {"c", 8, 0}, {"b", 254, 16}}},
		{{{"c", 1, 3}}, {{NULL}}, {{"c", 1, 3}}, {{"c", 1, 3}}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct device_spec spec;

		fill(&rows[i]);
		assert_int_equal(device_spec_apply(&in.set, &in.l, &spec, NULL), 0);
		assert_after(&rows[i]);
		device_spec_fini(&spec);
		/* The request itself is as it was. */
		assert_int_equal(in.devices[0].major, rows[i].host[0].major);
	}
}

static void what_is_added_allows_everything(void **state)
{
	static const struct row row = {{{"b", 8, 16}}, {{"b", 254, 0}}, {{"a", -1, -1}}, {{NULL}}};
	const Grpc__LinuxDeviceCgroup *rule;
	struct device_spec spec;

	(void)state;
	fill(&row);
	assert_int_equal(device_spec_apply(&in.set, &in.l, &spec, NULL), 0);
	rule = in.l.resources->devices[1];
	assert_true(rule->has_allow && rule->allow);
	assert_string_equal(rule->access, "rwm");
	device_spec_fini(&spec);
	/* No resources at all. */
	fill(&row);
	in.l.resources = NULL;
	assert_int_equal(device_spec_apply(&in.set, &in.l, &spec, NULL), 0);
	assert_null(in.l.resources);
	device_spec_fini(&spec);
}

/* As an update brings them, when the request has gone. */
static void later_rules_are_translated_too(void **state)
{
	static const struct row row = {{{"b", 8, 16}}, {{"b", 254, 0}}, {{"a", -1, -1}}, {{NULL}}};
	static const struct numbers after[] = {{"b", 254, 0}, {"c", 8, 16}, {"b", 254, 0}};
	struct device_rules rules;
	struct device_spec spec;

	(void)state;
	fill(&row);
	assert_int_equal(device_spec_apply(&in.set, &in.l, &spec, NULL), 0);
	memset(in.updates, 0, sizeof(in.updates));
	in.resources.n_devices = 0;
	fill_rule(0, &(struct numbers){"b", 8, 16});
	fill_rule(1, &(struct numbers){"c", 8, 16});
	assert_int_equal(device_rules_translate(spec.map, spec.n_map, &in.resources, &rules), 0);
	assert_int_equal(rules.resources.n_devices, ARRAY_SIZE(after));
	for (size_t i = 0; i < ARRAY_SIZE(after); i++)
		assert_numbers(rules.resources.devices[i]->type, rules.resources.devices[i]->major,
			rules.resources.devices[i]->minor, &after[i]);
	device_rules_fini(&rules);
	/* None stay none. */
	in.resources.n_devices = 0;
	assert_int_equal(device_rules_translate(spec.map, spec.n_map, &in.resources, &rules), 0);
	assert_int_equal(rules.resources.n_devices, 0);
	device_rules_fini(&rules);
	device_spec_fini(&spec);
}

static void one_device_does_not_become_two(void **state)
{
	static const struct row row = {
		{{"b", 8, 0}, {"b", 8, 0}}, {{"b", 254, 0}, {"b", 254, 16}}, {{NULL}}, {{NULL}}};
	struct err err = ERR_INIT;
	struct device_spec spec;

	(void)state;
	fill(&row);
	assert_int_equal(device_spec_apply(&in.set, &in.l, &spec, &err), -EINVAL);
	assert_int_equal(err.status, WIRE_INVALID_ARGUMENT);
	assert_string_equal(
		err.msg, "devices /dev/0 and /dev/1 are one on the host and two in the guest");
	device_spec_fini(&spec);
}

static void no_memory_is_an_error(void **state)
{
	static const struct row row = {{{"b", 8, 16}}, {{"b", 254, 0}}, {{"a", -1, -1}}, {{NULL}}};

	(void)state;
	OOM_SWEEP(n)
	{
		struct device_spec spec;
		int r;

		fill(&row);
		oom_arm(n);
		r = device_spec_apply(&in.set, &in.l, &spec, NULL);
		oom_disarm();
		device_spec_fini(&spec);
		assert_int_equal(r, oom_has_struck() ? -ENOMEM : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_become_the_guests),
		cmocka_unit_test(what_is_added_allows_everything),
		cmocka_unit_test(later_rules_are_translated_too),
		cmocka_unit_test(one_device_does_not_become_two),
		cmocka_unit_test(no_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
