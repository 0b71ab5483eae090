/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/config_file.h"
#include "agent/rpc.h"
#include "base/clock.h"
#include "oom.h"

static int parse(struct options *o, const char *text, struct err *err)
{
	*err = (struct err)ERR_INIT;
	options_init(o);
	return config_file_parse(o, "a.toml", slice_of_str(text), err);
}

static void an_empty_file_gives_the_defaults(void **state)
{
	struct options o;
	struct err err;

	(void)state;
	assert_int_equal(parse(&o, "# nothing\n", &err), 0);
	assert_string_equal(o.server_addr, "vsock://-1:1024");
	assert_int_equal(o.log_level, LOG_INFO);
	assert_int_equal(o.log_port, 0);
	assert_false(o.endpoints.is_limited);
}

static void what_is_set_is_taken(void **state)
{
	struct options o;
	struct err err;

	(void)state;
	assert_int_equal(parse(&o,
				 "server_addr = \"unix:///run/a.sock\"\n"
				 "log_level = \"trace\"\nlog_vport = 1025\n"
				 "hotplug_timeout = { secs = 9, nanos = 0 }\n"
				 "container_pipe_size = 4096\ndebug_console = true\n"
				 "debug_console_vport = 1026\n"
				 "tracing = true\npassfd_listener_port = 1027\n"
				 "launch_process_timeout = { secs = 9, nanos = 0 }\n"
				 "mem_agent_enable = true\nno_such_key = [1, 2]\n",
				 &err),
		0);
	assert_string_equal(o.server_addr, "unix:///run/a.sock");
	assert_int_equal(o.log_level, LOG_TRACE);
	assert_int_equal(o.log_port, 1025);
	assert_int_equal(o.container_pipe_size, 4096);
	assert_int_equal(o.hotplug_timeout_ns, 9 * NS_PER_S);
	assert_true(o.debug_console && o.tracing);
	assert_int_equal(o.debug_console_port, 1026);
	assert_int_equal(o.passfd_port, 1027);
	assert_int_equal(o.launch_timeout_ns, 9 * NS_PER_S);
	assert_int_equal(o.not_supported, (1U << OPTION_LATER_COUNT) - 1);
}

static void values_that_upstream_writes_are_accepted(void **state)
{
	static const char *const rows[] = {
		"hotplug_timeout = { secs = 3, nanos = 0 }",
		"hotplug_timeout = { secs = 9223372036854775807, nanos = 999999999 }",
		"[cdh_api_timeout]\nsecs = 50", "image_pull_timeout = 1200", "cdi_timeout = {}",
		"launch_process_timeout = 0", "log_vport = -5", "log_vport = 0",
		"debug_console = false", "dev_mode = true", "visible_cdi_devices = true",
		"unified_cgroup_hierarchy = false", "https_proxy = \"http://proxy:3128\"",
		"no_proxy = \"\"", "guest_components_procs = \"none\"",
		"secure_storage_integrity = true", "policy_file = \"\"",
		"mem_agent_compact_sec_max = -9223372036854775808", "mem_agent_memcg_swap = true",
		"cgroup_no_v1 = 5", /* not a key of the file: warned about */
	};
	struct options o;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (parse(&o, rows[i], &err) != 0)
			fail_msg("%s: %s", rows[i], err.msg);
		assert_int_equal(o.not_supported, 0);
	}
}

static void errors_say_where_and_what(void **state)
{
	static const struct {
		const char *text, *where;
	} rows[] = {
		{"log_level = \"loud\"", "a.toml:1:1: log_level: \"loud\": invalid value"},
		{"\n  log_level = 3", "a.toml:2:3: log_level: "},
		{"server_addr = \"\"", "a.toml:1:1: server_addr: empty server address"},
		{"debug_console = \"true\"", "a.toml:1:1: debug_console: "},
		{"debug_console = 1", "a.toml:1:1: debug_console: "},
		{"hotplug_timeout = \"3s\"", "a.toml:1:1: hotplug_timeout: "},
		{"hotplug_timeout = -1", "a.toml:1:1: hotplug_timeout: "},
		{"hotplug_timeout = 1.5", "a.toml:1:1: hotplug_timeout: "},
		{"[hotplug_timeout]\nsecs = \"x\"", "a.toml:2:1: hotplug_timeout.secs: "},
		{"[hotplug_timeout]\nnanos = 1000000000", "a.toml:2:1: hotplug_timeout.nanos: "},
		{"log_vport = 2147483648", "a.toml:1:1: log_vport: "},
		{"container_pipe_size = -1", "a.toml:1:1: container_pipe_size: "},
		{"mem_agent_memcg_swappiness_max = 256", "a.toml:1:1: mem_agent_memcg_"},
		{"mem_agent_memcg_disable = \"no\"", "a.toml:1:1: mem_agent_memcg_disable"},
		{"https_proxy = \"x\"", "a.toml:1:1: https_proxy: "},
		{"policy_file = \"/p.rego\"", "a.toml:1:1: policy_file: \"/p.rego\": not supp"},
		{"endpoints = 1", "a.toml:1:1: endpoints: "},
		{"[endpoints]\nallowed = \"x\"", "a.toml:2:1: endpoints.allowed: "},
		{"[endpoints]\nallowed = [1]", "a.toml:2:12: endpoints.allowed[0]: "},
		{"log_level = ", "a.toml:1:13: "},
		{"log_level = \"info\"\nlog_level = \"info\"", "a.toml:2:1: "},
	};
	struct options o;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (parse(&o, rows[i].text, &err) == 0)
			fail_msg("%s was accepted", rows[i].text);
		if (strncmp(err.msg, rows[i].where, strlen(rows[i].where)) != 0)
			fail_msg("%s: %s", rows[i].text, err.msg);
	}
}

static bool is_served(const struct ttrpc_method *table, const char *name)
{
	for (size_t i = 0; i < rpc_n_methods; i++)
		if (strcmp(table[i].method, name) == 0)
			return table[i].handle == rpc_methods[i].handle;
	fail_msg("no method %s", name);
	return false;
}

static void endpoints_limit_what_is_served(void **state)
{
	struct ttrpc_method *table;
	struct options o;
	struct err err;

	(void)state;
	assert_int_equal(parse(&o,
				 "[endpoints]\nallowed = [\"CreateContainerRequest\", "
				 "\"ReadStreamRequest\", \"NoSuchRequest\"]\nother = true",
				 &err),
		0);
	table = endpoints_make_table(&o.endpoints);
	assert_non_null(table);
	assert_true(is_served(table, "CreateContainer"));
	assert_true(is_served(table, "ReadStdout"));
	assert_true(is_served(table, "ReadStderr"));
	assert_true(is_served(table, "Check"));
	assert_true(is_served(table, "Version"));
	assert_false(is_served(table, "ExecProcess"));
	assert_false(is_served(table, "GetMetrics"));
	free(table);
}

static void without_endpoints_all_is_served_and_with_an_empty_list_nothing(void **state)
{
	struct ttrpc_method *table;
	struct options o;
	struct err err;

	(void)state;
	assert_int_equal(parse(&o, "", &err), 0);
	table = endpoints_make_table(&o.endpoints);
	for (size_t i = 0; i < rpc_n_methods; i++)
		assert_ptr_equal(table[i].handle, rpc_methods[i].handle);
	free(table);
	assert_int_equal(parse(&o, "[endpoints]", &err), 0);
	table = endpoints_make_table(&o.endpoints);
	assert_false(is_served(table, "ExecProcess"));
	assert_true(is_served(table, "Check"));
	free(table);
}

static void a_file_that_is_missing_or_too_large_is_an_error(void **state)
{
	static char big[CONFIG_FILE_MAX + 2];
	struct err err = ERR_INIT;
	struct options o;

	(void)state;
	options_init(&o);
	assert_int_equal(config_file_read(&o, "/nonexistent/a.toml", &err), -ENOENT);
	assert_string_equal(
		err.msg, "configuration file /nonexistent/a.toml: No such file or directory");
	err = (struct err)ERR_INIT;
	assert_int_equal(config_file_read(&o, "/proc", &err), -EISDIR);
	memset(big, ' ', sizeof(big) - 1);
	assert_int_equal(parse(&o, big, &err), -EFBIG);
	big[CONFIG_FILE_MAX] = '\0';
	assert_int_equal(parse(&o, big, &err), 0);
}

static void memory_may_run_out_anywhere(void **state)
{
	static const char text[] = "log_level = \"debug\"\nunknown = { a = [1] }\n"
				   "[endpoints]\nallowed = [\"CheckRequest\"]\n";
	struct options o;
	struct err err;

	(void)state;
	OOM_SWEEP(n)
	{
		int r;

		oom_arm(n);
		r = parse(&o, text, &err);
		oom_disarm();
		assert_int_equal(r, oom_has_struck() ? -ENOMEM : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_file_gives_the_defaults),
		cmocka_unit_test(what_is_set_is_taken),
		cmocka_unit_test(values_that_upstream_writes_are_accepted),
		cmocka_unit_test(errors_say_where_and_what),
		cmocka_unit_test(endpoints_limit_what_is_served),
		cmocka_unit_test(without_endpoints_all_is_served_and_with_an_empty_list_nothing),
		cmocka_unit_test(a_file_that_is_missing_or_too_large_is_an_error),
		cmocka_unit_test(memory_may_run_out_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
