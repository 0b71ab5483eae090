/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for devices, with a sysfs and a kernel of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/device/hotplug.h"
#include "base/clock.h"
#include "fake_sysfs.h"
#include "linux/uevent.h"
#include "oom.h"
#include "wire/status.h"

#define DISK "devices/pci0000:00/0000:00:02.0/virtio1/block/vda"
#define LOST "lost"

struct result {
	bool done;
	struct err err;
	struct device_found found;
	struct hotplug_wait *wait, *victim;
};

static struct fake_sysfs sys;
static struct loop *loop;
static struct hotplug hotplug;
static int kernel_fd; /* -1: nobody listens */
static bool sysfs_is_readonly;
static unsigned int n_announced;

/* The kernel's side. */
static void send_event(const char *action, const char *subsystem, const char *devpath)
{
	char text[1024];
	int len = snprintf(text, sizeof(text), "%s@/%s%cACTION=%s%cDEVPATH=/%s%cSUBSYSTEM=%s%c",
		action, devpath, 0, action, 0, devpath, 0, subsystem, 0);

	assert_int_equal(send(kernel_fd, text, (size_t)len, 0), len);
}

int __wrap_uevent_open(void);
int __wrap_uevent_receive(int fd, char buf[static UEVENT_MAX + 1], struct uevent *ret);
int __wrap_io_write_file(int dir_fd, const char *path, const char *text);
int __real_io_write_file(int dir_fd, const char *path, const char *text);

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

	if (n < 0)
		return -errno;
	if (n == sizeof(LOST) && memcmp(buf, LOST, sizeof(LOST)) == 0)
		return -ENOBUFS;
	return uevent_parse_message(buf, (size_t)n, ret) == 0;
}

/* As sysfs does: who asks a device to announce itself gets its event. */
int __wrap_io_write_file(int dir_fd, const char *path, const char *text)
{
	char devpath[FAKE_SYSFS_PATH];

	(void)dir_fd;
	assert_string_equal(text, "add");
	snprintf(devpath, sizeof(devpath), "%s", path);
	*strrchr(devpath, '/') = '\0';
	if (sysfs_is_readonly)
		return -EROFS;
	n_announced++;
	send_event("add", "block", devpath);
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	fake_sysfs_init(&sys);
	kernel_fd = -1;
	sysfs_is_readonly = false;
	n_announced = 0;
	assert_int_equal(loop_new(&loop), 0);
	hotplug_init(&hotplug, loop, sys.dir, 50 * NS_PER_MS);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(hotplug.n_waits, 0);
	assert_int_equal(hotplug.events_fd, -1);
	assert_int_equal(hotplug.sys_fd, -1);
	hotplug_fini(&hotplug);
	loop_free(loop);
	close_fd(kernel_fd);
	fake_sysfs_fini(&sys);
	return 0;
}

static void on_done(void *data, const struct device_found *found, const struct err *err)
{
	struct result *r = data;

	assert_false(r->done);
	r->done = true;
	hotplug_wait_free(r->victim);
	if (err)
		r->err = *err;
	else
		r->found = *found;
}

static void start(const struct device_want *want, struct result *ret)
{
	struct err err = ERR_INIT;

	*ret = (struct result){.done = false};
	assert_int_equal(hotplug_wait(&hotplug, want, on_done, ret, &ret->wait, &err), 0);
	assert_false(ret->done);
}

static void finish(struct result *r)
{
	int64_t deadline_ns = clock_now_ns() + 5 * NS_PER_S;

	while (!r->done && clock_now_ns() < deadline_ns)
		assert_int_equal(loop_run_once(loop, NS_PER_S), 0);
	assert_true(r->done);
}

/* Lets what is ready happen. */
static void settle(void)
{
	for (int i = 0; i < 3; i++)
		assert_int_equal(loop_run_once(loop, 0), 0);
}

static struct device_want pci_want(enum device_kind kind, const char *text)
{
	struct device_want want;

	assert_int_equal(device_want_pci(kind, text, &want, NULL), 0);
	return want;
}

static void assert_is_disk(const struct result *r, const char *node, unsigned int major)
{
	assert_false(err_is_set(&r->err));
	assert_int_equal(r->found.type, 'b');
	assert_int_equal(r->found.major, major);
	assert_int_equal(r->found.minor, 16);
	assert_string_equal(r->found.node, node);
}

static void a_disk_that_is_there_announces_itself(void **state)
{
	struct device_want want = pci_want(DEVICE_BLOCK_PCI, "02");
	struct result r;

	(void)state;
	fake_sysfs_disk(&sys, DISK, 254);
	start(&want, &r);
	finish(&r);
	assert_is_disk(&r, "/dev/vda", 254);
	assert_string_equal(r.found.name, "vda");
	assert_int_equal(r.found.address.slot, 2);
	assert_int_equal(n_announced, 1);
}

static void one_that_cannot_be_asked_is_taken_as_it_is(void **state)
{
	struct device_want want = pci_want(DEVICE_BLOCK_PCI, "02");
	struct result r;

	(void)state;
	sysfs_is_readonly = true;
	fake_sysfs_disk(&sys, DISK, 254);
	start(&want, &r);
	finish(&r);
	assert_is_disk(&r, "/dev/vda", 254);
}

static void a_disk_that_comes_is_found(void **state)
{
	struct device_want want = pci_want(DEVICE_BLOCK_PCI, "02");
	struct result r;

	(void)state;
	start(&want, &r);
	settle();
	fake_sysfs_disk(&sys, DISK, 254);
	settle();
	assert_false(r.done);
	send_event("add", "block", DISK);
	finish(&r);
	assert_is_disk(&r, "/dev/vda", 254);
	assert_int_equal(n_announced, 0);
}

/* The listening begins before the looking: what comes in between is not lost. */
static void a_disk_that_comes_before_the_first_look_is_found(void **state)
{
	struct device_want want = pci_want(DEVICE_BLOCK_PCI, "02");
	struct result r;

	(void)state;
	sysfs_is_readonly = true;
	start(&want, &r);
	fake_sysfs_disk(&sys, DISK, 254);
	send_event("add", "block", DISK);
	finish(&r);
	assert_is_disk(&r, "/dev/vda", 254);
}

static void a_disk_behind_a_bridge_that_comes_with_it_is_found(void **state)
{
	struct device_want want = pci_want(DEVICE_BLOCK_PCI, "03/00");
	struct result r;

	(void)state;
	start(&want, &r);
	settle();
	fake_sysfs_dir(&sys, "devices/pci0000:00/0000:00:03.0/pci_bus/0000:01");
	send_event("add", "pci", "devices/pci0000:00/0000:00:03.0");
	settle();
	fake_sysfs_disk(
		&sys, "devices/pci0000:00/0000:00:03.0/0000:01:00.0/virtio4/block/vdc", 253);
	send_event(
		"add", "block", "devices/pci0000:00/0000:00:03.0/0000:01:00.0/virtio4/block/vdc");
	finish(&r);
	assert_is_disk(&r, "/dev/vdc", 253);
	assert_int_equal(r.found.address.bus, 1);
}

static void what_does_not_come_is_given_up(void **state)
{
	struct device_want want = pci_want(DEVICE_BLOCK_PCI, "02/01");
	struct result r;

	(void)state;
	start(&want, &r);
	finish(&r);
	assert_int_equal(r.err.code, ETIMEDOUT);
	assert_string_equal(
		r.err.msg, "virtio-blk device at PCI path 02/01 has not appeared within 50 ms");
}

static void events_of_others_mean_nothing(void **state)
{
	struct device_want want = pci_want(DEVICE_BLOCK_PCI, "02");
	struct result r;

	(void)state;
	start(&want, &r);
	settle();
	fake_sysfs_disk(&sys, DISK, 254);
	fake_sysfs_disk(&sys, "devices/pci0000:00/0000:00:03.0/virtio2/block/vdb", 254);
	send_event("remove", "block", DISK);
	send_event("change", "block", DISK);
	send_event("add", "bdi", DISK);
	send_event("add", "block", DISK "/vda1");
	send_event("add", "block", "devices/pci0000:00/0000:00:03.0/virtio2/block/vdb");
	assert_int_equal(send(kernel_fd, "nonsense", 8, 0), 8);
	finish(&r);
	assert_int_equal(r.err.code, ETIMEDOUT);
}

static void lost_events_make_it_look_again(void **state)
{
	struct device_want want = pci_want(DEVICE_BLOCK_PCI, "02");
	struct result r;

	(void)state;
	start(&want, &r);
	settle();
	fake_sysfs_disk(&sys, DISK, 254);
	assert_int_equal(send(kernel_fd, LOST, sizeof(LOST), 0), sizeof(LOST));
	finish(&r);
	assert_is_disk(&r, "/dev/vda", 254);
	assert_int_equal(n_announced, 1);
}

static void plug_scsi(const char *address, const char *name)
{
	char devpath[256], path[512];

	snprintf(devpath, sizeof(devpath), "devices/pci0000:00/0000:00:04.0/virtio3/host/%s",
		address);
	snprintf(path, sizeof(path), "%s/block/%s", devpath, name);
	fake_sysfs_disk(&sys, path, 8);
	snprintf(path, sizeof(path), "class/scsi_device/%s/device", address);
	fake_sysfs_link(&sys, path, devpath);
}

static void a_scsi_disk_is_known_by_its_address(void **state)
{
	struct device_want want;
	struct result r;

	(void)state;
	plug_scsi("6:0:1:2", "sdb");
	plug_scsi("6:0:2:1", "sdc");
	plug_scsi("6:1:1:2", "sdd");
	assert_int_equal(device_want_scsi("1:2", &want, NULL), 0);
	start(&want, &r);
	finish(&r);
	assert_is_disk(&r, "/dev/sdb", 8);
	/* Which one is meant? */
	plug_scsi("7:0:1:2", "sde");
	start(&want, &r);
	finish(&r);
	assert_int_equal(r.err.code, ENOTUNIQ);
}

static void a_disk_is_known_by_its_name(void **state)
{
	struct device_want want;
	struct result r;

	(void)state;
	assert_int_equal(device_want_named("/dev/pmem0", &want, NULL), 0);
	start(&want, &r);
	settle();
	fake_sysfs_disk(&sys, "devices/LNXSYSTM:00/ndbus0/region0/namespace0.0/block/pmem0", 259);
	send_event("add", "block", "devices/LNXSYSTM:00/ndbus0/region0/namespace0.0/block/pmem0");
	finish(&r);
	assert_is_disk(&r, "/dev/pmem0", 259);
}

static void a_link_out_of_sysfs_is_no_disk(void **state)
{
	struct device_want want;
	struct result r;

	(void)state;
	assert_int_equal(device_want_named("/dev/vdz", &want, NULL), 0);
	fake_sysfs_link(&sys, "block/vdz", "../../proc");
	start(&want, &r);
	finish(&r);
	assert_int_equal(r.err.code, ETIMEDOUT);
}

static void interfaces_and_pci_devices_are_found_as_they_are(void **state)
{
	struct device_want virtio = pci_want(DEVICE_NET_PCI, "05"),
			   plain = pci_want(DEVICE_NET_PCI, "06"), pci = pci_want(DEVICE_PCI, "06"),
			   group;
	struct result r;

	(void)state;
	fake_sysfs_dir(&sys, "devices/pci0000:00/0000:00:05.0/virtio7/net/eth3");
	fake_sysfs_dir(&sys, "devices/pci0000:00/0000:00:06.0/net/ens6");
	fake_sysfs_file(
		&sys, "devices/virtual/vfio/12/uevent", "MAJOR=243\nMINOR=0\nDEVNAME=vfio/12\n");
	start(&virtio, &r);
	finish(&r);
	assert_string_equal(r.found.name, "eth3");
	assert_int_equal(r.found.type, 0);
	start(&plain, &r);
	finish(&r);
	assert_string_equal(r.found.name, "ens6");
	start(&pci, &r);
	finish(&r);
	assert_string_equal(r.found.name, "0000:00:06.0");
	assert_int_equal(r.found.address.slot, 6);
	device_want_vfio_group(12, &group);
	start(&group, &r);
	finish(&r);
	assert_int_equal(r.found.type, 'c');
	assert_string_equal(r.found.node, "/dev/vfio/12");
	assert_int_equal(n_announced, 0);
}

static void a_device_that_sysfs_cannot_describe_is_an_error(void **state)
{
	static const char *const texts[] = {
		"", "DEVNAME=vda\n", "MAJOR=1\nMINOR=1\n", "MAJOR=1\nMINOR=1\nDEVNAME=../vda\n"};
	struct device_want want = pci_want(DEVICE_BLOCK_PCI, "02");
	struct result r;

	(void)state;
	fake_sysfs_disk(&sys, DISK, 254);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		fake_sysfs_file(&sys, DISK "/uevent", texts[i]);
		start(&want, &r);
		finish(&r);
		assert_true(err_is_set(&r.err));
		assert_int_not_equal(r.err.code, ETIMEDOUT);
	}
}

static void many_wait_at_once_and_may_give_up(void **state)
{
	struct device_want want = pci_want(DEVICE_BLOCK_PCI, "02"),
			   other = pci_want(DEVICE_BLOCK_PCI, "03");
	struct result first, second, third;

	(void)state;
	start(&want, &first);
	start(&want, &second);
	start(&other, &third);
	/* Whichever is told first frees another, which must not be told any more. */
	first.victim = third.wait;
	settle();
	fake_sysfs_disk(&sys, DISK, 254);
	fake_sysfs_disk(&sys, "devices/pci0000:00/0000:00:03.0/virtio2/block/vdb", 254);
	send_event("add", "block", DISK);
	finish(&first);
	finish(&second);
	assert_is_disk(&first, "/dev/vda", 254);
	assert_is_disk(&second, "/dev/vda", 254);
	assert_false(third.done);
	/* Given up before it has looked. */
	start(&want, &third);
	hotplug_wait_free(third.wait);
	settle();
	assert_false(third.done);
	hotplug_wait_free(NULL);
}

static void there_is_a_bound(void **state)
{
	struct device_want want = pci_want(DEVICE_BLOCK_PCI, "02");
	static struct hotplug_wait *waits[HOTPLUG_WAITS_MAX];
	struct hotplug_wait *one;
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < HOTPLUG_WAITS_MAX; i++)
		assert_int_equal(hotplug_wait(&hotplug, &want, on_done, NULL, &waits[i], NULL), 0);
	assert_int_equal(hotplug_wait(&hotplug, &want, on_done, NULL, &one, &err), -EBUSY);
	assert_int_equal(err.status, WIRE_RESOURCE_EXHAUSTED);
	for (size_t i = 0; i < HOTPLUG_WAITS_MAX; i++)
		hotplug_wait_free(waits[i]);
}

static void no_memory_and_no_sysfs_are_errors(void **state)
{
	struct device_want want = pci_want(DEVICE_BLOCK_PCI, "02");
	struct result r = {.done = false};
	int status;

	(void)state;
	OOM_SWEEP(n)
	{
		oom_arm(n);
		status = hotplug_wait(&hotplug, &want, on_done, &r, &r.wait, NULL);
		oom_disarm();
		if (status == 0)
			hotplug_wait_free(r.wait);
		else
			assert_int_equal(status, -ENOMEM);
		assert_int_equal(hotplug.n_waits, 0);
	}
	hotplug.sys_dir = "/nowhere";
	assert_int_equal(hotplug_wait(&hotplug, &want, on_done, &r, &r.wait, NULL), -ENOENT);
}

#define hotplug_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		hotplug_test(a_disk_that_is_there_announces_itself),
		hotplug_test(one_that_cannot_be_asked_is_taken_as_it_is),
		hotplug_test(a_disk_that_comes_is_found),
		hotplug_test(a_disk_that_comes_before_the_first_look_is_found),
		hotplug_test(a_disk_behind_a_bridge_that_comes_with_it_is_found),
		hotplug_test(what_does_not_come_is_given_up),
		hotplug_test(events_of_others_mean_nothing),
		hotplug_test(lost_events_make_it_look_again),
		hotplug_test(a_scsi_disk_is_known_by_its_address),
		hotplug_test(a_disk_is_known_by_its_name),
		hotplug_test(a_link_out_of_sysfs_is_no_disk),
		hotplug_test(interfaces_and_pci_devices_are_found_as_they_are),
		hotplug_test(a_device_that_sysfs_cannot_describe_is_an_error),
		hotplug_test(many_wait_at_once_and_may_give_up),
		hotplug_test(there_is_a_bound),
		hotplug_test(no_memory_and_no_sysfs_are_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
