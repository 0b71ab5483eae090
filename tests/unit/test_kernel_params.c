/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "hypervisor/kernel_params.h"
#include "oom.h"

#define FIRST                                                                                      \
	"reboot=k panic=1 systemd.unit=kata-containers.target "                                    \
	"systemd.mask=systemd-networkd.service systemd.mask=systemd-networkd.socket tsc=reliable " \
	"no_timer_check noreplace-smp cryptomgr.notests rcupdate.rcu_expedited=1 console=ttyS0"

static const struct config_agent usual_agent = {.server_port = 1024, .log_port = 1025};

static void expect(const struct config *config, const char *want)
{
	auto_buf struct buf out = BUF_INIT;

	assert_int_equal(kernel_params_format(config, &out), 0);
	assert_string_equal(buf_str(&out), want);
}

static void a_plain_guest_gets_the_base_only(void **state)
{
	struct config config = {.agent = usual_agent};

	(void)state;
	expect(&config, FIRST " quiet agent.log_vport=1025");
	config.hypervisor.kernel_params = (char[]){""};
	expect(&config, FIRST " quiet agent.log_vport=1025");
}

static void the_users_parameters_come_last(void **state)
{
	struct config config = {.agent = usual_agent};

	(void)state;
	config.hypervisor.kernel_params = (char[]){"cgroup_no_v1=all agent.log=trace"};
	config.agent.enable_debug = true;
	expect(&config, FIRST
		" quiet agent.log=debug agent.log_vport=1025 cgroup_no_v1=all agent.log=trace");
}

static void debugging_opens_the_console(void **state)
{
	struct config config = {.agent = usual_agent};

	(void)state;
	config.hypervisor.enable_debug = true;
	expect(&config, FIRST " agent.log_vport=1025");
	config.agent.debug_console_enabled = true;
	expect(&config,
		FIRST " agent.debug_console agent.debug_console_vport=1026 agent.log_vport=1025");
}

static void what_is_plugged_in_is_put_to_use(void **state)
{
#define GROWS FIRST " quiet memhp_default_state=online memory_hotplug.online_policy=auto-movable"
	static const char memory[] = GROWS " swiotlb=noforce agent.log_vport=1025";
	struct config config = {.agent = usual_agent};

	(void)state;
	config.hypervisor.memory_slots = 1;
	expect(&config, memory);
	config.hypervisor.memory_slots = 0;
	config.hypervisor.enable_virtio_mem = true;
	expect(&config, memory);
	config.hypervisor.enable_iommu = true;
	expect(&config, GROWS " intel_iommu=on iommu=pt agent.log_vport=1025");
	config.runtime.static_sandbox_resource_mgmt = true;
	expect(&config, FIRST " quiet intel_iommu=on iommu=pt agent.log_vport=1025");
}

static void the_agents_settings_are_sorted(void **state)
{
	struct config config = {.agent = {.server_port = 2000,
					.log_port = 2001,
					.container_pipe_size = 65536,
					.launch_process_timeout_s = 9,
					.enable_debug = true,
					.debug_console_enabled = true}};

	(void)state;
	config.hypervisor.enable_debug = true;
	expect(&config,
		FIRST " agent.container_pipe_size=65536 agent.debug_console "
		      "agent.debug_console_vport=1026 agent.launch_process_timeout=9 "
		      "agent.log=debug agent.log_vport=2001 agent.server_addr=vsock://-1:2000");
}

static void what_the_kernel_would_cut_is_refused(void **state)
{
	struct config config = {.agent = usual_agent};
	auto_buf struct buf out = BUF_INIT;
	char params[4096];
	size_t room = 2047 - strlen(FIRST " quiet agent.log_vport=1025 ");

	(void)state;
	memset(params, 'x', sizeof(params));
	params[room] = '\0';
	config.hypervisor.kernel_params = params;
	assert_int_equal(kernel_params_format(&config, &out), 0);
	assert_int_equal(buf_len(&out), 2047);
	params[room] = 'x';
	params[room + 1] = '\0';
	buf_clear(&out);
	assert_int_equal(kernel_params_format(&config, &out), -EFBIG);
}

static void no_memory_is_reported(void **state)
{
	struct config config = {.agent = usual_agent};

	(void)state;
	config.hypervisor.kernel_params = (char[]){"a=b"};
	OOM_SWEEP(n)
	{
		auto_buf struct buf out = BUF_INIT;

		oom_arm(n);
		int r = kernel_params_format(&config, &out);
		oom_disarm();
		assert_int_equal(r, oom_has_struck() ? -ENOMEM : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_guest_gets_the_base_only),
		cmocka_unit_test(the_users_parameters_come_last),
		cmocka_unit_test(debugging_opens_the_console),
		cmocka_unit_test(what_is_plugged_in_is_put_to_use),
		cmocka_unit_test(the_agents_settings_are_sorted),
		cmocka_unit_test(what_the_kernel_would_cut_is_refused),
		cmocka_unit_test(no_memory_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
