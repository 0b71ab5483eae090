/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/path.h"
#include "config/annotations.h"
#include "config/guest_params.h"
#include "oom.h"

#define HV "io.katacontainers.config.hypervisor."
#define RUNTIME "io.katacontainers.config.runtime."
#define AGENT "io.katacontainers.config.agent."
#define ALL "[hypervisor.qemu]\nenable_annotations=['.*']\n"

static struct config *parse(const char *text)
{
	struct config *config = NULL;
	struct err err = ERR_INIT;

	if (config_parse("f", text, strlen(text), &config, &err) < 0)
		fail_msg("%s", err.msg);
	return config;
}

/* With one annotation, which is heeded. */
static struct config *annotate(const char *text, const char *key, const char *value)
{
	struct config_annotation a = {key, value};
	struct config *config = parse(text);
	struct err err = ERR_INIT;

	if (config_apply_annotations(config, &a, 1, &err) < 0)
		fail_msg("%s", err.msg);
	return config;
}

static void check_refused(const char *text, const char *key, const char *value, const char *msg)
{
	struct config_annotation a = {key, value};
	struct config *config = parse(text);
	struct err err = ERR_INIT;

	if (config_apply_annotations(config, &a, 1, &err) == 0)
		fail_msg("accepted: %s=%s", key, value);
	if (!strstr(err.msg, msg))
		fail_msg("%s=%s: %s", key, value, err.msg);
	assert_non_null(strstr(err.msg, strrchr(key, '.') + 1));
	config_free(config);
}

static void what_is_enabled_takes_effect(void **state)
{
	static const struct config_annotation list[] = {
		{HV "default_vcpus", "0.5"},
		{HV "default_max_vcpus", "1"},
		{HV "default_memory", "65"},
		{HV "kernel_params", "a=1 b"},
		{HV "virtio_fs_cache", "none"},
		{HV "machine_accelerators", "usb=off,smm=on"},
		{HV "cpu_features", "pmu=off,+x2apic"},
		{HV "block_device_driver", "virtio-blk"},
		{HV "block_device_num_queues", "4"},
		{HV "memory_slots", "0"},
		{RUNTIME "disable_guest_seccomp", "false"},
		{RUNTIME "create_container_timeout", "77"},
		{RUNTIME "internetworking_model", "none"},
		{RUNTIME "sandbox_cgroup_only", "true"},
		{AGENT "container_pipe_size", "4096"},
		{AGENT "cdh_api_timeout_ms", "9"},
		{"io.kubernetes.cri.container-type", "sandbox"},
		{"io.katacontainers.pkg.oci.bundle_path", "/x"},
	};
	struct config *c = parse(ALL);
	struct err err = ERR_INIT;

	(void)state;
	if (config_apply_annotations(c, list, ARRAY_SIZE(list), &err) < 0)
		fail_msg("%s", err.msg);
	for (size_t i = 0; i < c->n_warnings; i++)
		fail_msg("%s", c->warnings[i]);
	assert_true(c->hypervisor.default_vcpus == 0.5 && c->hypervisor.default_maxvcpus == 1);
	assert_int_equal(c->hypervisor.default_memory_mib, 65);
	assert_string_equal(c->hypervisor.kernel_params, "a=1 b");
	assert_string_equal(c->hypervisor.virtio_fs_cache, "never");
	assert_string_equal(c->hypervisor.machine_accelerators, "usb=off,smm=on");
	assert_string_equal(c->hypervisor.cpu_features, "pmu=off,+x2apic");
	assert_string_equal(c->hypervisor.block_device_driver, "virtio-blk-pci");
	assert_int_equal(c->hypervisor.num_queues, 4);
	assert_int_equal(c->hypervisor.memory_slots, 0);
	assert_false(c->runtime.disable_guest_seccomp);
	assert_string_equal(c->runtime.internetworking_model, "none");
	assert_true(c->runtime.sandbox_cgroup_only);
	assert_int_equal(c->agent.create_container_timeout_s, 77);
	assert_int_equal(c->agent.container_pipe_size, 4096);
	assert_int_equal(c->agent.cdh_api_timeout_ms, 9);
	config_free(c);
}

static void what_is_not_heeded_is_named_in_a_warning(void **state)
{
	static const struct {
		const char *text, *key, *value, *what;
	} rows[] = {
		{"[hypervisor.qemu]\n", HV "default_memory", "4096", "is not enabled"},
		{"[hypervisor.qemu]\n", HV "default_memory", "rubbish", "is not enabled"},
		{"[hypervisor.qemu]\n", HV "kernel_params", "init=/x", "is not enabled"},
		{"[hypervisor.qemu]\n", HV "kernel_hash", "00", "is not enabled"},
		{"[hypervisor.qemu]\n", HV "cc_init_data", "AAAA", "is not enabled"},
		{"[hypervisor.qemu]\n", RUNTIME "disable_new_netns", "true", "is not enabled"},
		{"[hypervisor.qemu]\n", RUNTIME "sandbox_cgroup_only", "true", "is not enabled"},
		{"[hypervisor.qemu]\n", HV "", "x", "is unknown"},
		{ALL, HV "no_such_thing", "x", "is unknown"},
		{ALL, "io.katacontainers.config.", "x", "is unknown"},
		{ALL, "io.katacontainers.config.other.x", "x", "is unknown"},
		{ALL, HV "valid_hypervisor_paths", "/", "is unknown"},
		{ALL, HV "enable_annotations", ".*", "is unknown"},
		{ALL, HV "seccomp_sandbox", "off", "is unknown"},
		{ALL, RUNTIME "dan_conf", "/", "is unknown"},
		{ALL, AGENT "debug_console_enabled", "true", "is unknown"},
		{ALL, HV "enable_iommu_platform", "true", "is not supported yet"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct config *c = annotate(rows[i].text, rows[i].key, rows[i].value);

		if (c->n_warnings != 1 || !strstr(c->warnings[0], rows[i].key) ||
			!strstr(c->warnings[0], rows[i].what))
			fail_msg("%s: %s", rows[i].key, c->n_warnings ? c->warnings[0] : "none");
		assert_int_equal(c->hypervisor.default_memory_mib, 2048);
		assert_string_equal(c->hypervisor.kernel_params, "");
		assert_string_equal(c->hypervisor.seccomp_sandbox, "");
		assert_false(c->runtime.disable_new_netns || c->runtime.sandbox_cgroup_only);
		assert_false(c->agent.debug_console_enabled);
		config_free(c);
	}
}

/* CVE-2026-44210, GHSA-7fhf-v3p3-rp56, CVE-2026-50540. */
static void arguments_mounts_and_files_never_come_from_a_pod(void **state)
{
	static const struct config_annotation list[] = {
		{HV "virtio_fs_extra_args", "-o,source=/"},
		{RUNTIME "sandbox_bind_mounts", "/etc:rw"},
		{RUNTIME "shared_mounts", "[]"},
		{"io.katacontainers.config_path", "/tmp/x.toml"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		struct config *c = annotate(ALL, list[i].key, list[i].value);

		assert_int_equal(c->n_warnings, 1);
		assert_non_null(strstr(c->warnings[0], list[i].key));
		assert_non_null(strstr(c->warnings[0], "is never heeded"));
		assert_int_equal(c->hypervisor.virtio_fs_extra_args.n, 0);
		assert_int_equal(c->runtime.sandbox_bind_mounts.n, 0);
		assert_string_equal(c->file, "f");
		config_free(c);
	}
}

static void patterns_are_found_in_any_part_of_the_name(void **state)
{
	static const struct {
		const char *pattern;
		bool found;
	} rows[] = {
		{"kernel_params", true},
		{"^kernel_params$", true},
		{"kernel", true},
		{"params", true},
		{"(kernel|x)_par.*", true},
		{"", true},
		{"kernel_params_", false},
		{"^params", false},
		{"KERNEL", false},
		{"hypervisor", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[128];
		struct config *c;

		snprintf(text, sizeof(text), "[hypervisor.qemu]\nenable_annotations=['%s']\n",
			rows[i].pattern);
		c = annotate(text, HV "kernel_params", "x");
		if (strcmp(c->hypervisor.kernel_params, rows[i].found ? "x" : "") != 0)
			fail_msg("%s", rows[i].pattern);
		config_free(c);
	}
}

static void a_pattern_that_is_none_is_refused_with_the_file(void **state)
{
	static const char *const rows[] = {"(", "a{", "[", "*"};
	char text[512];
	struct config *c = NULL;
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows) - 1; i++) {
		snprintf(text, sizeof(text), "[hypervisor.qemu]\nenable_annotations=['a', '%s']\n",
			rows[i]);
		err = (struct err)ERR_INIT;
		if (config_parse("f", text, strlen(text), &c, &err) == 0)
			fail_msg("accepted: %s", rows[i]);
		assert_non_null(strstr(err.msg, "f:2:26: hypervisor.qemu.enable_annotations[1]: "));
	}
	snprintf(text, sizeof(text), "[hypervisor.qemu]\nenable_annotations=['%0300d']\n", 1);
	err = (struct err)ERR_INIT;
	assert_int_equal(config_parse("f", text, strlen(text), &c, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "longer than 256 bytes"));
}

static void what_is_wrong_is_refused_by_name(void **state)
{
	static const struct {
		const char *key, *value, *msg;
	} rows[] = {
		{HV "default_vcpus", "257", "257 is out of range (at most 256)"},
		{HV "default_vcpus", "-1", "-1 is out of range"},
		{HV "default_vcpus", "nan", "\"nan\" is not a decimal number"},
		{HV "default_vcpus", "0x1", "is not a decimal number"},
		{HV "default_vcpus", "", "is not a decimal number"},
		{HV "default_vcpus", "1.2.3", "is not a decimal number"},
		{HV "default_max_vcpus", "1000000", "is out of range"},
		{HV "default_max_vcpus", "+1", "is not a decimal number"},
		{HV "default_memory", "63", "63 is out of range (64 to"},
		{HV "default_memory", "-64", "is not a size"},
		{HV "default_memory", "99999999999", "is out of range"},
		{HV "default_memory", "9999999999999999999999", "is not a size"},
		{HV "default_memory", "999999999999T", "is out of range"},
		{HV "default_memory", "1Gb", "is not a size"},
		{HV "default_memory", "Gi", "is not a size"},
		{HV "memory_slots", "18446744073709551616", "out of range"},
		{HV "memory_slots", "257", "257 is out of range (0 to 256)"},
		{HV "enable_iommu", "yes", "neither \"true\" nor \"false\""},
		{HV "enable_iommu", "TRUE", "neither \"true\" nor \"false\""},
		{HV "enable_iommu", "", "neither \"true\" nor \"false\""},
		{HV "pcie_root_port", "17", "17 is out of range (0 to 16)"},
		{HV "blk_logical_sector_size", "513", "not a power of two"},
		{HV "machine_type", "pc", "\"pc\" is not supported"},
		{HV "machine_accelerators", "kernel=/etc/shadow", "may not be set"},
		{HV "machine_accelerators", "usb=off,dumpdtb=/x", "\"dumpdtb\" may not be set"},
		{HV "machine_accelerators", "usb=off,,firmware=/x", "may not be set"},
		{HV "machine_accelerators", "smm=on,usb=a=b", "is not an option of a machine"},
		{HV "machine_accelerators", "usb=/x,smm=on", "is not an option of a machine"},
		{HV "cpu_features", "pmu=off -drive", "is not a list of CPU features"},
		{HV "firmware", "/x", "not supported yet"},
		{HV "image_hash", "00", "not supported yet"},
		{HV "cc_init_data", "AAAA", "not supported yet"},
		{HV "rootless", "true", "not supported yet"},
		{RUNTIME "hypervisor_name", "clh", "\"clh\" is not supported"},
		{RUNTIME "name", "wasm", "not supported yet"},
		{RUNTIME "disable_new_netns", "true", "needs internetworking_model"},
		{RUNTIME "create_container_timeout", "0", "0 is out of range"},
		{AGENT "policy", "package x", "not supported yet"},
		{AGENT "kernel_modules", "a\nb", "holds a control character"},
		{AGENT "container_pipe_size", "1048577", "out of range"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check_refused(ALL, rows[i].key, rows[i].value, rows[i].msg);
}

static void a_pod_stays_within_the_configured_maximum(void **state)
{
	static const char text[] = ALL "default_maxmemory=4096\ndefault_maxvcpus=2\n";
	struct config *c = annotate(text, HV "default_memory", "4Gi");

	(void)state;
	assert_int_equal(c->hypervisor.default_memory_mib, 4096);
	config_free(c);
	c = annotate(text, HV "default_vcpus", "2");
	assert_true(c->hypervisor.default_vcpus == 2);
	config_free(c);
	check_refused(text, HV "default_memory", "4097", "4097 is out of range (at most 4096)");
	check_refused(text, HV "default_memory", "4294967297B", "is not a size");
	check_refused(text, HV "default_memory", "4194305Ki", "4097 is out of range");
	{
		struct config_annotation a = {HV "default_vcpus", "2.1"};
		struct err err = ERR_INIT;

		c = parse(text);
		assert_int_equal(config_apply_annotations(c, &a, 1, &err), -EINVAL);
		assert_string_equal(
			err.msg, "annotations: default_maxvcpus: 2 is less than default_vcpus");
		config_free(c);
	}
}

static void long_and_many_values_are_refused(void **state)
{
	static char value[8192];

	(void)state;
	memset(value, 'x', 4097);
	check_refused(ALL, HV "kernel_params", value, "longer than 4096 bytes");
	for (size_t i = 0; i < 65; i++)
		memcpy(&value[2 * i], "m;", 2);
	value[130] = '\0';
	check_refused(ALL, AGENT "kernel_modules", value, "more than 64 elements");
}

/* Paths of the host: a directory with programs, and links into it and out of it. */
struct place {
	char dir[64], text[512];
};

static void place_make(struct place *p)
{
	char path[128];

	snprintf(p->dir, sizeof(p->dir), "/tmp/test_annotations.XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	for (const char *const *name = (const char *const[]){"qemu-a", "qemu-b", "other", "kernel",
		     "kernel-2", NULL};
		*name; name++) {
		snprintf(path, sizeof(path), "%s/%s", p->dir, *name);
		assert_int_equal(io_replace_file(AT_FDCWD, path, 0700, "", 0), 0);
	}
	snprintf(path, sizeof(path), "%s/qemu-link", p->dir);
	assert_int_equal(symlink("other", path), 0);
	snprintf(path, sizeof(path), "%s/to-a", p->dir);
	assert_int_equal(symlink("qemu-a", path), 0);
	snprintf(path, sizeof(path), "%s/kernel-link", p->dir);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	snprintf(p->text, sizeof(p->text),
		ALL "valid_hypervisor_paths=['%s/qemu-[ab]']\nkernel='%s/kernel'\n", p->dir,
		p->dir);
}

static void paths_must_be_listed(void **state)
{
	char path[128], expected[128];
	struct place p;
	struct config *c;

	(void)state;
	place_make(&p);
	/* A link to what is listed is that; a link that is named as listed is not. */
	for (const char *const *name =
			(const char *const[]){"qemu-a", "to-a", "../%s/qemu-a", NULL};
		*name; name++) {
		snprintf(path, sizeof(path), "%s/%s", p.dir,
			strchr(*name, '%') ? "./qemu-a" : *name);
		snprintf(expected, sizeof(expected), "%s/qemu-a", p.dir);
		c = annotate(p.text, HV "path", path);
		assert_string_equal(c->hypervisor.path, expected);
		config_free(c);
	}
	for (const char *const *name = (const char *const[]){"other", "qemu-link", "kernel", NULL};
		*name; name++) {
		snprintf(path, sizeof(path), "%s/%s", p.dir, *name);
		check_refused(p.text, HV "path", path, "is not allowed (the list of valid paths)");
	}
	check_refused(p.text, HV "path", "/bin/sh", "is not allowed");
	check_refused(p.text, HV "path", "qemu-a", "is not an absolute path");
	check_refused(p.text, HV "path", "/nonexistent", "No such file");
	check_refused(p.text, HV "virtio_fs_daemon", "/bin/sh", "is not allowed");
	check_refused(p.text, HV "entropy_source", "/dev/urandom", "is not allowed");
	assert_int_equal(path_remove_tree(AT_FDCWD, p.dir), 0);
}

static void a_guest_comes_from_beside_the_configured_one(void **state)
{
	char path[128];
	struct place p;
	struct config *c;

	(void)state;
	place_make(&p);
	snprintf(path, sizeof(path), "%s/kernel-2", p.dir);
	c = annotate(p.text, HV "kernel", path);
	assert_string_equal(c->hypervisor.kernel, path);
	config_free(c);
	c = annotate(p.text, HV "initrd", path);
	assert_string_equal(c->hypervisor.initrd, path);
	config_free(c);
	snprintf(path, sizeof(path), "%s/kernel-link", p.dir);
	check_refused(p.text, HV "kernel", path, "is not allowed (not beside the kernel)");
	check_refused(p.text, HV "initrd", "/etc/shadow", "is not allowed");
	assert_int_equal(path_remove_tree(AT_FDCWD, p.dir), 0);
}

static void a_path_that_is_not_enabled_is_an_error(void **state)
{
	static const char *const keys[] = {HV "path", HV "kernel", HV "initrd", HV "image",
		HV "firmware", HV "jailer_path", HV "virtio_fs_daemon", HV "vhost_user_store_path",
		HV "entropy_source", HV "file_mem_backend"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		check_refused("[hypervisor.qemu]\nenable_annotations=['vcpus']\n", keys[i],
			"/bin/sh", "names a path and is not enabled");
}

static void kernel_parameters_replace_those_of_their_name(void **state)
{
	static const struct {
		const char *base, *params, *merged;
	} rows[] = {
		{"", "", ""},
		{"a b", "", "a b"},
		{"", " a  b=1 ", "a b=1"},
		{"a=1 b=2 c", "b=3", "a=1 c b=3"},
		{"a=1 a=2", "a", "a"},
		{"a-b=1", "a_b=2", "a_b=2"},
		{"a=\"x y\" c", "c=\"1 2\"", "a=\"x y\" c=\"1 2\""},
		{"ab=1", "a=1", "ab=1 a=1"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_buf struct buf out = BUF_INIT;

		assert_int_equal(guest_params_merge(rows[i].base, rows[i].params, &out), 0);
		assert_string_equal(buf_str(&out), rows[i].merged);
	}
}

static void kernel_parameters_that_turn_the_guest_are_refused(void **state)
{
	static const char *const rows[] = {"root=/dev/vdb", "a root=/dev/vdb", "\"root=/dev/vdb\"",
		"init=/bin/sh", "rdinit=/bin/sh", "dm-mod.create=x", "dm_mod.create=x",
		"dm_mod.waitfor=x", "systemd.unit=rescue.target", "systemd.unit=\"rescue.target\"",
		"agent.debug_console", "agent.debug_console_vport=1", "agent.server_addr=x",
		"panic=0", "reboot=x", "a -- b", "a=\"b", "=1", "\"\"", "a=\302\240init=/bin/sh",
		"a=\177", "kata.extension.x.verity_params=", "rw"};
	static const char *const fine[] = {"a", "rootfoo=1", "xinit=1", "agent.log=debug", "a=init",
		"systemd.unified_cgroup_hierarchy=1", "a=\"x root=1\"", "--a", "panic_on_oops=1"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check_refused(ALL, HV "kernel_params", rows[i], "");
	for (size_t i = 0; i < ARRAY_SIZE(fine); i++) {
		struct config *c = annotate(ALL, HV "kernel_params", fine[i]);

		assert_string_equal(c->hypervisor.kernel_params, fine[i]);
		config_free(c);
	}
}

static void every_allocation_may_fail(void **state)
{
	static const struct config_annotation list[] = {{HV "kernel_params", "a b=2"},
		{HV "entropy_source", "/dev/zero"}, {AGENT "kernel_modules", "a;b"}, {HV "x", ""}};
	static const char text[] = ALL "kernel_params='b=1'\nvalid_entropy_sources=['/dev/ze*']\n";

	(void)state;
	OOM_SWEEP(n)
	{
		struct config *c = parse(text);
		struct err err = ERR_INIT;
		int r;

		oom_arm(n);
		r = config_apply_annotations(c, list, ARRAY_SIZE(list), &err);
		oom_disarm();
		assert_int_equal(r, oom_has_struck() ? -ENOMEM : 0);
		config_free(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_enabled_takes_effect),
		cmocka_unit_test(what_is_not_heeded_is_named_in_a_warning),
		cmocka_unit_test(arguments_mounts_and_files_never_come_from_a_pod),
		cmocka_unit_test(patterns_are_found_in_any_part_of_the_name),
		cmocka_unit_test(a_pattern_that_is_none_is_refused_with_the_file),
		cmocka_unit_test(what_is_wrong_is_refused_by_name),
		cmocka_unit_test(a_pod_stays_within_the_configured_maximum),
		cmocka_unit_test(long_and_many_values_are_refused),
		cmocka_unit_test(paths_must_be_listed),
		cmocka_unit_test(a_guest_comes_from_beside_the_configured_one),
		cmocka_unit_test(a_path_that_is_not_enabled_is_an_error),
		cmocka_unit_test(kernel_parameters_replace_those_of_their_name),
		cmocka_unit_test(kernel_parameters_that_turn_the_guest_are_refused),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
