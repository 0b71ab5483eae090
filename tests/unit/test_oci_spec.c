/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>

#include "base/io.h"
#include "oci/spec.h"
#include "oom.h"

static void read_all_fields(struct buf *text)
{
	assert_int_equal(
		io_read_file(AT_FDCWD, TESTS_DIR "/fuzz/corpus/oci_spec/containerd", 1 << 20, text),
		0);
}

static void check_process(const Grpc__Process *p)
{
	assert_true(p->has_terminal && p->terminal);
	assert_true(p->consolesize->has_height && p->consolesize->height == 24);
	assert_true(p->user->has_uid && p->user->uid == 1000);
	assert_int_equal(p->user->n_additionalgids, 2);
	assert_true(p->user->additionalgids[1] == 4294967294);
	assert_string_equal(p->user->username, "x");
	assert_int_equal(p->n_args, 3);
	assert_string_equal(p->args[2], "exit 42");
	assert_string_equal(p->env[1], "TERM=xterm");
	assert_string_equal(p->cwd, "/");
	assert_string_equal(p->capabilities->bounding[1], "CAP_KILL");
	assert_int_equal(p->capabilities->n_inheritable, 0);
	assert_string_equal(p->rlimits[0]->type, "RLIMIT_NOFILE");
	assert_true(p->rlimits[0]->hard == UINT64_MAX && p->rlimits[0]->soft == 1024);
	assert_true(p->nonewprivileges);
	assert_true(p->has_oomscoreadj && p->oomscoreadj == -998);
	assert_string_equal(p->apparmorprofile, "p");
	assert_string_equal(p->selinuxlabel, "l");
}

static void check_resources(const Grpc__LinuxResources *r)
{
	assert_int_equal(r->n_devices, 2);
	assert_true(r->devices[0]->has_allow && !r->devices[0]->allow);
	assert_false(r->devices[0]->has_major);
	assert_true(r->devices[1]->allow && r->devices[1]->major == 1 && r->devices[1]->minor == 3);
	assert_true(r->memory->limit == 536870912 && r->memory->reservation == -1);
	assert_true(r->memory->swappiness == 60 && r->memory->has_disableoomkiller);
	assert_true(r->memory->has_kernel && r->memory->has_kerneltcp);
	assert_true(r->cpu->quota == -1 && r->cpu->realtimeperiod == 1000000);
	assert_string_equal(r->cpu->cpus, "0-1");
	assert_true(r->pids->limit == 32771);
	assert_true(r->blockio->weightdevice[0]->leafweight == 300);
	assert_true(r->blockio->throttlereadbpsdevice[0]->rate == 600);
	assert_true(r->blockio->throttlewriteiopsdevice[0]->minor == 16);
	assert_string_equal(r->hugepagelimits[0]->pagesize, "2MB");
	assert_true(r->network->classid == 1048577);
	assert_true(r->network->priorities[0]->priority == 500);
}

static void check_linux(const Grpc__Linux *l)
{
	const Grpc__LinuxSyscall *s = l->seccomp->syscalls[0];

	assert_true(l->uidmappings[0]->hostid == 1000 && l->uidmappings[0]->has_containerid);
	assert_int_equal(l->n_sysctl, 1);
	assert_string_equal(l->sysctl[0]->key, "net.ipv4.ip_forward");
	assert_string_equal(l->sysctl[0]->value, "1");
	assert_string_equal(l->cgroupspath, "/x/y");
	assert_string_equal(l->namespaces[1]->path, "/var/run/netns/n");
	assert_null(l->namespaces[0]->path);
	assert_true(l->devices[0]->filemode == 438 && l->devices[0]->minor == 229);
	assert_string_equal(l->seccomp->flags[0], "SECCOMP_FILTER_FLAG_LOG");
	assert_true(s->has_errnoret && s->errnoret == 38);
	assert_true(s->args[0]->value == UINT64_MAX);
	assert_true(s->args[0]->valuetwo == (uint64_t)INT64_MAX + 1);
	assert_string_equal(s->args[0]->op, "SCMP_CMP_EQ");
	assert_string_equal(l->rootfspropagation, "slave");
	assert_string_equal(l->maskedpaths[0], "/proc/kcore");
	assert_string_equal(l->readonlypaths[0], "/proc/sys");
	assert_string_equal(l->mountlabel, "m");
	assert_string_equal(l->intelrdt->l3cacheschema, "L3:0=1");
	check_resources(l->resources);
}

static void every_field_arrives_under_its_name(void **state)
{
	auto_buf struct buf text = BUF_INIT, dropped = BUF_INIT;
	struct err err = ERR_INIT;
	Grpc__Spec *spec = NULL;

	(void)state;
	read_all_fields(&text);
	if (oci_spec_parse(buf_str(&text), buf_len(&text), &spec, &dropped, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(spec->ociversion, "1.0.2-dev");
	assert_string_equal(spec->hostname, "h");
	assert_string_equal(spec->root->path, "rootfs");
	assert_true(spec->root->readonly);
	assert_int_equal(spec->n_mounts, 2);
	assert_string_equal(spec->mounts[0]->options[2], "nodev");
	assert_string_equal(spec->mounts[1]->source, "/x");
	assert_true(
		spec->hooks->prestart[0]->has_timeout && spec->hooks->prestart[0]->timeout == 5);
	assert_int_equal(spec->hooks->n_createcontainer, 0);
	assert_int_equal(spec->n_annotations, 2);
	assert_string_equal(spec->annotations[0]->key, "io.kubernetes.cri.container-type");
	assert_string_equal(spec->annotations[0]->value, "sandbox");
	assert_string_equal(spec->annotations[1]->value, "");
	check_process(spec->process);
	check_linux(spec->linux);
	oci_spec_free(spec);
}

static void what_the_protocol_cannot_carry_is_listed(void **state)
{
	auto_buf struct buf text = BUF_INIT, dropped = BUF_INIT;
	Grpc__Spec *spec = NULL;

	(void)state;
	read_all_fields(&text);
	assert_int_equal(oci_spec_parse(buf_str(&text), buf_len(&text), &spec, &dropped, NULL), 0);
	oci_spec_free(spec);
	assert_string_equal(buf_str(&dropped),
		"mounts[1].uidMappings, "
		"linux.resources.memory.useHierarchy, "
		"linux.intelRdt.closID, linux.timeOffsets, domainname, vm");
}

static void the_list_of_what_is_dropped_is_cut(void **state)
{
	auto_buf struct buf text = BUF_INIT, dropped = BUF_INIT;
	Grpc__Spec *spec = NULL;

	(void)state;
	assert_int_equal(buf_append_str(&text, "{\"mounts\":["), 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(buf_printf(&text, "%s{\"uidMappings\":[]}", i ? "," : ""), 0);
	assert_int_equal(buf_append_str(&text, "]}"), 0);
	assert_int_equal(oci_spec_parse(buf_str(&text), buf_len(&text), &spec, &dropped, NULL), 0);
	assert_int_equal(spec->n_mounts, 1000);
	oci_spec_free(spec);
	assert_in_range(buf_len(&dropped), 1000, 1600);
	assert_string_equal(buf_str(&dropped) + buf_len(&dropped) - 5, ", ...");
}

static void absent_null_and_unknown_members_leave_fields_unset(void **state)
{
	static const char text[] = "{\"process\":{\"user\":{\"uid\":null},\"args\":null,\"x\":1,"
				   "\"cwd\":null},\"linux\":null,\"annotations\":{},\"X\":{}}";
	auto_buf struct buf dropped = BUF_INIT;
	Grpc__Spec *spec = NULL;

	(void)state;
	assert_int_equal(oci_spec_parse(text, strlen(text), &spec, &dropped, NULL), 0);
	assert_false(spec->process->user->has_uid);
	assert_int_equal(spec->process->n_args, 0);
	assert_null(spec->process->cwd);
	assert_null(spec->linux);
	assert_null(spec->root);
	assert_int_equal(spec->n_annotations, 0);
	assert_int_equal(buf_len(&dropped), 0);
	oci_spec_free(spec);
}

static void wrong_types_and_ranges_name_the_place(void **state)
{
	static const struct {
		const char *text, *msg;
	} rows[] = {
		{"[]", "config.json: expected an object, got an array"},
		{"", "config.json:1:1: unexpected end of text"},
		{"{\"process\":[]}", "config.json: process: expected an object, got an array"},
		{"{\"process\":{\"user\":{\"uid\":\"0\"}}}",
			"config.json: process.user.uid: expected an unsigned integer, got a "
			"string"},
		{"{\"process\":{\"user\":{\"uid\":4294967296}}}",
			"config.json: process.user.uid: 4294967296 is out of range (0 to "
			"4294967295)"},
		{"{\"process\":{\"user\":{\"uid\":-1}}}",
			"config.json: process.user.uid: -1 is out of range (0 to 4294967295)"},
		{"{\"process\":{\"user\":{\"gid\":0.5}}}",
			"config.json: process.user.gid: expected an unsigned integer, "
			"got a number with a fraction or exponent"},
		{"{\"process\":{\"user\":{\"additionalGids\":[1,-2]}}}",
			"config.json: process.user.additionalGids[1]: -2 is out of range "
			"(0 to 4294967295)"},
		{"{\"process\":{\"user\":{\"additionalGids\":5}}}",
			"config.json: process.user.additionalGids: expected an array, "
			"got an integer"},
		{"{\"process\":{\"args\":[\"a\",null]}}",
			"config.json: process.args[1]: expected a string, got null"},
		{"{\"process\":{\"args\":\"a\"}}",
			"config.json: process.args: expected an array, got a string"},
		{"{\"process\":{\"args\":[\"a\\u0000b\"]}}",
			"config.json:1:23: a NUL character in a string"},
		{"{\"process\":{\"terminal\":1}}",
			"config.json: process.terminal: expected a boolean, got an integer"},
		{"{\"process\":{\"oomScoreAdj\":9223372036854775808}}",
			"config.json: process.oomScoreAdj: 9223372036854775808 is out of range "
			"(-9223372036854775808 to 9223372036854775807)"},
		{"{\"process\":{\"rlimits\":[{\"hard\":18446744073709551616}]}}",
			"config.json:1:32: integer out of range"},
		{"{\"mounts\":[{\"options\":[\"ro\"]},{\"options\":{}}]}",
			"config.json: mounts[1].options: expected an array, got an object"},
		{"{\"mounts\":[null]}", "config.json: mounts[0]: expected an object, got null"},
		{"{\"annotations\":[]}",
			"config.json: annotations: expected an object, got an array"},
		{"{\"annotations\":{\"io.x/y\":1}}",
			"config.json: annotations.\"io.x/y\": expected a string, got an integer"},
		{"{\"hostname\":\"a\",\"hostname\":\"b\"}",
			"config.json:1:17: this key is in the object already"},
		{"{\"root\":{\"path\":\"\xff\"}}", "config.json:1:18: invalid UTF-8"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;
		Grpc__Spec *spec = NULL;

		assert_int_equal(
			oci_spec_parse(rows[i].text, strlen(rows[i].text), &spec, NULL, &err),
			-EINVAL);
		assert_string_equal(err.msg, rows[i].msg);
		assert_null(spec);
	}
}

static void a_process_alone_is_read_too(void **state)
{
	static const char good[] = "{\"args\":[\"sh\"],\"cwd\":\"/\",\"user\":{\"umask\":18}}";
	static const char bad[] = "{\"user\":{\"uid\":{}}}";
	auto_buf struct buf dropped = BUF_INIT;
	Grpc__Process *process = NULL;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(oci_process_parse(good, strlen(good), &process, &dropped, NULL), 0);
	assert_string_equal(process->args[0], "sh");
	assert_int_equal(buf_len(&dropped), 0);
	assert_int_equal(process->user->umask, 18);
	oci_process_free(process);
	assert_int_equal(oci_process_parse(bad, strlen(bad), &process, NULL, &err), -EINVAL);
	assert_string_equal(
		err.msg, "process: user.uid: expected an unsigned integer, got an object");
	oci_process_free(NULL);
	oci_spec_free(NULL);
}

static void write_file(const char *dir, const char *text)
{
	auto_free char *path = NULL;

	assert_true(asprintf(&path, "%s/config.json", dir) > 0);
	assert_int_equal(io_replace_file(AT_FDCWD, path, 0600, text, strlen(text)), 0);
}

static void a_bundle_is_loaded_and_its_path_named_on_failure(void **state)
{
	char dir[] = "/tmp/test_oci_spec.XXXXXX", expected[128];
	struct err err = ERR_INIT;
	Grpc__Spec *spec = NULL;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(oci_spec_load(dir, &spec, NULL, &err), -ENOENT);
	snprintf(expected, sizeof(expected), "read %s/config.json: No such file or directory", dir);
	assert_string_equal(err.msg, expected);
	write_file(dir, "{\"hostname\":\"h\"}");
	assert_int_equal(oci_spec_load(dir, &spec, NULL, NULL), 0);
	assert_string_equal(spec->hostname, "h");
	oci_spec_free(spec);
	snprintf(expected, sizeof(expected), "%s/config.json", dir);
	assert_int_equal(truncate(expected, OCI_SPEC_MAX_SIZE + 1), 0);
	assert_int_equal(oci_spec_load(dir, &spec, NULL, NULL), -EFBIG);
	assert_int_equal(unlink(expected), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void resources_alone_are_read_too(void **state)
{
	static const char text[] = "{\"pids\":{\"limit\":7},\"unified\":{\"memory.high\":\"1\"},"
				   "\"memory\":{\"useHierarchy\":true}}";
	static const char wrong[] = "{\"cpu\":{\"shares\":-1}}";
	auto_buf struct buf dropped = BUF_INIT;
	Grpc__LinuxResources *r = NULL;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(oci_resources_parse(text, strlen(text), &r, &dropped, &err), 0);
	assert_true(r->pids->has_limit && r->pids->limit == 7);
	assert_null(r->cpu);
	assert_int_equal(r->n_unified, 1);
	assert_string_equal(r->unified[0]->key, "memory.high");
	assert_string_equal(buf_str(&dropped), "memory.useHierarchy");
	oci_resources_free(r);
	r = NULL;
	assert_int_equal(oci_resources_parse(wrong, strlen(wrong), &r, NULL, &err), -EINVAL);
	assert_null(r);
	assert_non_null(strstr(err.msg, "resources: cpu.shares: "));
	oci_resources_free(NULL);
}

static void every_allocation_may_fail(void **state)
{
	auto_buf struct buf text = BUF_INIT;

	(void)state;
	read_all_fields(&text);
	OOM_SWEEP(n)
	{
		auto_buf struct buf dropped = BUF_INIT;
		Grpc__Spec *spec = NULL;
		struct err err = ERR_INIT;
		int r;

		oom_arm(n);
		r = oci_spec_parse(buf_str(&text), buf_len(&text), &spec, &dropped, &err);
		oom_disarm();
		assert_int_equal(r, oom_has_struck() ? -ENOMEM : 0);
		if (r < 0)
			assert_string_equal(err.msg, "read config.json: Cannot allocate memory");
		else
			assert_true(n > 100);
		oci_spec_free(spec);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_arrives_under_its_name),
		cmocka_unit_test(what_the_protocol_cannot_carry_is_listed),
		cmocka_unit_test(the_list_of_what_is_dropped_is_cut),
		cmocka_unit_test(absent_null_and_unknown_members_leave_fields_unset),
		cmocka_unit_test(wrong_types_and_ranges_name_the_place),
		cmocka_unit_test(a_process_alone_is_read_too),
		cmocka_unit_test(resources_alone_are_read_too),
		cmocka_unit_test(a_bundle_is_loaded_and_its_path_named_on_failure),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
