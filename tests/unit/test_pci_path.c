/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "agent/device/want.h"
#include "fake_sysfs.h"

#define ROOT "devices/pci0000:00"

static void paths_are_slots_and_functions(void **state)
{
	static const struct {
		const char *text;
		struct pci_path path;
	} rows[] = {
		{"02", {0, 1, {{2, 0}}}},
		{"2", {0, 1, {{2, 0}}}},
		{"1f.7", {0, 1, {{0x1f, 7}}}},
		{"1F", {0, 1, {{0x1f, 0}}}},
		{"02/00", {0, 2, {{2, 0}, {0, 0}}}},
		{"02/01.1/0a", {0, 3, {{2, 0}, {1, 1}, {10, 0}}}},
		{"20/02/00", {0x20, 2, {{2, 0}, {0, 0}}}},
		{"ff/02/00", {0xff, 2, {{2, 0}, {0, 0}}}},
		{"0/1/2/3/4/5/6/7/8/9/a/b/c/d/e/f",
			{0, 16,
				{{0}, {1}, {2}, {3}, {4}, {5}, {6}, {7}, {8}, {9}, {10}, {11}, {12},
					{13}, {14}, {15}}}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pci_path path;

		assert_int_equal(pci_path_parse(rows[i].text, &path), 0);
		assert_memory_equal(&path, &rows[i].path, sizeof(path));
	}
}

static void anything_else_is_no_path(void **state)
{
	static const char *const rows[] = {"", "/", "02/", "/02", "02//00", "20", "20/00", "02/20",
		"002", "02.8", "02.", "02.00", ".1", "-1", "+1", " 2", "2 ", "g", "0x2", "02:00.0",
		"0000:00:02.0", "20.1/02/00", "120/02/00", "1f/2/20", "20/20/00",
		"0/1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/10", "2\n", "\xff"};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pci_path path;

		if (pci_path_parse(rows[i], &path) != -EINVAL)
			fail_msg("\"%s\" was taken for a path", rows[i]);
	}
}

static void addresses_have_all_their_digits(void **state)
{
	static const char *const bad[] = {"", "0000:00:02", "00:02.0", "0000:00:20.0",
		"0000:00:02.8", "0000:00:02.0 ", "00000:00:02.0", "0000:00:2.0", "0000-00:02.0",
		"000g:00:02.0"};
	char text[PCI_ADDRESS_SIZE];
	struct pci_address a;

	(void)state;
	assert_int_equal(pci_address_parse("0001:AB:1f.7", &a), 0);
	assert_int_equal(a.domain, 1);
	assert_int_equal(a.bus, 0xab);
	assert_int_equal(a.slot, 0x1f);
	assert_int_equal(a.function, 7);
	pci_address_format(a, text);
	assert_string_equal(text, "0001:ab:1f.7");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(pci_address_parse(bad[i], &a), -EINVAL);
}

static void assert_resolved(
	struct fake_sysfs *s, const char *text, const char *devpath, const char *address)
{
	char is[PCI_DEVPATH_SIZE], is_address[PCI_ADDRESS_SIZE];
	struct pci_path path;
	struct pci_address a;

	assert_int_equal(pci_path_parse(text, &path), 0);
	assert_int_equal(pci_path_resolve(s->fd, &path, is, &a), 0);
	assert_string_equal(is, devpath);
	pci_address_format(a, is_address);
	assert_string_equal(is_address, address);
}

static int resolve(struct fake_sysfs *s, const char *text)
{
	char is[PCI_DEVPATH_SIZE];
	struct pci_path path;
	struct pci_address a;

	assert_int_equal(pci_path_parse(text, &path), 0);
	return pci_path_resolve(s->fd, &path, is, &a);
}

static void bridges_are_gone_through(void **state)
{
	struct fake_sysfs s;

	(void)state;
	fake_sysfs_init(&s);
	fake_sysfs_dir(&s, ROOT "/0000:00:02.0/pci_bus/0000:03");
	fake_sysfs_dir(&s, ROOT "/0000:00:02.0/0000:03:01.1/pci_bus/0000:04");
	fake_sysfs_dir(&s, ROOT "/0000:00:02.0/0000:03:01.1/0000:04:00.0");
	assert_resolved(&s, "02", ROOT "/0000:00:02.0", "0000:00:02.0");
	assert_resolved(&s, "02/01.1", ROOT "/0000:00:02.0/0000:03:01.1", "0000:03:01.1");
	assert_resolved(
		&s, "02/01.1/00", ROOT "/0000:00:02.0/0000:03:01.1/0000:04:00.0", "0000:04:00.0");
	assert_int_equal(resolve(&s, "03"), -ENOENT);
	assert_int_equal(resolve(&s, "02/02"), -ENOENT);
	/* Not a bridge. */
	assert_int_equal(resolve(&s, "02/01.1/00/00"), -ENOENT);
	/* No such root complex. */
	assert_int_equal(resolve(&s, "20/02/00"), -ENOENT);
	fake_sysfs_fini(&s);
}

static void a_bus_can_be_told_by_what_is_on_it(void **state)
{
	struct fake_sysfs s;

	(void)state;
	fake_sysfs_init(&s);
	fake_sysfs_dir(&s, ROOT "/0000:00:02.0/0000:01:00.0");
	fake_sysfs_dir(&s, ROOT "/0000:00:02.0/0000:01:01.0");
	fake_sysfs_dir(&s, ROOT "/0000:00:02.0/power");
	assert_resolved(&s, "02/01", ROOT "/0000:00:02.0/0000:01:01.0", "0000:01:01.0");
	fake_sysfs_dir(&s, ROOT "/0000:00:02.0/0000:02:00.0");
	assert_int_equal(resolve(&s, "02/01"), -ENOTUNIQ);
	fake_sysfs_dir(&s, ROOT "/0000:00:02.0/pci_bus/0000:02");
	fake_sysfs_dir(&s, ROOT "/0000:00:02.0/pci_bus/power");
	assert_resolved(&s, "02/00", ROOT "/0000:00:02.0/0000:02:00.0", "0000:02:00.0");
	fake_sysfs_dir(&s, ROOT "/0000:00:02.0/pci_bus/0000:01");
	assert_int_equal(resolve(&s, "02/00"), -ENOTUNIQ);
	fake_sysfs_fini(&s);
}

static void further_root_complexes_have_buses_of_their_own(void **state)
{
	struct fake_sysfs s;

	(void)state;
	fake_sysfs_init(&s);
	fake_sysfs_dir(&s, "devices/pci0000:20/0000:20:02.0/pci_bus/0000:21");
	fake_sysfs_dir(&s, "devices/pci0000:20/0000:20:02.0/0000:21:00.0");
	assert_resolved(
		&s, "20/02/00", "devices/pci0000:20/0000:20:02.0/0000:21:00.0", "0000:21:00.0");
	/* As upstream has it. */
	fake_sysfs_dir(&s, "devices/pci0000:40/0000:00:02.0/pci_bus/0000:41");
	fake_sysfs_dir(&s, "devices/pci0000:40/0000:00:02.0/0000:41:00.0");
	assert_resolved(
		&s, "40/02/00", "devices/pci0000:40/0000:00:02.0/0000:41:00.0", "0000:41:00.0");
	fake_sysfs_fini(&s);
}

static void arm_has_its_root_below_a_platform_device(void **state)
{
	struct fake_sysfs s;

	(void)state;
	fake_sysfs_init(&s);
	fake_sysfs_dir(&s, "devices/platform/serial8250");
	fake_sysfs_dir(&s, "devices/platform/4010000000.pcie/pci0000:00/0000:00:02.0");
	assert_resolved(&s, "02", "devices/platform/4010000000.pcie/pci0000:00/0000:00:02.0",
		"0000:00:02.0");
	fake_sysfs_fini(&s);
}

static void wants_are_checked(void **state)
{
	static const char *const
		scsi[] = {"", "1", "1:", ":1", "1:2:3", "a:1", "1:a", "-1:0", "256:0", "0:16384",
			"99999999999:0", " 1:2", "1:2 "},
		*const named[] = {"", "/dev/", "vda", "/dev/../x", "/dev/.", "/dev/a/b", "/devx",
			"/sys/block/vda",
			"/dev/0123456789012345678901234567890123456789012345678901234567890123"};
	struct device_want want;
	char text[DEVICE_TEXT_SIZE];

	(void)state;
	assert_int_equal(device_want_scsi("255:16383", &want, NULL), 0);
	device_want_format(&want, text);
	assert_string_equal(text, "SCSI disk 255:16383");
	assert_int_equal(device_want_named("/dev/pmem0", &want, NULL), 0);
	device_want_format(&want, text);
	assert_string_equal(text, "disk pmem0");
	assert_int_equal(device_want_pci(DEVICE_BLOCK_PCI, "20/2.1/0", &want, NULL), 0);
	device_want_format(&want, text);
	assert_string_equal(text, "virtio-blk device at PCI path 20/02.1/00");
	for (size_t i = 0; i < sizeof(scsi) / sizeof(scsi[0]); i++)
		assert_int_equal(device_want_scsi(scsi[i], &want, NULL), -EINVAL);
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		assert_int_equal(device_want_named(named[i], &want, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_are_slots_and_functions),
		cmocka_unit_test(anything_else_is_no_path),
		cmocka_unit_test(addresses_have_all_their_digits),
		cmocka_unit_test(bridges_are_gone_through),
		cmocka_unit_test(a_bus_can_be_told_by_what_is_on_it),
		cmocka_unit_test(further_root_complexes_have_buses_of_their_own),
		cmocka_unit_test(arm_has_its_root_below_a_platform_device),
		cmocka_unit_test(wants_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
