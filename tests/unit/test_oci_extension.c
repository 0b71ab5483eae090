/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of oci.proto that are ours: announced by name, and left out for who does not know them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "oci/extension.h"
#include "oci/spec.h"
#include "oom.h"

static const char json[] =
	"{\"domainname\":\"d\",\"process\":{\"user\":{\"umask\":0},\"args\":[\"a\"],"
	"\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":1},"
	"\"scheduler\":{\"policy\":\"SCHED_OTHER\",\"flags\":[\"SCHED_FLAG_RECLAIM\"]},"
	"\"execCPUAffinity\":{\"final\":\"0\"}},"
	"\"mounts\":[{\"destination\":\"/a\"},{\"destination\":\"/b\",\"uidMappings\":["
	"{\"hostID\":1},{\"hostID\":2}],\"gidMappings\":[{\"size\":1}]},{\"destination\":\"/c\","
	"\"uidMappings\":[{\"hostID\":3}]}],"
	"\"linux\":{\"personality\":{\"domain\":\"LINUX\",\"flags\":[\"x\"]},"
	"\"seccomp\":{\"defaultErrnoRet\":3},\"timeOffsets\":{\"boottime\":{\"secs\":1}}}}";

static Grpc__Spec *read_spec(void)
{
	struct err err = ERR_INIT;
	Grpc__Spec *spec;

	if (oci_spec_parse(json, strlen(json), &spec, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	return spec;
}

/* By the descriptors: nobody adds a field to oci.proto and forgets to announce it. */
static void check_fields_of(const ProtobufCMessageDescriptor *desc)
{
	char name[64];

	for (unsigned int i = 0; i < desc->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &desc->fields[i];
		size_t k = 0;

		if (field->id < 1000) {
			if (field->type == PROTOBUF_C_TYPE_MESSAGE)
				check_fields_of(field->descriptor);
			continue;
		}
		snprintf(name, sizeof(name), "oci.%s.%s", desc->short_name, field->name);
		while (k < oci_extensions_count() && strcmp(oci_extension_name(k), name) != 0)
			k++;
		if (k == oci_extensions_count())
			fail_msg("%s has no name", name);
	}
}

static void every_field_of_ours_has_a_name(void **state)
{
	(void)state;
	check_fields_of(&grpc__spec__descriptor);
}

static void names_are_sorted(void **state)
{
	(void)state;
	for (size_t i = 1; i < oci_extensions_count(); i++)
		assert_true(strcmp(oci_extension_name(i - 1), oci_extension_name(i)) < 0);
}

static void names_that_are_not_ours_are_ignored(void **state)
{
	char *names[] = {(char[]){"seccomp"}, (char[]){""}, (char[]){"oci.User.umas"},
		(char[]){"oci.User.umask2"}};
	char *umask[] = {(char[]){"agent-policy"}, (char[]){"oci.User.umask"}};

	(void)state;
	assert_int_equal(oci_extensions_parse(names, ARRAY_SIZE(names)), 0);
	assert_int_equal(oci_extensions_parse(NULL, 0), 0);
	assert_int_not_equal(oci_extensions_parse(umask, ARRAY_SIZE(umask)), 0);
}

static void what_is_not_known_is_named_once(void **state)
{
	auto_buf struct buf list = BUF_INIT;
	Grpc__Spec *spec = read_spec();
	char *known[] = {(char[]){"oci.User.umask"}, (char[]){"oci.Linux.timeOffsets"}};

	(void)state;
	assert_int_equal(
		oci_extensions_find_unknown(&spec->base, oci_extensions_parse(known, 2), &list), 0);
	assert_string_equal(buf_str(&list),
		"oci.Process.ioPriority, oci.Process.scheduler, oci.Process.execCPUAffinity, "
		"oci.Mount.uidMappings, oci.Mount.gidMappings, oci.LinuxSeccomp.defaultErrnoRet, "
		"oci.Linux.personality, oci.Spec.domainname");
	buf_clear(&list);
	assert_int_equal(oci_extensions_find_unknown(&spec->base, ~UINT64_C(0), &list), 0);
	assert_int_equal(buf_len(&list), 0);
	oci_spec_free(spec);
}

static void what_is_not_known_is_taken_out_and_nothing_else(void **state)
{
	char *known[] = {(char[]){"oci.User.umask"}};
	auto_buf struct buf list = BUF_INIT;
	Grpc__Spec *spec = read_spec();
	oci_extensions set = oci_extensions_parse(known, 1);

	(void)state;
	oci_extensions_remove_unknown(&spec->base, set);
	assert_int_equal(oci_extensions_find_unknown(&spec->base, set, &list), 0);
	assert_int_equal(buf_len(&list), 0);
	assert_true(spec->process->user->has_umask);
	assert_string_equal(spec->process->args[0], "a");
	assert_null(spec->process->iopriority);
	assert_null(spec->process->scheduler);
	assert_null(spec->domainname);
	assert_false(spec->linux->seccomp->has_defaulterrnoret);
	assert_int_equal(spec->n_mounts, 3);
	assert_int_equal(spec->mounts[1]->n_uidmappings, 0);
	assert_string_equal(spec->mounts[2]->destination, "/c");
	oci_extensions_remove_unknown(&spec->base, 0);
	assert_false(spec->process->user->has_umask);
	oci_spec_free(spec);
}

static void naming_survives_the_lack_of_memory(void **state)
{
	Grpc__Spec *spec = read_spec();

	(void)state;
	OOM_SWEEP(n)
	{
		auto_buf struct buf list = BUF_INIT;
		int r;

		oom_arm(n);
		r = oci_extensions_find_unknown(&spec->base, 0, &list);
		oom_disarm();
		if (r < 0)
			assert_int_equal(r, -ENOMEM);
	}
	oci_spec_free(spec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_of_ours_has_a_name),
		cmocka_unit_test(names_are_sorted),
		cmocka_unit_test(names_that_are_not_ours_are_ignored),
		cmocka_unit_test(what_is_not_known_is_named_once),
		cmocka_unit_test(what_is_not_known_is_taken_out_and_nothing_else),
		cmocka_unit_test(naming_survives_the_lack_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
