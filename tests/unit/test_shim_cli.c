/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "shim/address.h"
#include "shim/cli.h"

enum { MAX_WORDS = 16 };

static int parse(const char *const *words, struct cli *cli, struct err *err)
{
	char program[] = "containerd-shim-kata-v2", *argv[MAX_WORDS + 2] = {program};
	int argc = 1;

	for (; words[argc - 1]; argc++)
		argv[argc] = (char *)(uintptr_t)words[argc - 1];
	return cli_parse(argc, argv, cli, err);
}

#define REQUIRED "-namespace", "default", "-publish-binary", "/usr/bin/containerd", "-id", "c1"

static void flags_are_read_as_go_reads_them(void **state)
{
	static const char *const rows[][MAX_WORDS] = {
		{REQUIRED, "-address", "/run/c.sock", "start"},
		{"--namespace", "default", "--publish-binary=/usr/bin/containerd", "--id=c1",
			"-address=/run/c.sock", "start"},
		{REQUIRED, "-address=/wrong", "-address", "/run/c.sock", "--", "start"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;
		struct cli cli;

		assert_int_equal(parse(rows[i], &cli, &err), 0);
		assert_int_equal(cli.action, CLI_START);
		assert_string_equal(cli.id, "c1");
		assert_string_equal(cli.name_space, "default");
		assert_string_equal(cli.publish_binary, "/usr/bin/containerd");
		assert_string_equal(cli.address, "/run/c.sock");
		assert_string_equal(cli.bundle, "");
		assert_false(cli.debug);
	}
}

static void the_word_and_the_booleans_choose_the_action(void **state)
{
	static const struct {
		const char *words[MAX_WORDS];
		enum cli_action action;
		bool debug;
	} rows[] = {
		{{REQUIRED}, CLI_DAEMON, false},
		{{REQUIRED, "-debug"}, CLI_DAEMON, true},
		{{REQUIRED, "-debug=false", "start"}, CLI_START, false},
		{{REQUIRED, "-debug", "-bundle", "/b", "delete"}, CLI_DELETE, true},
		{{"-version"}, CLI_VERSION, false},
		{{"--v"}, CLI_VERSION, false},
		{{"-h"}, CLI_HELP, false},
		{{"-info"}, CLI_INFO, false},
		{{"-version", "start"}, CLI_VERSION, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;
		struct cli cli;

		assert_int_equal(parse(rows[i].words, &cli, &err), 0);
		assert_int_equal(cli.action, rows[i].action);
		if (rows[i].action == CLI_DAEMON || rows[i].action == CLI_DELETE)
			assert_int_equal(cli.debug, rows[i].debug);
	}
}

static void bad_command_lines_are_refused_by_name(void **state)
{
	static const struct {
		const char *words[MAX_WORDS];
		const char *part; /* of the message */
	} rows[] = {
		{{REQUIRED, "stop"}, "stop"},
		{{REQUIRED, "start", "delete"}, "delete"},
		{{REQUIRED, "-frobnicate", "start"}, "-frobnicate"},
		{{REQUIRED, "-bundle"}, "-bundle needs a value"},
		{{REQUIRED, "-debug=maybe"}, "-debug=maybe"},
		{{REQUIRED, "delete"}, "-bundle"},
		{{REQUIRED, "-bundle", "relative", "delete"}, "-bundle"},
		{{"start"}, "-id"},
		{{"-id", "-", "-namespace", "n1", "-publish-binary", "/c", "start"}, "-id"},
		{{"-id", "../x", "-namespace", "n1", "-publish-binary", "/c", "start"}, "-id"},
		{{"-id", "c1", "-namespace", "a/b", "-publish-binary", "/c"}, "-namespace"},
		{{"-id", "c1", "-namespace", "ns", "start"}, "-publish-binary"},
		{{"-id", "", "-namespace", "ns", "-publish-binary", "/c"}, "-id"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;
		struct cli cli;

		assert_int_equal(parse(rows[i].words, &cli, &err), -EINVAL);
		assert_non_null(strstr(err.msg, rows[i].part));
	}
}

static void the_address_is_the_sha256_of_its_three_parts(void **state)
{
	char path[ADDRESS_PATH_SIZE];

	(void)state;
	address_of("/run/containerd/containerd.sock", "default", "c1", path);
	/* printf %s /run/containerd/containerd.sock/default/c1 | sha256sum */
	assert_string_equal(path,
		ADDRESS_DIR "/d25aa4ef11a84e954e74a5bcff06557d0b6ea8d0c00243896f29826694bbd888");
	assert_int_equal(strlen(path), ADDRESS_PATH_SIZE - 1);
	address_of("", "", "", path);
	/* printf // | sha256sum */
	assert_string_equal(path,
		ADDRESS_DIR "/a2c2339691fc48fbd14fb307292dff3e21222712d9240810742d7df0c6d74dfb");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags_are_read_as_go_reads_them),
		cmocka_unit_test(the_word_and_the_booleans_choose_the_action),
		cmocka_unit_test(bad_command_lines_are_refused_by_name),
		cmocka_unit_test(the_address_is_the_sha256_of_its_three_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
