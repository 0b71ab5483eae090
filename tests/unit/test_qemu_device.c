/* SPDX-License-Identifier: Apache-2.0 */
/* What each kind of device is on QEMU's command line and in QMP, and where there is room for it. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/buf.h"
#include "hypervisor/qemu_device.h"
#include "oom.h"

static const struct qemu_place place = {QEMU_PLACE_BRIDGE, 1, 0x1e};
static const struct qemu_place lun = {QEMU_PLACE_SCSI, 0, 17};
static const struct qemu_block_options no_options = {0};

static int open_null(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* A file below /tmp that has no name any more. */
static int open_file(void)
{
	int fd = open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	return fd;
}

/* All parts in both forms: "OPTION VALUE" and "COMMAND ARGUMENTS", a line each. */
static void expect(struct qemu_parts *parts, const char *options, const char *commands)
{
	auto_buf struct buf o = BUF_INIT, c = BUF_INIT;
	int first_fd = 3;

	for (size_t i = 0; i < parts->n; i++) {
		struct qemu_part *part = &parts->list[i];

		assert_int_equal(buf_printf(&o, "%s ", qemu_part_option(part)), 0);
		assert_int_equal(qemu_part_format(part, first_fd, &o), 0);
		assert_int_equal(buf_append_str(&o, "\n"), 0);
		assert_int_equal(buf_printf(&c, "%s ", qemu_part_command(part)), 0);
		assert_int_equal(qemu_part_encode(part, &c), 0);
		assert_int_equal(buf_append_str(&c, "\n"), 0);
		first_fd += (int)part->n_fds;
	}
	assert_string_equal(buf_str(&o), options);
	assert_string_equal(buf_str(&c), commands);
	qemu_parts_fini(parts);
}

static void expect_undo(const struct qemu_parts *parts, const char *want)
{
	auto_buf struct buf b = BUF_INIT;

	for (size_t i = 0; i < parts->n; i++) {
		assert_int_equal(buf_printf(&b, "%s ", qemu_part_undo_command(&parts->list[i])), 0);
		assert_int_equal(qemu_part_encode_undo(&parts->list[i], &b), 0);
		assert_int_equal(buf_append_str(&b, "\n"), 0);
	}
	assert_string_equal(buf_str(&b), want);
}

static void a_network_device_has_its_taps(void **state)
{
	struct hypervisor_net net = {.id = "eth0",
		.tap_fds = (int[]){open_null()},
		.n_queues = 1,
		.mac = {2, 0, 0xca, 0xfe, 0, 1}};
	struct qemu_parts parts;

	(void)state;
	qemu_device_describe_net(&net, &place, 7, &parts);
	expect_undo(&parts, "netdev_del {\"id\":\"net7\"}\ndevice_del {\"id\":\"dev-eth0\"}\n");
	expect(&parts,
		"-netdev tap,id=net7,fds=3\n"
		"-device virtio-net-pci,id=dev-eth0,bus=pci-bridge-1,addr=1e,netdev=net7,"
		"mac=02:00:ca:fe:00:01,romfile=\n",
		"netdev_add {\"type\":\"tap\",\"id\":\"net7\",\"fds\":\"net7.0\"}\n"
		"device_add "
		"{\"driver\":\"virtio-net-pci\",\"id\":\"dev-eth0\",\"bus\":\"pci-bridge-"
		"1\",\"addr\":\"1e\",\"netdev\":\"net7\",\"mac\":\"02:00:ca:fe:00:01\","
		"\"romfile\":\"\"}\n");
}

static void queues_and_vhost_are_lists_of_descriptors(void **state)
{
	struct hypervisor_net net = {.id = "e",
		.tap_fds = (int[]){open_null(), open_null()},
		.vhost_fds = (int[]){open_null(), open_null()},
		.n_queues = 2,
		.mtu = 1400};
	auto_buf struct buf name = BUF_INIT;
	struct qemu_parts parts;

	(void)state;
	qemu_device_describe_net(&net, &place, 1, &parts);
	assert_int_equal(qemu_part_encode_fd(&parts.list[0], 3, &name), 0);
	assert_string_equal(buf_str(&name), "{\"fdname\":\"net1.3\"}");
	expect(&parts,
		"-netdev tap,id=net1,fds=3:4,vhost=on,vhostfds=5:6\n"
		"-device virtio-net-pci,id=dev-e,bus=pci-bridge-1,addr=1e,netdev=net1,"
		"mac=00:00:00:00:00:00,romfile=,mq=on,vectors=6,host_mtu=1400\n",
		"netdev_add {\"type\":\"tap\",\"id\":\"net1\",\"fds\":\"net1.0:net1.1\",\"vhost\":"
		"true,\"vhostfds\":\"net1.2:net1.3\"}\n"
		"device_add {\"driver\":\"virtio-net-pci\",\"id\":\"dev-e\",\"bus\":\"pci-bridge-"
		"1\",\"addr\":\"1e\",\"netdev\":\"net1\",\"mac\":\"00:00:00:00:00:00\","
		"\"romfile\":\"\",\"mq\":true,\"vectors\":6,\"host_mtu\":1400}\n");
}

static void a_disk_is_a_set_of_one_descriptor_a_node_and_a_device(void **state)
{
	struct hypervisor_block block = {.id = "vol-1", .fd = open_file(), .read_only = true};
	struct qemu_parts parts;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(
		qemu_device_describe_block(&block, &no_options, &place, 9, &parts, &err), 0);
	expect_undo(&parts, "remove-fd {\"fdset-id\":9}\nblockdev-del {\"node-name\":\"drive9\"}\n"
			    "device_del {\"id\":\"dev-vol-1\"}\n");
	expect(&parts,
		"-add-fd fd=3,set=9\n"
		"-blockdev raw,node-name=drive9,read-only=on,discard=ignore,file.driver=file,"
		"file.filename=/dev/fdset/9\n"
		"-device virtio-blk-pci,id=dev-vol-1,bus=pci-bridge-1,addr=1e,drive=drive9\n",
		"add-fd {\"fdset-id\":9}\n"
		"blockdev-add {\"driver\":\"raw\",\"node-name\":\"drive9\",\"read-only\":true,"
		"\"discard\":\"ignore\",\"file\":{\"driver\":\"file\",\"filename\":\"/dev/fdset/"
		"9\"}}\n"
		"device_add {\"driver\":\"virtio-blk-pci\",\"id\":\"dev-vol-1\",\"bus\":\"pci-"
		"bridge-1\",\"addr\":\"1e\",\"drive\":\"drive9\"}\n");
}

static void a_scsi_disk_has_a_target_and_all_options(void **state)
{
	static const struct qemu_block_options options = {
		.aio = "threads", .is_cache_set = true, .cache_direct = true};
	struct hypervisor_block block = {
		.id = "s", .fd = open_file(), .discard = true, .serial = "a,b"};
	struct qemu_parts parts;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(qemu_device_describe_block(&block, &options, &lun, 2, &parts, &err), 0);
	expect(&parts,
		"-add-fd fd=3,set=2\n"
		"-blockdev raw,node-name=drive2,read-only=off,discard=unmap,file.driver=file,"
		"file.filename=/dev/fdset/2,file.aio=threads,file.cache.direct=on,"
		"file.cache.no-flush=off\n"
		"-device scsi-hd,id=dev-s,bus=scsi0.0,scsi-id=0,lun=17,drive=drive2,serial=a,,b\n",
		"add-fd {\"fdset-id\":2}\n"
		"blockdev-add {\"driver\":\"raw\",\"node-name\":\"drive2\",\"read-only\":false,"
		"\"discard\":\"unmap\",\"file\":{\"driver\":\"file\",\"filename\":\"/dev/fdset/2\","
		"\"aio\":\"threads\",\"cache\":{\"direct\":true,\"no-flush\":false}}}\n"
		"device_add {\"driver\":\"scsi-hd\",\"id\":\"dev-s\",\"bus\":\"scsi0.0\",\"scsi-"
		"id\":0,\"lun\":17,\"drive\":\"drive2\",\"serial\":\"a,b\"}\n");
}

static void a_descriptor_that_can_do_more_is_opened_again(void **state)
{
	struct hypervisor_block block = {.id = "d", .fd = open_file(), .read_only = true};
	static const struct qemu_block_options options = {.n_iothreads = 2,
		.n_queues = 4,
		.queue_size = 128,
		.logical_sector_size = 512,
		.physical_sector_size = 4096};
	auto_buf struct buf front = BUF_INIT;
	struct qemu_parts parts;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(qemu_device_describe_block(&block, &options, &place, 3, &parts, &err), 0);
	assert_int_equal(fcntl(parts.list[0].fds[0], F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_int_equal(qemu_part_format(&parts.list[2], 3, &front), 0);
	assert_string_equal(buf_str(&front),
		"virtio-blk-pci,id=dev-d,bus=pci-bridge-1,addr=1e,drive=drive3,"
		"logical_block_size=512,physical_block_size=4096,num-queues=4,queue-size=128,"
		"iothread=iothread1");
	qemu_parts_fini(&parts);
}

static void what_is_no_disk_is_refused_and_closed(void **state)
{
	struct hypervisor_block block = {.id = "x", .fd = open_null()};
	struct err err = ERR_INIT;
	struct qemu_parts parts;

	(void)state;
	assert_int_equal(
		qemu_device_describe_block(&block, &no_options, &place, 1, &parts, &err), -EINVAL);
	assert_string_equal(
		err.msg, "device x: the descriptor is neither a file nor a block device");
	qemu_parts_fini(&parts);
	assert_int_equal(fcntl(block.fd, F_GETFD), -1);
	block = (struct hypervisor_block){.id = "x", .fd = -1, .path = "/dev/null"};
	err = (struct err)ERR_INIT;
	assert_int_equal(
		qemu_device_describe_block(&block, &no_options, &place, 1, &parts, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "/dev/null is neither"));
	block.path = "/nowhere";
	err = (struct err)ERR_INIT;
	assert_int_equal(
		qemu_device_describe_block(&block, &no_options, &place, 1, &parts, &err), -ENOENT);
	assert_string_equal(err.msg, "device x: /nowhere: No such file or directory");
}

static void vhost_user_devices_have_a_socket(void **state)
{
	struct hypervisor_vhost_user_blk blk = {.id = "spdk", .socket = "/run/a,b"};
	struct hypervisor_vhost_user_net net = {.id = "n", .socket = "/run/n", .n_queues = 2};
	struct qemu_parts parts;

	(void)state;
	qemu_device_describe_vhost_user_blk(&blk, &place, 3, &parts);
	expect_undo(
		&parts, "chardev-remove {\"id\":\"char3\"}\ndevice_del {\"id\":\"dev-spdk\"}\n");
	expect(&parts,
		"-chardev socket,id=char3,path=/run/a,,b\n"
		"-device vhost-user-blk-pci,id=dev-spdk,bus=pci-bridge-1,addr=1e,chardev=char3,"
		"num-queues=1\n",
		"chardev-add {\"id\":\"char3\",\"backend\":{\"type\":\"socket\",\"data\":{"
		"\"server\":false,\"addr\":{\"type\":\"unix\",\"data\":{\"path\":\"/run/"
		"a,b\"}}}}}\n"
		"device_add {\"driver\":\"vhost-user-blk-pci\",\"id\":\"dev-spdk\",\"bus\":\"pci-"
		"bridge-1\",\"addr\":\"1e\",\"chardev\":\"char3\",\"num-queues\":1}\n");
	qemu_device_describe_vhost_user_net(&net, &place, 4, &parts);
	assert_int_equal(parts.n, 3);
	qemu_part_fini(&parts.list[0]);
	qemu_part_fini(&parts.list[2]);
	parts.list[0] = parts.list[1];
	parts.n = 1;
	expect(&parts, "-netdev vhost-user,id=net4,chardev=char4,queues=2\n",
		"netdev_add {\"type\":\"vhost-user\",\"id\":\"net4\",\"chardev\":\"char4\","
		"\"queues\":2}\n");
}

static void a_vfio_device_is_named_by_its_address(void **state)
{
	static const char *const bad[] = {"", "65:00.0", "0000:65:00.0,x=1", "0000:65:00.g",
		"0000:65:00,0", "0000:65:00.0 ", "0000:6A:00.0"};
	static const struct qemu_place port = {QEMU_PLACE_ROOT_PORT, 3, 0};
	struct hypervisor_vfio vfio = {.id = "v", .bdf = "0000:65:00.0"};
	struct qemu_parts parts;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(qemu_device_describe_vfio(&vfio, &port, &parts, &err), 0);
	expect(&parts, "-device vfio-pci,id=dev-v,bus=rp3,addr=00,host=0000:65:00.0\n",
		"device_add {\"driver\":\"vfio-pci\",\"id\":\"dev-v\",\"bus\":\"rp3\",\"addr\":"
		"\"00\",\"host\":\"0000:65:00.0\"}\n");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		err = (struct err)ERR_INIT;
		vfio.bdf = bad[i];
		assert_int_equal(qemu_device_describe_vfio(&vfio, &port, &parts, &err), -EINVAL);
		assert_int_equal(parts.n, 0);
	}
}

static void more_descriptors_than_a_part_holds_are_closed(void **state)
{
	struct qemu_part part;
	int fds[QEMU_PART_FDS_MAX + 1];
	auto_buf struct buf out = BUF_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = open_null();
	qemu_part_init(&part, QEMU_PART_NETDEV, "n");
	qemu_part_put_fds(&part, "fds", fds, ARRAY_SIZE(fds));
	assert_int_equal(fcntl(fds[QEMU_PART_FDS_MAX], F_GETFD), -1);
	assert_int_equal(qemu_part_format(&part, 3, &out), -E2BIG);
	assert_int_equal(qemu_part_encode(&part, &out), -E2BIG);
	qemu_part_fini(&part);
	assert_int_equal(fcntl(fds[0], F_GETFD), -1);
}

static void no_memory_is_told_when_it_is_written(void **state)
{
	(void)state;
	OOM_SWEEP(n)
	{
		struct hypervisor_block block = {
			.id = "b", .fd = open_file(), .serial = "s", .discard = true};
		auto_buf struct buf out = BUF_INIT;
		struct qemu_parts parts;
		struct err err = ERR_INIT;
		int r = 0;

		oom_arm(n);
		assert_int_equal(
			qemu_device_describe_block(&block, &no_options, &lun, 2, &parts, &err), 0);
		for (size_t i = 0; i < parts.n && r == 0; i++) {
			r = qemu_part_encode(&parts.list[i], &out);
			if (r == 0)
				r = qemu_part_format(&parts.list[i], 3, &out);
		}
		oom_disarm();
		assert_int_equal(r, oom_has_struck() ? -ENOMEM : 0);
		qemu_parts_fini(&parts);
		assert_int_equal(fcntl(block.fd, F_GETFD), -1);
	}
}

static void the_buses_have_room_for_so_many(void **state)
{
	struct qemu_bus bus = {.n_bridges = 2, .n_root_ports = 1, .has_scsi = true};
	struct hypervisor_capacity capacity;
	struct hypervisor_guest_address address;
	struct qemu_place p = {QEMU_PLACE_NONE, 0, 0}, first;
	char name[QEMU_BUS_NAME_SIZE];

	(void)state;
	qemu_bus_get_capacity(&bus, &capacity);
	assert_int_equal(capacity.pci, 60);
	assert_int_equal(capacity.root_ports, 1);
	assert_int_equal(capacity.scsi, 256);
	assert_int_equal(qemu_bus_take(&bus, QEMU_PLACE_BRIDGE, &first), 0);
	qemu_place_format_address(&first, &address);
	assert_string_equal(address.pci, "02/01");
	assert_string_equal(address.scsi, "");
	for (int i = 1; i < 60; i++)
		assert_int_equal(qemu_bus_take(&bus, QEMU_PLACE_BRIDGE, &p), 0);
	qemu_place_format_address(&p, &address);
	assert_string_equal(address.pci, "03/1e");
	assert_int_equal(qemu_bus_take(&bus, QEMU_PLACE_BRIDGE, &p), -ENOSPC);
	qemu_bus_release(&bus, &first);
	assert_int_equal(qemu_bus_take(&bus, QEMU_PLACE_BRIDGE, &p), 0);
	assert_memory_equal(&p, &first, sizeof(p));

	assert_int_equal(qemu_bus_take(&bus, QEMU_PLACE_ROOT_PORT, &p), 0);
	qemu_place_format_address(&p, &address);
	assert_string_equal(address.pci, "0a/00");
	qemu_place_format_bus(&p, name);
	assert_string_equal(name, "rp0");
	assert_int_equal(qemu_bus_take(&bus, QEMU_PLACE_ROOT_PORT, &p), -ENOSPC);
	for (int i = 0; i < 256; i++)
		assert_int_equal(qemu_bus_take(&bus, QEMU_PLACE_SCSI, &p), 0);
	qemu_place_format_address(&p, &address);
	assert_string_equal(address.scsi, "0:255");
	assert_string_equal(address.pci, "");
	assert_int_equal(qemu_bus_take(&bus, QEMU_PLACE_SCSI, &p), -ENOSPC);
	qemu_bus_get_capacity(&bus, &capacity);
	assert_int_equal(capacity.pci + capacity.root_ports + capacity.scsi, 0);
	qemu_bus_release(&bus, &p);
	bus.has_scsi = false;
	assert_int_equal(qemu_bus_take(&bus, QEMU_PLACE_SCSI, &p), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_network_device_has_its_taps),
		cmocka_unit_test(queues_and_vhost_are_lists_of_descriptors),
		cmocka_unit_test(a_disk_is_a_set_of_one_descriptor_a_node_and_a_device),
		cmocka_unit_test(a_scsi_disk_has_a_target_and_all_options),
		cmocka_unit_test(a_descriptor_that_can_do_more_is_opened_again),
		cmocka_unit_test(what_is_no_disk_is_refused_and_closed),
		cmocka_unit_test(vhost_user_devices_have_a_socket),
		cmocka_unit_test(a_vfio_device_is_named_by_its_address),
		cmocka_unit_test(more_descriptors_than_a_part_holds_are_closed),
		cmocka_unit_test(no_memory_is_told_when_it_is_written),
		cmocka_unit_test(the_buses_have_room_for_so_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
