/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>

#include "agent.pb-c.h"
#include "base/io.h"
#include "tools/agent_ctl/cli.h"
#include "tools/agent_ctl/duration.h"
#include "tools/agent_ctl/output.h"
#include "tools/agent_ctl/words.h"
#include "wire/status.h"

enum { MAX_ARGS = 24 };

/* line: words parted by single blanks. text owns what argv points to. */
static int parse(const char *line, char text[static 512], struct cli *ret, struct err *err)
{
	char *argv[MAX_ARGS], *at = text;
	static char *kept[MAX_ARGS];
	int argc = 0;

	snprintf(text, 512, "kata-agent-ctl%s%s", *line ? " " : "", line);
	while ((argv[argc] = strsep(&at, " ")))
		argc++;
	/* The words stay in use after we return. */
	memcpy(kept, argv, sizeof(kept));
	return cli_parse(argc, kept, ret, err);
}

static void upstreams_command_line_is_understood(void **state)
{
	char text[512];
	struct cli cli;

	(void)state;
	assert_int_equal(parse("-l debug connect --server-address unix:///a --bundle-dir b "
			       "--ignore-errors -n --timeout 5s -c Check --cmd GetGuestDetails "
			       "ListRoutes --hybrid-vsock",
				 text, &cli, NULL),
		0);
	assert_int_equal(cli.action, CLI_RUN);
	assert_string_equal(cli.address, "hvsock:///a:1024");
	assert_string_equal(cli.bundle_dir, "b");
	assert_true(cli.ignore_errors && cli.no_auto_values && !cli.is_json && !cli.is_quiet);
	assert_true(cli.timeout_ns == INT64_C(5000000000));
	assert_int_equal(cli.repeat, 1);
	assert_int_equal(cli.n_lines, 3);
	assert_string_equal(cli.lines[0], "Check");
	assert_string_equal(cli.lines[1], "GetGuestDetails");
	assert_string_equal(cli.lines[2], "ListRoutes");
	assert_int_equal(cli.n_words, 0);
	cli_fini(&cli);
}

static void a_method_takes_all_words_behind_it(void **state)
{
	char text[512];
	struct cli cli;

	(void)state;
	assert_int_equal(parse("--server-address vsock://3:1024 --json --repeat 7 -q "
			       "StartContainer --container_id c --json",
				 text, &cli, NULL),
		0);
	assert_string_equal(cli.address, "vsock://3:1024");
	assert_true(cli.is_json && cli.is_quiet && cli.repeat == 7);
	assert_int_equal(cli.n_lines, 0);
	assert_int_equal(cli.n_words, 4);
	assert_string_equal(cli.words[0], "StartContainer");
	assert_string_equal(cli.words[3], "--json");
	cli_fini(&cli);
}

static void the_address_may_come_from_the_environment(void **state)
{
	char text[512];
	struct cli cli;

	(void)state;
	assert_int_equal(parse("Check", text, &cli, NULL), 0);
	assert_null(cli.address);
	cli_fini(&cli);
	setenv("KATA_AGENT_SERVER_ADDR", "unix:///env", 1);
	assert_int_equal(parse("Check", text, &cli, NULL), 0);
	assert_string_equal(cli.address, "unix:///env");
	cli_fini(&cli);
	assert_int_equal(parse("--server-address=unix://@x --hybrid-vsock --hybrid-vsock-port 7 C",
				 text, &cli, NULL),
		0);
	assert_string_equal(cli.address, "hvsock://@x:7");
	cli_fini(&cli);
	unsetenv("KATA_AGENT_SERVER_ADDR");
}

static void what_needs_no_agent_is_recognised(void **state)
{
	static const struct {
		const char *line;
		enum cli_action action;
	} rows[] = {
		{"--help", CLI_HELP},
		{"connect -h", CLI_HELP},
		{"-V", CLI_VERSION},
		{"--version", CLI_VERSION},
		{"examples", CLI_EXAMPLES},
		{"generate-cid", CLI_MAKE_ID},
		{"generate-sid", CLI_MAKE_ID},
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cli cli;

		assert_int_equal(parse(rows[i].line, text, &cli, NULL), 0);
		assert_int_equal(cli.action, rows[i].action);
		cli_fini(&cli);
	}
}

static void a_wrong_command_line_is_explained(void **state)
{
	static const struct {
		const char *line, *msg;
	} rows[] = {
		{"", "no command: --help says how"},
		{"connect", "no command: --help says how"},
		{"--nothing Check", "unknown option --nothing"},
		{"connect --nothing", "unknown option --nothing"},
		{"connect -c", "-c needs a value"},
		{"--server-address", "--server-address needs a value"},
		{"--timeout 5 --timeout x Check", "--timeout x: not a time (5s, 250ms)"},
		{"--repeat 0 Check", "--repeat 0: not a number from 1 to 1000000"},
		{"--repeat -1 Check", "--repeat -1: not a number from 1 to 1000000"},
		{"--repeat 1000001 Check", "--repeat 1000001: not a number from 1 to 1000000"},
		{"--vm qemu Check", "--vm is not supported: start a pod, or an agent"},
		{"-i Check", "--interactive and Check exclude each other"},
		{"-c Check Version", "--cmd and Version exclude each other"},
		{"--hybrid-vsock --server-address vsock://3:4 Check",
			"--hybrid-vsock: vsock://3:4 is no unix:// address"},
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;
		struct cli cli;

		assert_int_equal(parse(rows[i].line, text, &cli, &err), -EINVAL);
		assert_string_equal(err.msg, rows[i].msg);
	}
}

static void durations_have_units(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
		int r;
	} rows[] = {
		{"0", 0, 0},
		{"7", 7, 0},
		{"99ns", 99, 0},
		{"30us", 30000, 0},
		{"2ms", 2000000, 0},
		{"5s", 5000000000, 0},
		{"7m", 420000000000, 0},
		{"1h", 3600000000000, 0},
		{"9223372036854775807", INT64_MAX, 0},
		{"9223372036854775808", 0, -ERANGE},
		{"9223372037s", 0, -ERANGE},
		{"", 0, -EINVAL},
		{"s", 0, -EINVAL},
		{"-1s", 0, -EINVAL},
		{"1.5s", 0, -EINVAL},
		{"1 s", 0, -EINVAL},
		{"1S", 0, -EINVAL},
		{"1d", 0, -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int64_t ns = 0;

		assert_int_equal(duration_parse(rows[i].text, &ns), rows[i].r);
		if (rows[i].r == 0)
			assert_true(ns == rows[i].ns);
	}
}

static void words_are_parted_by_blanks_that_no_quote_holds(void **state)
{
	static const struct {
		const char *line, *joined;
	} rows[] = {
		{"", ""},
		{" \t\n", ""},
		{"a", "<a>"},
		{"  a\tb\n", "<a><b>"},
		{"x='a b' y=\"c d\"", "<x=a b><y=c d>"},
		{"a\\ b \\\"", "<a b><\">"},
		{"'a\\' \"\\\"'\"", "<a\\><\"'>"},
		{"'' \"\"", "<><>"},
		{"a'b'\"c\"d", "<abcd>"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_words struct words words = {0};
		auto_buf struct buf joined = BUF_INIT;

		assert_int_equal(words_split(rows[i].line, &words, NULL), 0);
		for (size_t w = 0; w < words.n; w++)
			assert_int_equal(buf_printf(&joined, "<%s>", words.at[w]), 0);
		assert_string_equal(buf_str(&joined), rows[i].joined);
	}
}

static void quotes_that_do_not_end_are_refused(void **state)
{
	static const struct {
		const char *line, *msg;
	} rows[] = {
		{"a 'b", "\"a 'b\": a quote does not end"},
		{"\"", "\"\"\": a quote does not end"},
		{"a\\", "\"a\\\": nothing follows the backslash"},
		{"\"a\\", "\"\"a\\\": nothing follows the backslash"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct words words = {0};
		struct err err = ERR_INIT;

		assert_int_equal(words_split(rows[i].line, &words, &err), -EINVAL);
		assert_string_equal(err.msg, rows[i].msg);
	}
}

/* What print() writes to fd (stdout or stderr). */
static void capture(
	int fd, FILE *stream, struct buf *ret, void (*print)(const void *data), const void *data)
{
	char path[] = "/tmp/test_agent_ctl.XXXXXX";
	int file = mkostemp(path, O_CLOEXEC), saved;

	fflush(stream);
	saved = dup(fd);
	assert_true(file >= 0 && saved >= 0 && dup2(file, fd) == fd);
	print(data);
	fflush(stream);
	assert_int_equal(dup2(saved, fd), fd);
	close(saved);
	close(file);
	assert_int_equal(io_read_file(AT_FDCWD, path, 1 << 16, ret), 0);
	assert_int_equal(unlink(path), 0);
}

static void print_metrics(const void *data)
{
	Grpc__Metrics metrics = GRPC__METRICS__INIT;
	struct err err = ERR_INIT;
	char text[128];

	snprintf(text, sizeof(text), "%s", (const char *)data);
	metrics.metrics = text;
	if (output_reply(method_find("GetMetrics"), &metrics.base, false, &err) < 0)
		fail_msg("%s", err.msg);
}

static void a_reply_cannot_reach_the_terminal(void **state)
{
	static const struct {
		const char *text, *printed;
	} rows[] = {
		{"", "GetMetrics:\n  metrics: \n"},
		{"one", "GetMetrics:\n  metrics: one\n"},
		{"a\nb\n", "GetMetrics:\n  metrics: |\n    a\n    b\n"},
		{"a\n\nb", "GetMetrics:\n  metrics: |\n    a\n    \n    b\n"},
		{"\033[2J\a\r\x7f\tx", "GetMetrics:\n  metrics: \\x1b[2J\\x07\\x0d\\x7f\tx\n"},
		{"\xc2\x9b"
		 "31m\xc2\xa0",
			"GetMetrics:\n  metrics: \\u009b31m\xc2\xa0\n"},
		{"\x9b"
		 "1m",
			"GetMetrics:\n  metrics: \xef\xbf\xbd"
			"1m\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_buf struct buf out = BUF_INIT;

		capture(1, stdout, &out, print_metrics, rows[i].text);
		assert_string_equal(buf_str(&out), rows[i].printed);
	}
}

static void print_failure(const void *data)
{
	struct err err = ERR_INIT;

	err_status(&err, ENOENT, WIRE_NOT_FOUND, "%s", (const char *)data);
	output_failure(method_find("Check"), false, &err);
}

static void a_failure_names_method_status_and_text(void **state)
{
	auto_buf struct buf out = BUF_INIT;

	(void)state;
	capture(2, stderr, &out, print_failure, "no \033[31m\n\xff such");
	assert_string_equal(
		buf_str(&out), "kata-agent-ctl: Check: NOT_FOUND (5): no  [31m ? such\n");
}

static void print_summary(const void *data)
{
	int64_t times_ns[4] = {4000000, 1000000, 3000000, 2000000};

	output_summary(method_find("Check"), data != NULL, times_ns, data ? 4 : 3);
}

static void a_summary_has_minimum_median_and_maximum(void **state)
{
	auto_buf struct buf text = BUF_INIT, json = BUF_INIT;

	(void)state;
	capture(1, stdout, &text, print_summary, NULL);
	assert_string_equal(
		buf_str(&text), "Check: 3 calls: min 1.000 ms, median 3.000 ms, max 4.000 ms\n");
	capture(1, stdout, &json, print_summary, "");
	assert_string_equal(buf_str(&json),
		"{\"summary\":{\"method\":\"Check\",\"calls\":4,\"min_ns\":1000000,"
		"\"median_ns\":2500000,\"max_ns\":4000000}}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(upstreams_command_line_is_understood),
		cmocka_unit_test(a_method_takes_all_words_behind_it),
		cmocka_unit_test(the_address_may_come_from_the_environment),
		cmocka_unit_test(what_needs_no_agent_is_recognised),
		cmocka_unit_test(a_wrong_command_line_is_explained),
		cmocka_unit_test(durations_have_units),
		cmocka_unit_test(words_are_parted_by_blanks_that_no_quote_holds),
		cmocka_unit_test(quotes_that_do_not_end_are_refused),
		cmocka_unit_test(a_reply_cannot_reach_the_terminal),
		cmocka_unit_test(a_failure_names_method_status_and_text),
		cmocka_unit_test(a_summary_has_minimum_median_and_maximum),
	};

	unsetenv("KATA_AGENT_SERVER_ADDR");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
