/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "oci/spec.h"
#include "oci/validate.h"

/* A spec that is fine, but for what follows its root ("," and more members) and its process's. */
static int validate(const char *in_process, const char *in_spec, struct err *err)
{
	auto_free char *text = NULL;
	Grpc__Spec *spec = NULL;
	struct err parse_err = ERR_INIT;
	int r;

	assert_true(asprintf(&text,
			    "{\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\"%s},"
			    "\"root\":{\"path\":\"rootfs\"}%s}",
			    in_process, in_spec) > 0);
	if (oci_spec_parse(text, strlen(text), &spec, NULL, &parse_err) < 0)
		fail_msg("%s", parse_err.msg);
	r = oci_spec_validate(spec, "config.json", err);
	oci_spec_free(spec);
	return r;
}

static void what_is_wrong_is_named(void **state)
{
	static const struct {
		const char *process, *spec, *msg;
	} rows[] = {
		{",\"user\":{\"uid\":4294967295}", "",
			"process.user.uid: 4294967295 is not a valid id"},
		{",\"user\":{\"gid\":4294967295}", "",
			"process.user.gid: 4294967295 is not a valid id"},
		{",\"user\":{\"additionalGids\":[1,4294967295]}", "",
			"process.user.additionalGids[1]: 4294967295 is not a valid id"},
		{",\"capabilities\":{\"bounding\":[\"CAP_KILL\",\"CAP_BPF\",\"CAP_FOO\"]}", "",
			"process.capabilities.bounding[2]: unknown capability \"CAP_FOO\""},
		{",\"capabilities\":{\"effective\":[\"\"]}", "",
			"process.capabilities.effective[0]: unknown capability \"\""},
		{",\"capabilities\":{\"permitted\":[\"cap_kill\"]}", "",
			"process.capabilities.permitted[0]: unknown capability \"cap_kill\""},
		{",\"capabilities\":{\"inheritable\":[\"KILL\"]}", "",
			"process.capabilities.inheritable[0]: unknown capability \"KILL\""},
		{",\"capabilities\":{\"ambient\":[\"CAP_KILL \"]}", "",
			"process.capabilities.ambient[0]: unknown capability \"CAP_KILL \""},
		{",\"rlimits\":[{\"type\":\"RLIMIT_FOO\"}]", "",
			"process.rlimits[0].type: unknown limit \"RLIMIT_FOO\""},
		{",\"rlimits\":[{}]", "", "process.rlimits[0].type: unknown limit \"\""},
		{",\"rlimits\":[{\"type\":\"RLIMIT_AS\",\"soft\":2,\"hard\":1}]", "",
			"process.rlimits[0]: RLIMIT_AS: the soft limit is above the hard one"},
		{",\"rlimits\":[{\"type\":\"RLIMIT_AS\"},{\"type\":\"RLIMIT_AS\"}]", "",
			"process.rlimits[1]: RLIMIT_AS is given twice"},
		{",\"oomScoreAdj\":1001", "",
			"process.oomScoreAdj: 1001 is out of range (-1000 to 1000)"},
		{",\"oomScoreAdj\":-1001", "",
			"process.oomScoreAdj: -1001 is out of range (-1000 to 1000)"},
		{"", ",\"mounts\":[{\"destination\":\"/a\"},{\"source\":\"/b\"}]",
			"mounts[1].destination is missing"},
		{"", ",\"hooks\":{\"poststop\":[{\"path\":\"rm\"}]}",
			"hooks.poststop[0].path: \"rm\" is not absolute"},
		{"", ",\"hooks\":{\"prestart\":[{\"path\":\"/x\",\"timeout\":0}]}",
			"hooks.prestart[0].timeout: 0 is not greater than zero"},
		{"", ",\"linux\":{\"namespaces\":[{\"type\":\"net\"}]}",
			"linux.namespaces[0].type: unknown namespace \"net\""},
		{"", ",\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"pid\"}]}",
			"linux.namespaces[1]: pid is given twice"},
		{"", ",\"linux\":{\"namespaces\":[{\"type\":\"pid\",\"path\":\"x\"}]}",
			"linux.namespaces[0].path: \"x\" is not absolute"},
		{"", ",\"linux\":{\"devices\":[{\"type\":\"x\",\"path\":\"/dev/x\"}]}",
			"linux.devices[0].type: unknown type \"x\""},
		{"", ",\"linux\":{\"devices\":[{\"type\":\"c\",\"path\":\"dev/x\"}]}",
			"linux.devices[0].path: \"dev/x\" is not absolute"},
		{"", ",\"linux\":{\"devices\":[{\"type\":\"c\",\"path\":\"/x\",\"major\":4096}]}",
			"linux.devices[0]: /x: there is no device 4096:0"},
		{"", ",\"linux\":{\"devices\":[{\"type\":\"b\",\"path\":\"/x\",\"minor\":-1}]}",
			"linux.devices[0]: /x: there is no device 0:-1"},
		{"",
			",\"linux\":{\"devices\":[{\"type\":\"p\",\"path\":\"/"
			"x\",\"uid\":4294967295}]}",
			"linux.devices[0]: 4294967295 is not a valid id"},
		{"", ",\"linux\":{\"resources\":{\"devices\":[{\"type\":\"d\"}]}}",
			"linux.resources.devices[0].type: unknown type \"d\""},
		{"", ",\"linux\":{\"resources\":{\"devices\":[{\"access\":\"rx\"}]}}",
			"linux.resources.devices[0].access: \"rx\" is not of r, w and m"},
		{"", ",\"linux\":{\"rootfsPropagation\":\"none\"}",
			"linux.rootfsPropagation: unknown value \"none\""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;
		char expected[256];

		snprintf(expected, sizeof(expected), "config.json: %s", rows[i].msg);
		if (validate(rows[i].process, rows[i].spec, &err) == 0)
			fail_msg("accepted: %s", rows[i].msg);
		assert_string_equal(err.msg, expected);
	}
}

static void what_is_right_passes(void **state)
{
	static const struct {
		const char *process, *spec;
	} rows[] = {
		{"", ""},
		{",\"user\":{\"uid\":4294967294,\"gid\":0,\"additionalGids\":[0]}", ""},
		{",\"capabilities\":{\"bounding\":[\"CAP_CHOWN\",\"CAP_CHECKPOINT_RESTORE\"]}", ""},
		{",\"rlimits\":[{\"type\":\"RLIMIT_AS\",\"soft\":1,\"hard\":1},"
		 "{\"type\":\"RLIMIT_NOFILE\",\"hard\":18446744073709551615}]",
			""},
		{",\"oomScoreAdj\":-1000", ""},
		{",\"oomScoreAdj\":1000", ""},
		{"", ",\"mounts\":[{\"destination\":\"/a\"},{\"destination\":\"/a\"}]"},
		{"", ",\"hooks\":{\"prestart\":[{\"path\":\"/x\",\"timeout\":1},{\"path\":\"/"
		     "y\"}]}"},
		{"", ",\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\","
		     "\"path\":\"/x\"},{\"type\":\"ipc\",\"path\":\"\"}]}"},
		{"", ",\"linux\":{\"devices\":[{\"type\":\"p\",\"path\":\"/x\",\"major\":-1},"
		     "{\"type\":\"u\",\"path\":\"/x\",\"major\":4095,\"minor\":1048575}]}"},
		{"", ",\"linux\":{\"resources\":{\"devices\":[{},{\"access\":\"rwm\"}]}}"},
		{"", ",\"linux\":{\"rootfsPropagation\":\"rslave\"}"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;

		if (validate(rows[i].process, rows[i].spec, &err) < 0)
			fail_msg("row %zu: %s", i, err.msg);
	}
}

static void missing_parts_are_named(void **state)
{
	static const struct {
		const char *text, *msg;
	} rows[] = {
		{"{\"root\":{\"path\":\"r\"}}", "config.json: process is missing"},
		{"{\"process\":{}}", "config.json: root is missing"},
		{"{\"process\":{},\"root\":{}}", "config.json: root.path is missing"},
		{"{\"process\":{},\"root\":{\"path\":\"r\"}}",
			"config.json: process.args is missing or empty"},
		{"{\"process\":{\"args\":[\"\"]},\"root\":{\"path\":\"r\"}}",
			"config.json: process.args[0] is empty"},
		{"{\"process\":{\"args\":[\"a\"]},\"root\":{\"path\":\"r\"}}",
			"config.json: process.cwd is missing"},
		{"{\"process\":{\"args\":[\"a\"],\"cwd\":\"x\"},\"root\":{\"path\":\"r\"}}",
			"config.json: process.cwd: \"x\" is not absolute"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;
		Grpc__Spec *spec = NULL;

		assert_int_equal(
			oci_spec_parse(rows[i].text, strlen(rows[i].text), &spec, NULL, NULL), 0);
		assert_int_equal(oci_spec_validate(spec, "config.json", &err), -EINVAL);
		assert_string_equal(err.msg, rows[i].msg);
		oci_spec_free(spec);
	}
}

static void a_process_alone_is_named_as_told(void **state)
{
	Grpc__Process process = GRPC__PROCESS__INIT;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(oci_process_validate(&process, "exec", "", &err), -EINVAL);
	assert_string_equal(err.msg, "exec: args is missing or empty");
}

static int validate_resources(const char *json, struct err *err)
{
	Grpc__LinuxResources *resources = NULL;
	struct err parse_err = ERR_INIT;
	int r;

	if (oci_resources_parse(json, strlen(json), &resources, NULL, &parse_err) < 0)
		fail_msg("%s", parse_err.msg);
	r = oci_resources_validate(resources, "update", "", err);
	oci_resources_free(resources);
	return r;
}

static void limits_out_of_range_are_named(void **state)
{
	static const struct {
		const char *json, *msg;
	} rows[] = {
		{"{\"devices\":[{},{\"type\":\"ab\"}]}", "devices[1].type: unknown type \"ab\""},
		{"{\"memory\":{\"limit\":-2}}", "memory.limit: -2 is below -1"},
		{"{\"memory\":{\"reservation\":-9223372036854775808}}",
			"memory.reservation: -9223372036854775808 is below -1"},
		{"{\"memory\":{\"swap\":-2}}", "memory.swap: -2 is below -1"},
		{"{\"memory\":{\"kernel\":-2}}", "memory.kernel: -2 is below -1"},
		{"{\"memory\":{\"kernelTCP\":-2}}", "memory.kernelTCP: -2 is below -1"},
		{"{\"memory\":{\"limit\":8192,\"swap\":8191}}",
			"memory.swap: memory and swap together (8191) are below memory.limit "
			"(8192)"},
		{"{\"memory\":{\"swappiness\":101}}",
			"memory.swappiness: 101 is out of range (0 to 100)"},
		{"{\"cpu\":{\"quota\":-2}}", "cpu.quota: -2 is below -1"},
		{"{\"cpu\":{\"period\":999}}", "cpu.period: 999 is out of range (1000 to 1000000)"},
		{"{\"cpu\":{\"period\":1000001}}",
			"cpu.period: 1000001 is out of range (1000 to 1000000)"},
		{"{\"cpu\":{\"cpus\":\"0-x\"}}", "cpu.cpus: \"0-x\" is not a list of numbers"},
		{"{\"cpu\":{\"mems\":\"all\"}}", "cpu.mems: \"all\" is not a list of numbers"},
		{"{\"pids\":{\"limit\":-2}}", "pids.limit: -2 is below -1"},
		{"{\"hugepageLimits\":[{\"pageSize\":\"2MB\"},{\"limit\":1}]}",
			"hugepageLimits[1].pageSize is missing"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;
		char expected[256];

		snprintf(expected, sizeof(expected), "update: %s", rows[i].msg);
		if (validate_resources(rows[i].json, &err) == 0)
			fail_msg("accepted: %s", rows[i].msg);
		assert_string_equal(err.msg, expected);
	}
}

static void limits_at_their_bounds_pass(void **state)
{
	static const char *const rows[] = {
		"{}",
		"{\"devices\":[{\"type\":\"a\"},{\"type\":\"b\"},{\"type\":\"\"}]}",
		"{\"devices\":[{\"type\":\"c\"}]}",
		"{\"memory\":{\"limit\":-1,\"swap\":-1,\"reservation\":0,\"swappiness\":100}}",
		"{\"memory\":{\"limit\":9223372036854775807,\"swap\":9223372036854775807}}",
		"{\"memory\":{\"swap\":1}}",
		"{\"memory\":{\"limit\":8192,\"swap\":8192}}",
		"{\"cpu\":{\"quota\":-1,\"period\":1000,\"cpus\":\"0-3,8\",\"mems\":\"\"}}",
		"{\"cpu\":{\"quota\":0,\"period\":1000000,\"cpus\":\"0-63:2/8\"}}",
		"{\"cpu\":{\"period\":0}}",
		"{\"pids\":{\"limit\":-1}}",
		"{\"hugepageLimits\":[{\"pageSize\":\"1GB\",\"limit\":0}]}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;

		if (validate_resources(rows[i], &err) < 0)
			fail_msg("%s: %s", rows[i], err.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(what_is_right_passes),
		cmocka_unit_test(missing_parts_are_named),
		cmocka_unit_test(a_process_alone_is_named_as_told),
		cmocka_unit_test(limits_out_of_range_are_named),
		cmocka_unit_test(limits_at_their_bounds_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
