/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>

#include "agent.pb-c.h"
#include "agent/rpc.h"
#include "base/io.h"
#include "base/path.h"
#include "oom.h"
#include "tools/agent_ctl/command.h"
#include "wire/message_json.h"

static void parse(const char *line, struct request_defaults *defaults, struct command *ret)
{
	struct err err = ERR_INIT;

	if (command_parse(line, defaults, ret, &err) < 0)
		fail_msg("%s: %s", line, err.msg);
}

static void expect(const char *line, const char *method, const char *part)
{
	struct request_defaults defaults = {.no_auto_values = true};
	auto_buf struct buf text = BUF_INIT;
	struct command command;

	parse(line, &defaults, &command);
	assert_int_equal(command.kind, COMMAND_CALL);
	assert_string_equal(command.method->name, method);
	assert_int_equal(message_json_format(command.request, MESSAGE_JSON_BASE64, &text), 0);
	if (!strstr(buf_str(&text), part))
		fail_msg("%s: %s is not in %s", line, part, buf_str(&text));
	command_fini(&command);
	request_defaults_fini(&defaults);
}

static void names_and_values_become_fields(void **state)
{
	(void)state;
	expect("Check", "Check", "{\"service\":\"\"}");
	expect("create-sandbox sid=s hostname=\"a b\" sandbox_pidns=true", "CreateSandbox",
		"\"hostname\":\"a b\",\"dns\":[],\"storages\":[],\"sandbox_pidns\":true,"
		"\"sandbox_id\":\"s\"");
	expect("CreateSandbox dns=1.1.1.1,8.8.8.8", "CreateSandbox",
		"\"dns\":[\"1.1.1.1\",\"8.8.8.8\"]");
	expect("CreateSandbox dns=", "CreateSandbox", "\"dns\":[]");
	expect("CreateSandbox 'dns=[\"a,b\"]'", "CreateSandbox", "\"dns\":[\"a,b\"]");
	expect("CreateSandbox 'kernel_modules=[{\"name\":\"m\"}]'", "CreateSandbox",
		"\"kernel_modules\":[{\"name\":\"m\",\"parameters\":[]}]");
	expect("StartContainer --container-id c", "StartContainer", "\"container_id\":\"c\"");
	expect("StartContainer --containerId=-x=y", "StartContainer", "\"container_id\":\"-x=y\"");
	expect("WriteStdin cid=c eid=e data='a b\\'", "WriteStdin",
		"\"exec_id\":\"e\",\"data\":\"YSBiXA==\"");
	expect("ReadStdout cid=c len=4294967295", "ReadStdout", "\"len\":4294967295");
	expect("MemHotplugByProbe memHotplugProbeAddr=1,18446744073709551615", "MemHotplugByProbe",
		"[1,18446744073709551615]");
	expect("ExecProcess process='{\"args\":[\"sh\",\"-c\",\"exit 1\"]}'", "ExecProcess",
		"\"args\":[\"sh\",\"-c\",\"exit 1\"]");
	expect("GetIptables is_ipv6=true", "GetIPTables", "\"is_ipv6\":true");
	expect("StartContainer sid=ignored exec_id=ignored cid=c", "StartContainer",
		"{\"container_id\":\"c\"}");
}

static void signals_have_names(void **state)
{
	(void)state;
	expect("SignalProcess signal=usr1", "SignalProcess", "\"signal\":10");
	expect("SignalProcess signal=SIGKILL", "SignalProcess", "\"signal\":9");
	expect("SignalProcess signal=TERM", "SignalProcess", "\"signal\":15");
	expect("SignalProcess signal=64", "SignalProcess", "\"signal\":64");
}

static void json_is_the_whole_request(void **state)
{
	char path[] = "/tmp/test_agent_ctl.XXXXXX", line[128];
	static const char text[] = "{\"len\": 7}\n";
	int fd = mkostemp(path, O_CLOEXEC);

	(void)state;
	expect("ReadStdout json://{\"container_id\": \"a b\", \"len\": 5}", "ReadStdout",
		"\"container_id\":\"a b\",\"exec_id\":\"\",\"len\":5");
	expect("ReadStdout  {\"len\":6}", "ReadStdout", "\"len\":6");
	assert_int_equal(io_write_full(fd, text, strlen(text)), 0);
	close(fd);
	snprintf(line, sizeof(line), "ReadStdout file://%s", path);
	expect(line, "ReadStdout", "\"len\":7");
	assert_int_equal(unlink(path), 0);
}

static void what_is_wrong_is_named(void **state)
{
	static const struct {
		const char *line, *msg;
	} rows[] = {
		{" ", "an empty command"},
		{"Nothing x=1", "unknown command \"Nothing\": \"list\" names all"},
		{"Check 'a", "\"Check 'a\": a quote does not end"},
		{"Check name=x", "Check: CheckRequest has no field name"},
		{"Check bundle=/b", "Check: CheckRequest has no field bundle"},
		{"ReadStdout len=-1", "ReadStdout: len: -1 is out of range (0 to 4294967295)"},
		{"ReadStdout len=x", "ReadStdout: len: expected an unsigned integer, got a string"},
		{"ReadStdout len", "ReadStdout: \"len\" is neither JSON, file:// nor name=value"},
		{"ReadStdout --len", "ReadStdout: --len needs a value"},
		{"ReadStdout cid=a container_id=b", "ReadStdout: container_id is given twice"},
		{"ReadStdout cid=\xff", "ReadStdout: cid: not UTF-8"},
		{"SignalProcess signal=sigfoo",
			"SignalProcess: signal: expected an unsigned integer, got a string"},
		{"ReadStdout json://", "ReadStdout:1:1: unexpected end of text"},
		{"ReadStdout {\"x\":1}", "ReadStdout: x: ReadStreamRequest has no such field"},
		{"ReadStdout len=1 {}",
			"ReadStdout: JSON is the whole request: no other argument goes with it"},
		{"ReadStdout file:///does/not/exist",
			"ReadStdout: read /does/not/exist: No such file or directory"},
		{"sleep", "sleep \"\": not a time"},
		{"sleep 1 2", "sleep \"1\": not a time"},
		{"repeat 0", "repeat \"0\": not a number from 1 to 1000000"},
		{"repeat 5x", "repeat \"5x\": not a number from 1 to 1000000"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct request_defaults defaults = {0};
		struct err err = ERR_INIT;
		struct command command;

		assert_int_equal(command_parse(rows[i].line, &defaults, &command, &err) < 0, true);
		assert_string_equal(err.msg, rows[i].msg);
		request_defaults_fini(&defaults);
	}
}

static void built_in_commands_are_read(void **state)
{
	struct request_defaults defaults = {0};
	struct command command;

	(void)state;
	parse("echo a  'b c'", &defaults, &command);
	assert_int_equal(command.kind, COMMAND_ECHO);
	assert_string_equal(command.text, "a b c");
	command_fini(&command);
	parse("sleep 2ms", &defaults, &command);
	assert_true(command.kind == COMMAND_SLEEP && command.sleep_ns == 2000000);
	parse("repeat 1000000", &defaults, &command);
	assert_true(command.kind == COMMAND_REPEAT && command.n_times == 1000000);
	parse("list", &defaults, &command);
	assert_int_equal(command.kind, COMMAND_LIST);
	parse("quit", &defaults, &command);
	assert_int_equal(command.kind, COMMAND_QUIT);
}

static const char *id_of(struct request_defaults *defaults, const char *line)
{
	static char id[128];
	struct command command;
	const Grpc__StartContainerRequest *start;

	parse(line, defaults, &command);
	/* The first field of all three requests. */
	start = (const Grpc__StartContainerRequest *)command.request;
	snprintf(id, sizeof(id), "%s", start->container_id ? start->container_id : "none");
	command_fini(&command);
	return id;
}

static void ids_are_made_and_remembered(void **state)
{
	struct request_defaults defaults = {0}, none = {.no_auto_values = true};
	char made[128];

	(void)state;
	assert_string_equal(id_of(&defaults, "StartContainer"), "none");
	snprintf(made, sizeof(made), "%s", id_of(&defaults, "CreateContainer"));
	assert_int_equal(strlen(made), 64);
	assert_true(path_is_valid_id(made));
	assert_string_equal(id_of(&defaults, "StartContainer"), made);
	assert_string_equal(id_of(&defaults, "StartContainer cid=other"), "other");
	assert_string_equal(id_of(&defaults, "WaitProcess {}"), "other");
	assert_string_equal(id_of(&none, "CreateContainer cid=c"), "c");
	assert_string_equal(id_of(&none, "StartContainer"), "none");
	request_defaults_fini(&defaults);
}

static void write_bundle(const char *dir, const char *text)
{
	auto_free char *path = NULL;

	assert_true(asprintf(&path, "%s/config.json", dir) > 0);
	assert_int_equal(io_replace_file(AT_FDCWD, path, 0600, text, strlen(text)), 0);
}

static void expect_root(struct request_defaults *defaults, const char *line, const char *root)
{
	struct command command;

	parse(line, defaults, &command);
	assert_string_equal(
		((Grpc__CreateContainerRequest *)command.request)->oci->root->path, root);
	command_fini(&command);
}

static void a_bundle_gives_the_spec(void **state)
{
	char dir[] = "/tmp/test_agent_ctl.XXXXXX", line[256], root[128];
	struct request_defaults defaults = {.no_auto_values = true}, with_dir = defaults;
	struct err err = ERR_INIT;
	struct command command;

	(void)state;
	assert_non_null(mkdtemp(dir));
	write_bundle(dir, "{\"root\":{\"path\":\"rootfs\"}}");
	snprintf(root, sizeof(root), "%s/rootfs", dir);
	with_dir.bundle_dir = dir;
	expect_root(&with_dir, "CreateContainer cid=c", root);
	expect_root(&with_dir, "CreateContainer {\"OCI\":{\"root\":{\"path\":\"/x\"}}}", "/x");
	snprintf(line, sizeof(line), "CreateContainer bundle=%s", dir);
	expect_root(&defaults, line, root);
	snprintf(line, sizeof(line), "CreateContainer spec=file://%s/config.json", dir);
	expect_root(&defaults, line, root);
	snprintf(line, sizeof(line), "CreateContainer bundle=/ --spec %s/config.json", dir);
	expect_root(&defaults, line, "//rootfs");
	snprintf(line, sizeof(line), "CreateContainer oci={} bundle=%s", dir);
	assert_int_equal(command_parse(line, &defaults, &command, &err), -EINVAL);
	assert_string_equal(err.msg, "CreateContainer: OCI and bundle= exclude each other");
	write_bundle(dir, "{\"root\":{\"path\":\"/absolute\"}}");
	expect_root(&with_dir, "CreateContainer", "/absolute");
	write_bundle(dir, "{\"root\":[]}");
	err = (struct err)ERR_INIT;
	assert_int_equal(command_parse("CreateContainer", &with_dir, &command, &err), -EINVAL);
	assert_string_equal(err.msg, "config.json: root: expected an object, got an array");
	assert_int_equal(path_remove_tree(AT_FDCWD, dir), 0);
	err = (struct err)ERR_INIT;
	assert_int_equal(command_parse("CreateContainer", &with_dir, &command, &err), -ENOENT);
}

/* Both tables are the service definition. */
static void every_method_of_the_agent_is_there(void **state)
{
	(void)state;
	assert_int_equal(n_methods, rpc_n_methods);
	for (size_t i = 0; i < rpc_n_methods; i++) {
		const struct method *m = method_find(rpc_methods[i].method);

		assert_non_null(m);
		assert_string_equal(m->name, rpc_methods[i].method);
		assert_string_equal(m->service, rpc_methods[i].service);
		assert_ptr_equal(m->request, rpc_methods[i].request);
	}
}

static void every_empty_request_and_reply_can_be_written(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_methods; i++) {
		const ProtobufCMessageDescriptor *both[] = {methods[i].request, methods[i].reply};

		for (size_t k = 0; k < 2; k++) {
			auto_buf struct buf text = BUF_INIT;
			ProtobufCMessage *msg = calloc(1, both[k]->sizeof_message);

			assert_non_null(msg);
			protobuf_c_message_init(both[k], msg);
			assert_int_equal(message_json_format(msg, MESSAGE_JSON_TEXT, &text), 0);
			protobuf_c_message_free_unpacked(msg, NULL);
		}
	}
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	OOM_SWEEP(n)
	{
		struct request_defaults defaults = {0};
		struct command command;
		struct err err = ERR_INIT;
		int r;

		oom_arm(n);
		r = command_parse(
			"CreateSandbox sid=s dns=a,b hostname='x y'", &defaults, &command, &err);
		oom_disarm();
		assert_int_equal(r, oom_has_struck() ? -ENOMEM : 0);
		if (r == 0)
			command_fini(&command);
		request_defaults_fini(&defaults);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_values_become_fields),
		cmocka_unit_test(signals_have_names),
		cmocka_unit_test(json_is_the_whole_request),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(built_in_commands_are_read),
		cmocka_unit_test(ids_are_made_and_remembered),
		cmocka_unit_test(a_bundle_gives_the_spec),
		cmocka_unit_test(every_method_of_the_agent_is_there),
		cmocka_unit_test(every_empty_request_and_reply_can_be_written),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
