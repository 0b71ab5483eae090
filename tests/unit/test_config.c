/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include <string.h>

#include "base/buf.h"
#include "config/keys.h"
#include "oom.h"

static struct config *parse(const char *text)
{
	struct config *config = NULL;
	struct err err = ERR_INIT;

	if (config_parse("f", text, strlen(text), &config, &err) < 0)
		fail_msg("%s", err.msg);
	return config;
}

static struct config *load(const char *path)
{
	struct config *config = NULL;
	struct err err = ERR_INIT;

	if (config_load(path, &config, &err) < 0)
		fail_msg("%s", err.msg);
	return config;
}

static void check_defaults(const struct config *c)
{
	const struct config_hypervisor *hv = &c->hypervisor;
	bool upstream = access("/usr/libexec/virtiofsd", F_OK) == 0 ||
			access("/usr/lib/qemu/virtiofsd", F_OK) < 0;

	assert_string_equal(hv->path, "/usr/bin/qemu-system-x86_64");
	assert_string_equal(hv->kernel, KIHON_PREFIX "/share/kata-containers/vmlinux.container");
	assert_string_equal(
		hv->initrd, KIHON_PREFIX "/share/kata-containers/kata-containers-initrd.img");
	assert_string_equal(hv->kernel_params, "");
	assert_string_equal(hv->machine_type, "q35");
	assert_string_equal(hv->virtio_fs_daemon,
		upstream ? "/usr/libexec/virtiofsd" : "/usr/lib/qemu/virtiofsd");
	assert_string_equal(hv->virtio_fs_cache, "auto");
	assert_string_equal(hv->shared_fs, "virtio-fs");
	assert_string_equal(hv->entropy_source, "/dev/urandom");
	assert_true(hv->default_vcpus == 1);
	assert_true(hv->default_maxvcpus >= 1 && hv->default_maxvcpus <= 256);
	assert_int_equal(hv->default_memory_mib, 2048);
	assert_int_equal(hv->virtio_fs_queue_size, 1024);
	assert_false(hv->enable_debug);
	assert_int_equal(c->agent.server_port, 1024);
	assert_int_equal(c->agent.log_port, 1025);
	assert_int_equal(c->agent.dial_timeout_ms, 10);
	assert_int_equal(c->agent.reconnect_timeout_ms, 10000);
	assert_int_equal(c->agent.create_container_timeout_s, 30);
	assert_int_equal(c->agent.health_check_request_timeout_ms, 90000);
	assert_int_equal(c->agent.container_pipe_size, 0);
	assert_string_equal(c->runtime.hypervisor_name, "qemu");
	assert_true(c->runtime.disable_guest_seccomp);
	assert_int_equal(c->n_warnings, 0);
}

static void an_empty_section_gives_the_defaults(void **state)
{
	struct config *c = parse("[hypervisor.qemu]\n");

	(void)state;
	check_defaults(c);
	assert_string_equal(c->file, "f");
	config_free(c);
	/* Empty strings say "the default". */
	c = parse("[hypervisor.qemu]\npath=''\nkernel=''\ninitrd=''\nimage=''\nmachine_type=''\n"
		  "virtio_fs_daemon=''\nvirtio_fs_cache=''\nshared_fs=''\nentropy_source=''\n"
		  "default_vcpus=0\ndefault_maxvcpus=0\n");
	check_defaults(c);
	config_free(c);
}

static void the_file_we_ship_says_what_is_the_default(void **state)
{
	struct config *c = load(BUILD_DIR "/config/configuration.toml");

	(void)state;
	check_defaults(c);
	config_free(c);
}

static void every_key_we_use_arrives(void **state)
{
	struct config *c = parse(
		"[hypervisor.qemu]\npath='/q'\nkernel='/k'\ninitrd='/i'\nkernel_params='a b'\n"
		"machine_accelerators='x=1'\ncpu_features='pmu=off'\nvirtio_fs_daemon='/v'\n"
		"virtio_fs_cache='none'\nseccomp_sandbox='on'\nentropy_source='/dev/random'\n"
		"default_vcpus=1.5\ndefault_maxvcpus=2\ndefault_memory=64\n"
		"virtio_fs_queue_size=512\nenable_debug=true\ndisable_nesting_checks=true\n"
		"[agent.kata]\nenable_debug=true\ndebug_console_enabled=true\nserver_port=1\n"
		"log_port=2\ndial_timeout_ms=30\nreconnect_timeout_ms=20000\n"
		"create_container_timeout=61\nhealth_check_request_timeout_ms=5\n"
		"container_pipe_size=4096\nlaunch_process_timeout=6\n"
		"[runtime]\nhypervisor_name='qemu'\nname='virt_container'\nagent_name='kata'\n"
		"enable_debug=true\ndisable_guest_seccomp=false\nkeep_abnormal=true\n");
	const struct config_hypervisor *hv = &c->hypervisor;
	const struct config_agent *agent = &c->agent;

	(void)state;
	assert_int_equal(c->n_warnings, 0);
	assert_string_equal(hv->path, "/q");
	assert_string_equal(hv->kernel, "/k");
	assert_string_equal(hv->initrd, "/i");
	assert_string_equal(hv->kernel_params, "a b");
	assert_string_equal(hv->machine_accelerators, "x=1");
	assert_string_equal(hv->cpu_features, "pmu=off");
	assert_string_equal(hv->virtio_fs_daemon, "/v");
	assert_string_equal(hv->virtio_fs_cache, "never");
	assert_string_equal(hv->seccomp_sandbox, "on");
	assert_string_equal(hv->entropy_source, "/dev/random");
	assert_true(hv->default_vcpus == 1.5 && hv->default_maxvcpus == 2);
	assert_true(hv->default_memory_mib == 64 && hv->virtio_fs_queue_size == 512);
	assert_true(hv->enable_debug && hv->disable_nesting_checks);
	assert_true(agent->enable_debug && agent->debug_console_enabled);
	assert_true(agent->server_port == 1 && agent->log_port == 2);
	assert_true(agent->dial_timeout_ms == 30 && agent->reconnect_timeout_ms == 20000);
	assert_true(agent->create_container_timeout_s == 61);
	assert_true(agent->health_check_request_timeout_ms == 5);
	assert_true(agent->container_pipe_size == 4096 && agent->launch_process_timeout_s == 6);
	assert_true(c->runtime.enable_debug && c->runtime.keep_abnormal);
	assert_false(c->runtime.disable_guest_seccomp);
	config_free(c);
}

/* Lists, 64 bits, and keys that are stored before anything is done about them. */
static void keys_without_a_feature_arrive_with_a_warning(void **state)
{
	struct config *c = parse("[hypervisor.qemu]\nenable_annotations=['a.*','b']\n"
				 "rx_rate_limiter_max_rate=10000000000\nenable_hugepages=true\n"
				 "block_device_driver='virtio-blk'\noverhead_vcpus=0.5\n"
				 "[agent.kata]\nkernel_modules=['e1000e debug=1']\n"
				 "[runtime]\ninternetworking_model='macvtap'\n"
				 "passfd_listener_port=7\n");

	(void)state;
	assert_int_equal(c->hypervisor.enable_annotations.n, 2);
	assert_string_equal(c->hypervisor.enable_annotations.items[0], "a.*");
	assert_string_equal(c->hypervisor.enable_annotations.items[1], "b");
	assert_true(c->hypervisor.rx_rate_limiter_max_rate == 10000000000);
	assert_true(c->hypervisor.enable_hugepages && c->hypervisor.overhead_vcpus == 0.5);
	assert_string_equal(c->hypervisor.block_device_driver, "virtio-blk-pci");
	assert_string_equal(c->agent.kernel_modules.items[0], "e1000e debug=1");
	assert_string_equal(c->runtime.internetworking_model, "macvtap");
	assert_int_equal(c->agent.passfd_listener_port, 7);
	assert_int_equal(c->n_warnings, 3);
	config_free(c);
}

static void the_go_spellings_are_read_too(void **state)
{
	struct config *c = parse("[hypervisor.qemu]\nseccompsandbox='on'\n"
				 "[agent.kata]\ndial_timeout=45\n"
				 "[runtime]\ncreate_container_timeout=60\n");

	(void)state;
	assert_string_equal(c->hypervisor.seccomp_sandbox, "on");
	assert_int_equal(c->agent.reconnect_timeout_ms, 45000);
	assert_int_equal(c->agent.create_container_timeout_s, 60);
	assert_int_equal(c->n_warnings, 0);
	config_free(c);
}

static void cpu_counts_are_settled(void **state)
{
	static const struct {
		const char *text;
		double vcpus; /* -1: the host's */
		uint32_t max_at_least;
	} rows[] = {
		{"default_vcpus=0", 1, 1},
		{"default_vcpus=2", 2, 2},
		{"default_vcpus=0.5", 0.5, 1},
		{"default_vcpus=200.1", 200.1, 201},
		{"default_vcpus=-1", -1, 1},
		{"default_vcpus=256\ndefault_maxvcpus=1000", 256, 256},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[128];
		struct config *c;

		snprintf(text, sizeof(text), "[hypervisor.qemu]\n%s\n", rows[i].text);
		c = parse(text);
		if (rows[i].vcpus > 0)
			assert_true(c->hypervisor.default_vcpus == rows[i].vcpus);
		else
			assert_true(c->hypervisor.default_vcpus >= 1);
		assert_in_range(c->hypervisor.default_maxvcpus, rows[i].max_at_least, 256);
		config_free(c);
	}
}

static void what_cannot_be_is_refused_with_its_place(void **state)
{
	static const struct {
		const char *text, *msg;
	} rows[] = {
		{"", "f: [hypervisor.qemu] is missing"},
		{"a = ", "f:1:5: unexpected end of the file"},
		{"[hypervisor.clh]", "f:1:13: hypervisor.clh: not supported yet (only qemu)"},
		{"hypervisor = 1", "f: [hypervisor.qemu] is missing"},
		{"[hypervisor]\nqemu = 1",
			"f:2:1: hypervisor.qemu: expected a table, got an integer"},
		{"[hypervisor.qemu]\n[runtime]\nhypervisor_name='clh'",
			"f:3:1: runtime.hypervisor_name: \"clh\" is not supported (only qemu)"},
		{"[hypervisor.qemu]\n[runtime]\nname='x'",
			"f:3:1: runtime.name: not supported yet"},
		{"[hypervisor.qemu]\n[agent]\nkata=[]",
			"f:3:1: agent.kata: expected a table, got an array"},
		{"[hypervisor.qemu]\npath=1",
			"f:2:1: hypervisor.qemu.path: expected a string, got an integer"},
		{"[hypervisor.qemu]\n path='qemu'",
			"f:2:2: hypervisor.qemu.path: \"qemu\" is not an absolute path"},
		{"[hypervisor.qemu]\nimage='/a'\ninitrd='/b'",
			"f:2:1: hypervisor.qemu.image: cannot be set together with initrd"},
		{"[hypervisor.qemu]\nimage='/a'",
			"f:2:1: hypervisor.qemu.image: not supported yet"},
		{"[hypervisor.qemu]\nmachine_type='pc'",
			"f:2:1: hypervisor.qemu.machine_type: \"pc\" is not supported (only q35)"},
		{"[hypervisor.qemu]\nshared_fs='virtio-9p'",
			"f:2:1: hypervisor.qemu.shared_fs: \"virtio-9p\" is not supported "
			"(only virtio-fs)"},
		{"[hypervisor.qemu]\nvirtio_fs_cache='ever'",
			"f:2:1: hypervisor.qemu.virtio_fs_cache: \"ever\" is not supported "
			"(only never|none|auto|always|metadata)"},
		{"[hypervisor.qemu]\nenable_debug='true'",
			"f:2:1: hypervisor.qemu.enable_debug: expected a boolean, got a string"},
		{"[hypervisor.qemu]\ndefault_memory=63",
			"f:2:1: hypervisor.qemu.default_memory: 63 is out of range "
			"(64 to 67108864)"},
		{"[hypervisor.qemu]\ndefault_memory=2048.0",
			"f:2:1: hypervisor.qemu.default_memory: expected an unsigned integer, "
			"got a number with a fraction or exponent"},
		{"[hypervisor.qemu]\ndefault_memory=-1",
			"f:2:1: hypervisor.qemu.default_memory: -1 is out of range "
			"(64 to 67108864)"},
		{"[hypervisor.qemu]\ndefault_vcpus=257",
			"f:2:1: hypervisor.qemu.default_vcpus: 257 is out of range (at most 256)"},
		{"[hypervisor.qemu]\ndefault_vcpus=nan",
			"f:2:1: hypervisor.qemu.default_vcpus: nan is out of range (at most 256)"},
		{"[hypervisor.qemu]\ndefault_vcpus=2.1\ndefault_maxvcpus=2",
			"f:3:1: hypervisor.qemu.default_maxvcpus: 2 is less than default_vcpus"},
		{"[hypervisor.qemu]\nvirtio_fs_queue_size=1000",
			"f:2:1: hypervisor.qemu.virtio_fs_queue_size: 1000 is not a power of two"},
		{"[hypervisor.qemu]\nnetwork_queues=0",
			"f:2:1: hypervisor.qemu.network_queues: 0 is out of range (1 to 256)"},
		{"[hypervisor.qemu]\nmemory_offset=67108865",
			"f:2:1: hypervisor.qemu.memory_offset: 67108865 is out of range "
			"(0 to 67108864)"},
		{"[hypervisor.qemu]\noverhead_vcpus=nan",
			"f:2:1: hypervisor.qemu.overhead_vcpus: nan is out of range (0 to 256)"},
		{"[hypervisor.qemu]\nhot_plug_vfio='port'",
			"f:2:1: hypervisor.qemu.hot_plug_vfio: \"port\" is not supported "
			"(only no-port|root-port|switch-port|bridge-port)"},
		{"[hypervisor.qemu]\nblock_device_logical_sector_size=1000",
			"f:2:1: hypervisor.qemu.block_device_logical_sector_size: "
			"1000 is not a power of two"},
		{"[hypervisor.qemu]\nblock_device_logical_sector_size=256",
			"f:2:1: hypervisor.qemu.block_device_logical_sector_size: "
			"256 is less than 512"},
		{"[hypervisor.qemu]\nblock_device_logical_sector_size=4096\n"
		 "block_device_physical_sector_size=512",
			"f:3:1: hypervisor.qemu.block_device_physical_sector_size: "
			"512 is less than the logical sector size"},
		{"[hypervisor.qemu]\npcie_root_port=1\npcie_switch_port=1",
			"f:3:1: hypervisor.qemu.pcie_switch_port: "
			"cannot be set together with pcie_root_port"},
		{"[hypervisor.qemu]\n[runtime]\ndisable_new_netns=true",
			"f:3:1: runtime.disable_new_netns: "
			"needs internetworking_model = \"none\""},
		{"[hypervisor.qemu]\n[runtime]\ninternetworking_model='l3forwarding'",
			"f:3:1: runtime.internetworking_model: \"l3forwarding\" is not supported "
			"(only tcfilter|macvtap|none)"},
		{"[hypervisor.qemu]\n[agent.kata]\nserver_port=0",
			"f:3:1: agent.kata.server_port: 0 is out of range (1 to 4294967294)"},
		{"[hypervisor.qemu]\n[agent.kata]\nserver_port=1025",
			"f:3:1: agent.kata.server_port: server_port and log_port are both 1025"},
		{"[hypervisor.qemu]\n[agent.kata]\ndial_timeout_ms=0",
			"f:3:1: agent.kata.dial_timeout_ms: 0 is out of range (1 to 4294967295)"},
		{"[hypervisor.qemu]\n[agent.kata]\ndial_timeout_ms=9\nreconnect_timeout_ms=8",
			"f:4:1: agent.kata.reconnect_timeout_ms: 8 is less than "
			"dial_timeout_ms (9)"},
		{"[hypervisor.qemu]\n[agent.kata]\ndial_timeout=0",
			"f:3:1: agent.kata.dial_timeout: 0 is out of range (1 to 4294967)"},
		{"[hypervisor.qemu]\nenable_annotations=['a',1]",
			"f:2:25: hypervisor.qemu.enable_annotations[1]: expected a string, "
			"got an integer"},
		{"[hypervisor.qemu]\nenable_iommu=0",
			"f:2:1: hypervisor.qemu.enable_iommu: expected a boolean, got an integer"},
		{"[hypervisor.qemu]\n[runtime]\nshared_mounts=[1]",
			"f:3:16: runtime.shared_mounts[0]: expected a table, got an integer"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct config *config = NULL;
		struct err err = ERR_INIT;

		if (config_parse("f", rows[i].text, strlen(rows[i].text), &config, &err) == 0)
			fail_msg("accepted: %s", rows[i].text);
		assert_string_equal(err.msg, rows[i].msg);
		assert_null(config);
	}
}

static void what_would_be_unsafe_to_ignore_is_refused(void **state)
{
	static const char *const keys[] = {"[hypervisor.qemu]\nrootless=true",
		"[hypervisor.qemu]\nconfidential_guest=true",
		"[hypervisor.qemu]\nsev_snp_guest=true",
		"[hypervisor.qemu]\ndisable_guest_selinux=false",
		"[hypervisor.qemu]\nfirmware='/x'",
		"[hypervisor.qemu]\nkernel_verity_params='root_hash=1'",
		"[hypervisor.qemu]\n[[hypervisor.qemu.guest_extension_images]]\nname='x'",
		"[hypervisor.qemu]\n[agent.kata]\npolicy='package x'",
		"[hypervisor.qemu]\n[runtime]\nemptydir_mode='block-encrypted'",
		"[hypervisor.qemu]\n[runtime]\nguest_selinux_label='x'"};
	static const char *const harmless = "[hypervisor.qemu]\nrootless=false\n"
					    "confidential_guest=false\nsev_snp_guest=false\n"
					    "disable_guest_selinux=true\nfirmware=''\n"
					    "kernel_verity_params=''\n"
					    "guest_extension_images=[]\n"
					    "[agent.kata]\npolicy=''\n"
					    "[runtime]\nemptydir_mode='shared-fs'\n"
					    "guest_selinux_label=''\n";
	struct config *c = parse(harmless);

	(void)state;
	assert_int_equal(c->n_warnings, 0);
	config_free(c);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		struct err err = ERR_INIT;

		if (config_parse("f", keys[i], strlen(keys[i]), &c, &err) == 0)
			fail_msg("accepted: %s", keys[i]);
		assert_non_null(strstr(err.msg, ": not supported yet"));
	}
}

static void what_has_no_effect_is_warned_about(void **state)
{
	struct config *c =
		parse("x=1\n[hypervisor.qemu]\nenable_numa=true\nhugepages=1\n"
		      "cold_plug_vfio='root-port'\nvirtio_fs_extra_args=['--x']\n"
		      "[hypervisor.clh]\npath=''\n[agent.kata]\nenable_tracing=true\n"
		      "[agent.kata.mem_agent]\nmem_agent_enable=true\n"
		      "[factory]\nvm_cache_number=3\n[netmon]\n[[runtime.shared_mounts]]\n");
	static const char *const expected[] = {
		"f:1:1: x is unknown and has no effect",
		"f:4:1: hypervisor.qemu.hugepages is unknown and has no effect",
		"f:7:13: hypervisor.clh is unknown and has no effect",
		"f:15:2: netmon is unknown and has no effect",
		"f:3:1: hypervisor.qemu.enable_numa is not supported yet and has no effect",
		"f:6:1: hypervisor.qemu.virtio_fs_extra_args is not supported yet and has no "
		"effect",
		"f:5:1: hypervisor.qemu.cold_plug_vfio is not supported yet and has no effect",
		"f:14:1: factory.vm_cache_number is not supported yet and has no effect",
		"f:10:1: agent.kata.enable_tracing is not supported yet and has no effect",
		"f:12:1: agent.kata.mem_agent.mem_agent_enable is not supported yet and has no "
		"effect",
		"f:16:11: runtime.shared_mounts is not supported yet and has no effect",
	};

	(void)state;
	assert_int_equal(c->n_warnings, ARRAY_SIZE(expected));
	assert_null(c->warnings[c->n_warnings]);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		bool found = false;

		for (size_t w = 0; w < c->n_warnings; w++)
			found = found || strcmp(c->warnings[w], expected[i]) == 0;
		if (!found)
			fail_msg("no warning: %s", expected[i]);
	}
	config_free(c);
}

static void what_upstream_ships_passes_without_a_warning(void **state)
{
	static const char *const names[] = {"runtime-rs", "go"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char path[256];
		struct config *c;

		snprintf(path, sizeof(path), "%s/unit/data/qemu-%s.toml", TESTS_DIR, names[i]);
		c = load(path);
		for (size_t w = 0; w < c->n_warnings; w++)
			print_message("%s\n", c->warnings[w]);
		assert_int_equal(c->n_warnings, 0);
		config_free(c);
	}
}

/* Every key that upstream documents, in the section of our driver: none is unknown. */
static void every_key_of_upstream_is_known(void **state)
{
	struct config *c = load(TESTS_DIR "/unit/data/every-key.toml");

	(void)state;
	for (size_t w = 0; w < c->n_warnings; w++)
		fail_msg("%s", c->warnings[w]);
	config_free(c);
}

/* What the references are printed from. */
static void the_table_says_what_each_key_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < SECTION_COUNT; i++)
		for (size_t k = 0; k < key_sections[i]->n_keys; k++) {
			const struct key *key = &key_sections[i]->keys[k];
			const struct key *first = key_find((enum key_section_id)i, key->name);

			if (!key->meaning || !strchr(key->meaning, '.') || first != key)
				fail_msg("%s", key->name);
			assert_true(key->use != KEY_USED || !key->plain);
			assert_true(!key->allowed || key->kind == KEY_STRING);
		}
}

static void warnings_are_limited(void **state)
{
	auto_buf struct buf text = BUF_INIT;
	struct config *c;

	(void)state;
	assert_int_equal(buf_append_str(&text, "[hypervisor.qemu]\n"), 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(buf_printf(&text, "x%d=1\n", i), 0);
	c = parse(buf_str(&text));
	assert_int_equal(c->n_warnings, 64);
	config_free(c);
}

static void every_allocation_may_fail(void **state)
{
	static const char text[] = "x=1\n[hypervisor.qemu]\npath='/q'\nvirtio_fs_cache='none'\n"
				   "enable_numa=true\nvirtio_fs_extra_args=['a','b']\n"
				   "kernel_params='a'\n[agent.kata]\ndial_timeout=3\n";

	(void)state;
	OOM_SWEEP(n)
	{
		struct config *c = NULL;
		struct err err = ERR_INIT;
		int r;

		oom_arm(n);
		r = config_parse("f", text, strlen(text), &c, &err);
		oom_disarm();
		assert_int_equal(r, oom_has_struck() ? -ENOMEM : 0);
		if (r < 0)
			assert_non_null(strstr(err.msg, ": Cannot allocate memory"));
		else
			assert_true(n > 20);
		config_free(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_section_gives_the_defaults),
		cmocka_unit_test(the_file_we_ship_says_what_is_the_default),
		cmocka_unit_test(every_key_we_use_arrives),
		cmocka_unit_test(keys_without_a_feature_arrive_with_a_warning),
		cmocka_unit_test(the_go_spellings_are_read_too),
		cmocka_unit_test(cpu_counts_are_settled),
		cmocka_unit_test(what_cannot_be_is_refused_with_its_place),
		cmocka_unit_test(what_would_be_unsafe_to_ignore_is_refused),
		cmocka_unit_test(what_has_no_effect_is_warned_about),
		cmocka_unit_test(what_upstream_ships_passes_without_a_warning),
		cmocka_unit_test(every_key_of_upstream_is_known),
		cmocka_unit_test(the_table_says_what_each_key_is),
		cmocka_unit_test(warnings_are_limited),
		cmocka_unit_test(every_allocation_may_fail),
	};

	unsetenv("KATA_CONF_FILE");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
