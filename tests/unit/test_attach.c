/* SPDX-License-Identifier: Apache-2.0 */
/* All devices of a request at once: PCI devices for VFIO, SCSI disks; with a sysfs of the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/device/attach.h"
#include "agent/device/s390.h"
#include "agent/device/spec.h"
#include "agent/device/vfio.h"
#include "agent/job.h"
#include "base/clock.h"
#include "base/io.h"
#include "fake_sysfs.h"
#include "linux/uevent.h"
#include "wire/status.h"

#define PCI "devices/pci0000:00/"
#define SCSI_DISK PCI "0000:00:04.0/virtio3/host0/target0:0:1/0:0:1:2/block/sdb"

static struct fake_sysfs sys;
static struct loop *loop;
static struct reaper *reaper;
static struct hotplug hotplug;
static int kernel_fd;

static struct {
	bool done;
	struct err err;
	struct device_set set;
} result;

static char vfio_pci[] = "vfio-pci", guest_kernel[] = "vfio-pci-gk", scsi[] = "scsi", id[] = "id",
	    path[] = "/dev/vfio/33";

int __wrap_uevent_open(void);
int __wrap_uevent_receive(int fd, char buf[static UEVENT_MAX + 1], struct uevent *ret);

int __wrap_uevent_open(void)
{
	int fds[2];

	close_fd(kernel_fd);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
	kernel_fd = fds[1];
	return fds[0];
}

int __wrap_uevent_receive(int fd, char buf[static UEVENT_MAX + 1], struct uevent *ret)
{
	ssize_t n = recv(fd, buf, UEVENT_MAX, 0);

	return n < 0 ? -errno : uevent_parse_message(buf, (size_t)n, ret) == 0;
}

static int set_up(void **state)
{
	(void)state;
	fake_sysfs_init(&sys);
	kernel_fd = -1;
	memset(&result, 0, sizeof(result));
	if (loop_new(&loop) < 0 || reaper_new(loop, &reaper) < 0)
		return -1;
	hotplug_init(&hotplug, loop, sys.dir, 300 * NS_PER_MS);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	device_set_fini(&result.set);
	assert_int_equal(hotplug.n_waits, 0);
	assert_int_equal(job_count(), 0);
	hotplug_fini(&hotplug);
	reaper_free(reaper);
	loop_free(loop);
	close_fd(kernel_fd);
	fake_sysfs_fini(&sys);
	return 0;
}

static void on_done(void *data, struct device_set *found, const struct err *err)
{
	(void)data;
	assert_false(result.done);
	result.done = true;
	if (found)
		result.set = *found;
	if (err)
		result.err = *err;
}

static Grpc__Device request_for(char *type, char **options, size_t n)
{
	Grpc__Device d = GRPC__DEVICE__INIT;

	d.type = type;
	d.id = id;
	d.container_path = path;
	d.options = options;
	d.n_options = n;
	return d;
}

static struct attach *start(Grpc__Device *device)
{
	static Grpc__Device *list[1];
	struct attach_config config = {.hotplug = &hotplug,
		.reaper = reaper,
		.devices = list,
		.n_devices = 1,
		.done = on_done};
	struct err err = ERR_INIT;
	struct attach *a;

	list[0] = device;
	assert_int_equal(attach_start(&config, &a, &err), 0);
	assert_false(result.done);
	return a;
}

static void finish(void)
{
	int64_t deadline_ns = clock_now_ns() + 5 * NS_PER_S;

	while (!result.done && clock_now_ns() < deadline_ns)
		assert_int_equal(loop_run_once(loop, NS_PER_S), 0);
	assert_true(result.done);
}

/* A PCI device that another driver has. */
static void plug_pci(const char *name, const char *group)
{
	char text[256], to[256];

	snprintf(text, sizeof(text), "bus/pci/devices/%s", name);
	snprintf(to, sizeof(to), PCI "%s", name);
	fake_sysfs_dir(&sys, to);
	fake_sysfs_link(&sys, text, to);
	snprintf(text, sizeof(text), PCI "%s/driver_override", name);
	fake_sysfs_file(&sys, text, "");
	snprintf(text, sizeof(text), PCI "%s/driver", name);
	fake_sysfs_link(&sys, text, "bus/pci/drivers/e1000e");
	fake_sysfs_file(&sys, "bus/pci/drivers/e1000e/unbind", "");
	fake_sysfs_file(&sys, "bus/pci/drivers_probe", "");
	if (!group)
		return;
	snprintf(text, sizeof(text), PCI "%s/iommu_group", name);
	snprintf(to, sizeof(to), "kernel/iommu_groups/%s", group);
	fake_sysfs_link(&sys, text, to);
}

static void have_vfio(void)
{
	fake_sysfs_dir(&sys, "bus/pci/drivers/vfio-pci");
	fake_sysfs_file(
		&sys, "devices/virtual/vfio/7/uevent", "MAJOR=243\nMINOR=2\nDEVNAME=vfio/7\n");
}

static void assert_holds(const char *file, const char *text)
{
	struct buf content = BUF_INIT;

	assert_int_equal(io_read_file(sys.fd, file, 4096, &content), 0);
	assert_string_equal(buf_str(&content), text);
	buf_fini(&content);
}

static char first_option[] = "0000:81:00.1=02", second_option[] = "0000:81:00.2=03",
	    no_path[] = "0000:81:00.3=";

static void devices_for_vfio_become_their_group(void **state)
{
	char *options[] = {no_path, first_option, second_option};
	Grpc__Device d = request_for(vfio_pci, options, 3);
	const struct device_update *u;

	(void)state;
	have_vfio();
	plug_pci("0000:00:02.0", "7");
	plug_pci("0000:00:03.0", "7");
	(void)start(&d);
	finish();
	if (err_is_set(&result.err))
		fail_msg("%s", result.err.msg);
	assert_int_equal(result.set.n_updates, 1);
	u = &result.set.updates[0];
	assert_int_equal(u->found.type, 'c');
	assert_int_equal(u->found.major, 243);
	assert_int_equal(u->found.minor, 2);
	assert_string_equal(u->found.node, "/dev/vfio/7");
	assert_int_equal(result.set.n_pairs, 2);
	assert_int_equal(result.set.pairs[0].host.function, 1);
	assert_int_equal(result.set.pairs[0].guest.slot, 2);
	assert_int_equal(result.set.pairs[1].host.function, 2);
	assert_int_equal(result.set.pairs[1].guest.slot, 3);
	assert_holds(PCI "0000:00:02.0/driver_override", "vfio-pci");
	assert_holds(PCI "0000:00:03.0/driver_override", "vfio-pci");
	assert_holds("bus/pci/drivers/e1000e/unbind", "0000:00:03.0");
	assert_holds("bus/pci/drivers_probe", "0000:00:03.0");
}

static void a_device_that_vfio_has_stays_as_it_is(void **state)
{
	struct pci_address a = {.slot = 2};

	(void)state;
	have_vfio();
	plug_pci("0000:00:02.0", "7");
	fake_sysfs_remove(&sys, PCI "0000:00:02.0/driver");
	fake_sysfs_link(&sys, PCI "0000:00:02.0/driver", "bus/pci/drivers/vfio-pci");
	assert_int_equal(vfio_bind(sys.dir, a, NULL), 0);
	assert_holds(PCI "0000:00:02.0/driver_override", "");
	/* Nobody has it. */
	fake_sysfs_remove(&sys, PCI "0000:00:02.0/driver");
	assert_int_equal(vfio_bind(sys.dir, a, NULL), 0);
	assert_holds(PCI "0000:00:02.0/driver_override", "vfio-pci");
	assert_holds("bus/pci/drivers/e1000e/unbind", "");
	a.slot = 9;
	assert_int_equal(vfio_bind(sys.dir, a, NULL), -ENOENT);
}

static void assert_fails(Grpc__Device *d, const char *text)
{
	(void)start(d);
	finish();
	if (!strstr(result.err.msg, text))
		fail_msg("%s", result.err.msg);
	memset(&result, 0, sizeof(result));
}

static void what_vfio_lacks_is_said(void **state)
{
	char *options[] = {first_option, second_option};
	Grpc__Device one = request_for(vfio_pci, options, 1),
		     two = request_for(vfio_pci, options, 2);

	(void)state;
	plug_pci("0000:00:02.0", NULL);
	plug_pci("0000:00:03.0", "8");
	assert_fails(&one, "this guest has no driver vfio-pci");
	have_vfio();
	assert_fails(&one, "PCI device 0000:00:02.0 is in no IOMMU group");
	fake_sysfs_link(&sys, PCI "0000:00:02.0/iommu_group", "kernel/iommu_groups/7");
	assert_fails(&two, "device /dev/vfio/33: its PCI devices are in IOMMU groups 7 and 8");
	fake_sysfs_remove(&sys, "devices/virtual/vfio/7");
	assert_fails(&one, "VFIO group 7 has not appeared");
	fake_sysfs_remove(&sys, PCI "0000:00:03.0");
	assert_fails(&two, "PCI device at PCI path 03 has not appeared");
}

static void what_the_guests_kernel_drives_is_only_waited_for(void **state)
{
	char *options[] = {first_option};
	Grpc__Device d = request_for(guest_kernel, options, 1);

	(void)state;
	plug_pci("0000:00:02.0", NULL);
	(void)start(&d);
	finish();
	assert_false(err_is_set(&result.err));
	assert_int_equal(result.set.n_updates, 0);
	assert_int_equal(result.set.n_pairs, 1);
	assert_holds(PCI "0000:00:02.0/driver_override", "");
}

static void nothing_to_wait_for_is_done_at_once(void **state)
{
	char *options[] = {no_path};
	Grpc__Device d = request_for(vfio_pci, options, 1);

	(void)state;
	assert_null(start(&d));
	assert_false(result.done);
}

static void scsi_hosts_are_made_to_look(void **state)
{
	static char address[] = "1:2";
	static const char event[] = "add@/x\0ACTION=add\0SUBSYSTEM=block\0DEVPATH=/" SCSI_DISK;
	Grpc__Device d = request_for(scsi, NULL, 0);
	int64_t deadline_ns = clock_now_ns() + 5 * NS_PER_S;

	(void)state;
	d.id = address;
	fake_sysfs_file(&sys, "class/scsi_host/host0/scan", "");
	fake_sysfs_file(&sys, "class/scsi_host/host1/scan", "");
	(void)start(&d);
	while (job_count() > 0 && clock_now_ns() < deadline_ns)
		assert_int_equal(loop_run_once(loop, NS_PER_S), 0);
	assert_holds("class/scsi_host/host0/scan", "0 1 2");
	assert_holds("class/scsi_host/host1/scan", "0 1 2");
	assert_false(result.done);
	fake_sysfs_disk(&sys, SCSI_DISK, 8);
	fake_sysfs_link(&sys, "class/scsi_device/0:0:1:2/device",
		PCI "0000:00:04.0/virtio3/host0/target0:0:1/0:0:1:2");
	assert_int_equal(send(kernel_fd, event, sizeof(event), 0), sizeof(event));
	finish();
	assert_false(err_is_set(&result.err));
	assert_string_equal(result.set.updates[0].found.node, "/dev/sdb");
}

static void it_can_be_cancelled_at_any_time(void **state)
{
	static char address[] = "1:2";
	char *options[] = {first_option};
	Grpc__Device disk = request_for(scsi, NULL, 0), pci = request_for(vfio_pci, options, 1);
	int64_t deadline_ns = clock_now_ns() + 5 * NS_PER_S;

	(void)state;
	disk.id = address;
	have_vfio();
	plug_pci("0000:00:02.0", "7");
	attach_cancel(NULL);
	/* While a job scans. */
	attach_cancel(start(&disk));
	for (int rounds = 0; rounds < 6; rounds++) {
		struct attach *a = start(&pci);

		/* Before it has looked, while a job binds, while the group is waited for. */
		for (int i = 0; i < rounds && !result.done; i++)
			assert_int_equal(loop_run_once(loop, 10 * NS_PER_MS), 0);
		if (!result.done)
			attach_cancel(a);
		device_set_fini(&result.set);
		result.done = false;
	}
	while (job_count() > 0 && clock_now_ns() < deadline_ns)
		assert_int_equal(loop_run_once(loop, NS_PER_S), 0);
	assert_false(result.done);
}

static void there_is_a_bound(void **state)
{
	char *options[ATTACH_MAX + 1];
	Grpc__Device d = request_for(vfio_pci, options, ATTACH_MAX + 1), *list[] = {&d};
	struct attach_config config = {.hotplug = &hotplug,
		.reaper = reaper,
		.devices = list,
		.n_devices = 1,
		.done = on_done};
	struct err err = ERR_INIT;
	struct attach *a;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		options[i] = first_option;
	assert_int_equal(attach_start(&config, &a, &err), -E2BIG);
	assert_int_equal(err.status, WIRE_INVALID_ARGUMENT);
	d.n_options--;
	assert_int_equal(attach_start(&config, &a, &err), 0);
	attach_cancel(a);
}

static void options_name_a_device_of_the_host_and_one_of_the_guest(void **state)
{
	static const char *const bad[] = {"", "=", "0000:81:00.1", "0000:81:00.1=02=03", "=02",
		"81:00.1=02", "0000:81:00.1=20", "0000:81:00.1=/", "0000:81:00.12=02",
		"0000:81:00.1 =02"};
	struct pci_address host;
	struct device_want want;

	(void)state;
	assert_int_equal(vfio_parse_option("0001:81:1f.7=02/00", &host, &want, NULL), 1);
	assert_int_equal(host.domain, 1);
	assert_int_equal(host.slot, 0x1f);
	assert_int_equal(want.kind, DEVICE_PCI);
	assert_int_equal(want.pci.n, 2);
	assert_int_equal(vfio_parse_option("0000:81:00.1=", &host, &want, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (vfio_parse_option(bad[i], &host, &want, NULL) != -EINVAL)
			fail_msg("\"%s\" was taken", bad[i]);
}

static void devices_of_s390x_are_known_by_their_form(void **state)
{
	static const char *const ccw[] = {"0.0.0", "0.3.ffff", "0.1.00aB"},
				 *const not_ccw[] = {"", "0.", "1.0.0", "0.4.0", "0.0.",
					 "0.0.12345", "0.0.g", "0.0.1 ", "0.00.1"},
				 *const ap[] = {"00.0000", "fF.01aB"},
				 *const not_ap[] = {"", "0.0000", "000.0000", "00.000", "00.00000",
					 "00-0000", "g0.0000", "00.0000 "};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ccw); i++)
		assert_true(s390_is_ccw(ccw[i]));
	for (size_t i = 0; i < ARRAY_SIZE(not_ccw); i++)
		assert_false(s390_is_ccw(not_ccw[i]));
	for (size_t i = 0; i < ARRAY_SIZE(ap); i++)
		assert_true(s390_is_ap_queue(ap[i]));
	for (size_t i = 0; i < ARRAY_SIZE(not_ap); i++)
		assert_false(s390_is_ap_queue(not_ap[i]));
}

static void a_group_has_the_guests_name_in_the_spec(void **state)
{
	char *options[] = {first_option};
	Grpc__Device d = request_for(vfio_pci, options, 1);
	struct device_update update = {.request = &d,
		.found = {.type = 'c', .major = 243, .minor = 2, .node = "/dev/vfio/7"}};
	struct device_set set = {.updates = &update, .n_updates = 1};
	Grpc__LinuxDevice node = GRPC__LINUX_DEVICE__INIT, *nodes[] = {&node};
	Grpc__Linux l = GRPC__LINUX__INIT;
	struct device_spec spec;

	(void)state;
	node.path = path;
	l.devices = nodes;
	l.n_devices = 1;
	assert_int_equal(device_spec_apply(&set, &l, &spec, NULL), 0);
	assert_string_equal(l.devices[0]->path, "/dev/vfio/7");
	assert_string_equal(l.devices[0]->type, "c");
	assert_string_equal(node.path, "/dev/vfio/33");
	device_spec_fini(&spec);
}

#define attach_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		attach_test(devices_for_vfio_become_their_group),
		attach_test(a_device_that_vfio_has_stays_as_it_is),
		attach_test(what_vfio_lacks_is_said),
		attach_test(what_the_guests_kernel_drives_is_only_waited_for),
		attach_test(nothing_to_wait_for_is_done_at_once),
		attach_test(scsi_hosts_are_made_to_look),
		attach_test(it_can_be_cancelled_at_any_time),
		attach_test(there_is_a_bound),
		cmocka_unit_test(options_name_a_device_of_the_host_and_one_of_the_guest),
		cmocka_unit_test(devices_of_s390x_are_known_by_their_form),
		cmocka_unit_test(a_group_has_the_guests_name_in_the_spec),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
