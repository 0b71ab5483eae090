/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "hypervisor/virtiofsd.h"
#include "oom.h"

static void expect(const char *program, const char *dir, const char *cache, const char *want)
{
	auto_buf struct buf line = BUF_INIT;
	struct virtiofsd_args args;
	struct err err = ERR_INIT;

	assert_int_equal(virtiofsd_args_init(&args, program, dir, cache, &err), 0);
	for (size_t i = 0; args.argv[i]; i++)
		assert_int_equal(buf_printf(&line, "%s%s", i > 0 ? " " : "", args.argv[i]), 0);
	assert_string_equal(buf_str(&line), want);
	virtiofsd_args_fini(&args);
}

static void the_c_daemon_takes_options_by_o(void **state)
{
	(void)state;
	expect("/usr/lib/qemu/virtiofsd", "/run/kata/a/shared", "auto",
		"/usr/lib/qemu/virtiofsd --fd=3 -o source=/run/kata/a/shared -o cache=auto -o "
		"sandbox=namespace,announce_submounts,xattr,log_level=warn");
	expect("/usr/lib/qemu/virtiofsd", "/a,b\\c", "never",
		"/usr/lib/qemu/virtiofsd --fd=3 -o source=/a\\,b\\\\c -o cache=none -o "
		"sandbox=namespace,announce_submounts,xattr,log_level=warn");
}

static void the_rust_daemon_takes_long_options(void **state)
{
	(void)state;
	expect("/usr/libexec/virtiofsd", "/run/a,b", "auto",
		"/usr/libexec/virtiofsd --fd=3 --shared-dir=/run/a,b --cache=auto "
		"--sandbox=namespace --announce-submounts --xattr --log-level=warn");
	expect("/usr/libexec/virtiofsd", "/s", "metadata",
		"/usr/libexec/virtiofsd --fd=3 --shared-dir=/s --cache=metadata "
		"--sandbox=namespace --announce-submounts --xattr --log-level=warn");
}

static void daemons_are_told_apart_by_their_folder(void **state)
{
	(void)state;
	assert_true(virtiofsd_is_qemus("/usr/lib/qemu/virtiofsd"));
	assert_true(virtiofsd_is_qemus("/usr/lib64/qemu/virtiofsd"));
	assert_false(virtiofsd_is_qemus("/usr/libexec/virtiofsd"));
	assert_false(virtiofsd_is_qemus("/opt/qemu/virtiofsd/virtiofsd"));
	assert_false(virtiofsd_is_qemus("/usr/lib/myqemu/virtiofsd"));
	assert_false(virtiofsd_is_qemus("virtiofsd"));
	assert_false(virtiofsd_is_qemus(""));
}

static void cache_modes_are_translated_or_refused(void **state)
{
	static const struct {
		const char *program, *cache, *arg;
	} rows[] = {
		{"/usr/lib/qemu/virtiofsd", "never", "cache=none"},
		{"/usr/lib/qemu/virtiofsd", "none", "cache=none"},
		{"/usr/lib/qemu/virtiofsd", "always", "cache=always"},
		{"/usr/lib/qemu/virtiofsd", "metadata", NULL},
		{"/usr/lib/qemu/virtiofsd", "", NULL},
		{"/usr/lib/qemu/virtiofsd", "auto,source=/", NULL},
		{"/v", "none", "--cache=never"},
		{"/v", "always", "--cache=always"},
		{"/v", "AUTO", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct virtiofsd_args args;
		struct err err = ERR_INIT;
		bool found = false;
		int r = virtiofsd_args_init(&args, rows[i].program, "/s", rows[i].cache, &err);

		assert_int_equal(r, rows[i].arg ? 0 : -EINVAL);
		if (r < 0) {
			assert_non_null(strstr(err.msg, "hypervisor.qemu.virtio_fs_cache"));
			continue;
		}
		for (size_t j = 0; args.argv[j]; j++)
			found |= strcmp(args.argv[j], rows[i].arg) == 0;
		assert_true(found);
		virtiofsd_args_fini(&args);
	}
}

static void no_memory_is_reported(void **state)
{
	(void)state;
	OOM_SWEEP(n)
	{
		struct virtiofsd_args args;
		struct err err = ERR_INIT;

		oom_arm(n);
		int r = virtiofsd_args_init(&args, "/usr/lib/qemu/virtiofsd", "/s", "auto", &err);
		oom_disarm();
		assert_int_equal(r, oom_has_struck() ? -ENOMEM : 0);
		if (r == 0)
			virtiofsd_args_fini(&args);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_c_daemon_takes_options_by_o),
		cmocka_unit_test(the_rust_daemon_takes_long_options),
		cmocka_unit_test(daemons_are_told_apart_by_their_folder),
		cmocka_unit_test(cache_modes_are_translated_or_refused),
		cmocka_unit_test(no_memory_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
