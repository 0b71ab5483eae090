/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/kernel_cmdline.h"
#include "base/clock.h"

static int parse(struct options *o, const char *text, struct err *err)
{
	auto_free char *config_file = NULL;
	int r;

	options_init(o);
	r = kernel_cmdline_parse(o, slice_of_str(text), &config_file, err);
	assert_null(config_file);
	return r;
}

static void an_empty_command_line_gives_the_defaults(void **state)
{
	struct err err = ERR_INIT;
	struct options o;

	(void)state;
	assert_int_equal(parse(&o, "", &err), 0);
	assert_string_equal(o.server_addr, "vsock://-1:1024");
	assert_string_equal(o.run_dir, "/run/kata-containers");
	assert_int_equal(o.log_level, LOG_INFO);
	assert_int_equal(o.log_port, 0);
	assert_int_equal(o.container_pipe_size, 0);
	assert_int_equal(o.hotplug_timeout_ns, 3 * NS_PER_S);
	assert_int_equal(o.not_supported, 0);
}

static void known_keys_are_taken_and_unknown_ones_ignored(void **state)
{
	struct err err = ERR_INIT;
	struct options o;

	(void)state;
	assert_int_equal(
		parse(&o,
			"console=ttyS0 agent.log=debug\tagent.server_addr=unix:///a=b \n"
			"agent.log_vport=1025 agent.container_pipe_size=65536 agent.nosuch=1 "
			"agent.hotplug_timeout=7 quiet -- x=y=z =",
			&err),
		0);
	assert_string_equal(o.server_addr, "unix:///a=b");
	assert_int_equal(o.log_level, LOG_DEBUG);
	assert_int_equal(o.log_port, 1025);
	assert_int_equal(o.container_pipe_size, 65536);
	assert_int_equal(o.hotplug_timeout_ns, 7 * NS_PER_S);
	assert_int_equal(o.not_supported, 0);
}

static void values_that_upstream_accepts_are_accepted(void **state)
{
	static const char *const rows[] = {
		"agent.log=trace",
		"agent.log=warn",
		"agent.log=warning",
		"agent.log=critical",
		"agent.log=fatal",
		"agent.log=panic",
		"agent.hotplug_timeout=0",
		"agent.hotplug_timeout=18446744073709551615",
		"agent.log_vport=0",
		"agent.log_vport=-5",
		"agent.log_vport=2147483647",
		"agent.container_pipe_size=0",
		"agent.debug_console_vport=-1",
		"agent.passfd_listener_port=2147483647",
		"agent.visible_cdi_devices=perhaps",
		"cgroup_no_v1=all",
		"cgroup_no_v1=net_cls",
		"systemd.unified_cgroup_hierarchy=0",
		"agent.https_proxy=http://proxy:3128",
		"agent.no_proxy=",
		"agent.guest_components_rest_api=attestation",
		"agent.guest_components_procs=none",
		"agent.secure_storage_integrity=2",
		"agent.mem_agent_memcg_swap=false",
		"agent.mem_agent_memcg_swappiness_max=255",
		"agent.mem_agent_compact_sec_max=-9223372036854775808",
		"agent.debug_consolex",
		"agent.mem_agent_enable",
		"agent.devmode",
		"agent.devmode=1",
		"agent.policy_file=/x",
		"agent.logx=1",
		"agent.log",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;
		struct options o;

		if (parse(&o, rows[i], &err) != 0)
			fail_msg("%s: %s", rows[i], err.msg);
		assert_int_equal(o.not_supported, 0);
	}
}

static void values_that_cannot_be_meant_are_refused(void **state)
{
	static const char *const rows[] = {
		"agent.log=",
		"agent.log=loud",
		"agent.log=INFO",
		"agent.server_addr=",
		"agent.hotplug_timeout=",
		"agent.hotplug_timeout=-1",
		"agent.hotplug_timeout=3s",
		"agent.hotplug_timeout=+3",
		"agent.hotplug_timeout=18446744073709551616",
		"agent.log_vport=",
		"agent.log_vport=x",
		"agent.log_vport=2147483648",
		"agent.debug_console_vport=x",
		"agent.passfd_listener_port=2147483648",
		"agent.passfd_listener_port=x",
		"agent.launch_process_timeout=x",
		"agent.container_pipe_size=-1",
		"agent.container_pipe_size=big",
		"agent.container_pipe_size=2147483648",
		"agent.https_proxy=",
		"agent.https_proxy=//x",
		"agent.https_proxy=http",
		"agent.guest_components_rest_api=",
		"agent.guest_components_rest_api=al",
		"agent.guest_components_procs=all",
		"agent.guest_components_procs=none|attestation-agent",
		"agent.mem_agent_memcg_swap=1",
		"agent.mem_agent_memcg_swappiness_max=256",
		"agent.mem_agent_compact_sec_max=9223372036854775808",
		"agent.mem_agent_compact_sec_max=-9223372036854775809",
		"agent.mem_agent_compact_sec_max=--1",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;
		struct options o;
		auto_free char *key = strndup(rows[i], strcspn(rows[i], "="));

		if (parse(&o, rows[i], &err) == 0)
			fail_msg("%s was accepted", rows[i]);
		assert_true(err.code != 0);
		assert_non_null(strstr(err.msg, key));
		assert_non_null(strstr(err.msg, "kernel command line: "));
	}
}

static void features_to_come_are_noted(void **state)
{
	static const char *const rows[] = {
		"agent.mem_agent_enable=true agent.mem_agent_compact_order=9",
		"agent.mem_agent_compact_order=9 agent.mem_agent_enable=1",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;
		struct options o;

		assert_int_equal(parse(&o, rows[i], &err), 0);
		assert_int_equal(o.not_supported, 1U << OPTION_MEM_AGENT);
	}
	assert_string_equal(option_later_name(OPTION_MEM_AGENT), "agent.mem_agent_enable");
}

static void consoles_streams_and_traces_are_off_unless_asked_for(void **state)
{
	static const struct {
		const char *text;
		bool debug_console, tracing;
		uint32_t debug_console_port, passfd_port;
		int64_t launch_timeout_ns;
	} rows[] = {
		{"", false, false, 0, 0, 6 * NS_PER_S},
		{"agent.debug_console agent.debug_console_vport=1026", true, false, 1026, 0,
			6 * NS_PER_S},
		{"agent.debug_console=true", false, false, 0, 0, 6 * NS_PER_S},
		{"agent.debug_console_vport=1026", false, false, 1026, 0, 6 * NS_PER_S},
		{"agent.debug_consoles", false, false, 0, 0, 6 * NS_PER_S},
		{"agent.trace", false, true, 0, 0, 6 * NS_PER_S},
		{"agent.trace=1", false, true, 0, 0, 6 * NS_PER_S},
		{"agent.trace=true", false, true, 0, 0, 6 * NS_PER_S},
		{"agent.trace=-1", false, true, 0, 0, 6 * NS_PER_S},
		{"agent.trace=0", false, false, 0, 0, 6 * NS_PER_S},
		{"agent.trace=yes", false, false, 0, 0, 6 * NS_PER_S},
		{"agent.trace=true=true", false, false, 0, 0, 6 * NS_PER_S},
		{"agent.trace agent.trace=false", false, false, 0, 0, 6 * NS_PER_S},
		{"agent.passfd_listener_port=1027", false, false, 0, 1027, 6 * NS_PER_S},
		{"agent.passfd_listener_port=0", false, false, 0, 0, 6 * NS_PER_S},
		{"agent.launch_process_timeout=0", false, false, 0, 0, 6 * NS_PER_S},
		{"agent.launch_process_timeout=1", false, false, 0, 0, NS_PER_S},
		{"agent.launch_process_timeout=18446744073709551615", false, false, 0, 0,
			365 * 24 * 3600 * NS_PER_S},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;
		struct options o;

		assert_int_equal(parse(&o, rows[i].text, &err), 0);
		if (o.debug_console != rows[i].debug_console || o.tracing != rows[i].tracing ||
			o.debug_console_port != rows[i].debug_console_port ||
			o.passfd_port != rows[i].passfd_port ||
			o.launch_timeout_ns != rows[i].launch_timeout_ns)
			fail_msg("%s", rows[i].text);
		assert_int_equal(o.not_supported, 0);
	}
}

static void what_stands_in_for_vsock_is_a_directory_or_this_machine(void **state)
{
	static const char *const bad[] = {"relative", "", "Local",
		"/0123456789012345678901234567890123456789012345678901234567890123"};
	struct err err = ERR_INIT;
	struct options o;

	(void)state;
	options_init(&o);
	assert_int_equal(options_parse_ports(&o, NULL), 0);
	assert_false(o.has_local_host);
	setenv("KIHON_AGENT_PORTS", "local", 1);
	assert_int_equal(options_parse_ports(&o, NULL), 0);
	assert_true(o.has_local_host);
	assert_string_equal(o.ports_dir, "");
	setenv("KIHON_AGENT_PORTS", "/tmp/ports", 1);
	assert_int_equal(options_parse_ports(&o, NULL), 0);
	assert_string_equal(o.ports_dir, "/tmp/ports");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		err = (struct err)ERR_INIT;
		setenv("KIHON_AGENT_PORTS", bad[i], 1);
		assert_int_equal(options_parse_ports(&o, &err), -EINVAL);
	}
	assert_non_null(strstr(err.msg, "KIHON_AGENT_PORTS="));
	unsetenv("KIHON_AGENT_PORTS");
}

static void unusual_texts_are_refused_or_harmless(void **state)
{
	auto_free char *big = malloc(KERNEL_CMDLINE_MAX + 1), *addr = NULL;
	char *file;
	struct err err = ERR_INIT;
	struct options o;

	(void)state;
	options_init(&o);
	assert_int_equal(kernel_cmdline_parse(&o, slice_of("a\0b", 3), &file, &err), -EINVAL);

	memset(big, 'x', KERNEL_CMDLINE_MAX + 1);
	err = (struct err)ERR_INIT;
	assert_int_equal(
		kernel_cmdline_parse(&o, slice_of(big, KERNEL_CMDLINE_MAX + 1), &file, &err),
		-E2BIG);
	assert_int_equal(
		kernel_cmdline_parse(&o, slice_of(big, KERNEL_CMDLINE_MAX), &file, &err), 0);

	err = (struct err)ERR_INIT;
	assert_true(asprintf(&addr, "agent.server_addr=unix://%0200d", 0) > 0);
	assert_int_equal(kernel_cmdline_parse(&o, slice_of_str(addr), &file, &err), -ENAMETOOLONG);
	assert_string_equal(o.server_addr, "vsock://-1:1024");
}

static void a_configuration_file_ends_the_command_line(void **state)
{
	auto_free char *file = NULL;
	struct err err = ERR_INIT;
	struct options o;

	(void)state;
	options_init(&o);
	assert_int_equal(
		kernel_cmdline_parse(&o,
			slice_of_str("agent.log=error agent.config_file=/etc/a=b.toml agent.log=x"),
			&file, &err),
		0);
	assert_string_equal(file, "/etc/a=b.toml");
	/* What stands before it must be right all the same. */
	assert_int_equal(parse(&o, "agent.log=x agent.config_file=/etc/x.toml", &err), -EINVAL);
}

static void the_environment_overrides_the_command_line(void **state)
{
	struct err err = ERR_INIT;
	struct options o;

	(void)state;
	assert_int_equal(
		parse(&o, "agent.server_addr=vsock://-1:9 agent.log=error agent.trace", &err), 0);
	setenv("KATA_AGENT_SERVER_ADDR", "unix://@x", 1);
	setenv("KATA_AGENT_LOG_LEVEL", "nonsense", 1);
	assert_int_equal(options_parse_environment(&o, &err), 0);
	assert_string_equal(o.server_addr, "unix://@x");
	assert_int_equal(o.log_level, LOG_ERROR);
	assert_true(o.tracing);

	setenv("KATA_AGENT_LOG_LEVEL", "debug", 1);
	setenv("KATA_AGENT_TRACING", "false", 1);
	assert_int_equal(options_parse_environment(&o, &err), 0);
	assert_int_equal(o.log_level, LOG_DEBUG);
	assert_false(o.tracing);

	setenv("KATA_AGENT_SERVER_ADDR", "", 1);
	assert_int_equal(options_parse_environment(&o, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "KATA_AGENT_SERVER_ADDR"));
	unsetenv("KATA_AGENT_SERVER_ADDR");
	unsetenv("KATA_AGENT_LOG_LEVEL");
	unsetenv("KATA_AGENT_TRACING");
}

static void a_policy_is_not_left_out_silently(void **state)
{
	struct err err = ERR_INIT;
	struct options o;

	(void)state;
	options_init(&o);
	setenv("KATA_AGENT_POLICY_FILE", "", 1);
	assert_int_equal(options_parse_environment(&o, &err), 0);
	setenv("KATA_AGENT_POLICY_FILE", "/etc/policy.rego", 1);
	assert_int_equal(options_parse_environment(&o, &err), -ENOTSUP);
	unsetenv("KATA_AGENT_POLICY_FILE");
}

static void the_run_directory_must_be_a_short_absolute_path(void **state)
{
	static const char *const bad[] = {"relative", "",
		"/0123456789012345678901234567890123456789012345678901234567890123"};
	struct options o;

	(void)state;
	options_init(&o);
	assert_int_equal(options_parse_run_dir(&o, NULL), 0);
	assert_string_equal(o.run_dir, "/run/kata-containers");
	setenv("KIHON_AGENT_RUN_DIR", "/tmp/x", 1);
	assert_int_equal(options_parse_run_dir(&o, NULL), 0);
	assert_string_equal(o.run_dir, "/tmp/x");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		setenv("KIHON_AGENT_RUN_DIR", bad[i], 1);
		assert_int_equal(options_parse_run_dir(&o, NULL), -EINVAL);
	}
	assert_string_equal(o.run_dir, "/tmp/x");
	unsetenv("KIHON_AGENT_RUN_DIR");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_command_line_gives_the_defaults),
		cmocka_unit_test(known_keys_are_taken_and_unknown_ones_ignored),
		cmocka_unit_test(values_that_upstream_accepts_are_accepted),
		cmocka_unit_test(values_that_cannot_be_meant_are_refused),
		cmocka_unit_test(features_to_come_are_noted),
		cmocka_unit_test(consoles_streams_and_traces_are_off_unless_asked_for),
		cmocka_unit_test(what_stands_in_for_vsock_is_a_directory_or_this_machine),
		cmocka_unit_test(unusual_texts_are_refused_or_harmless),
		cmocka_unit_test(a_configuration_file_ends_the_command_line),
		cmocka_unit_test(the_environment_overrides_the_command_line),
		cmocka_unit_test(a_policy_is_not_left_out_silently),
		cmocka_unit_test(the_run_directory_must_be_a_short_absolute_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
