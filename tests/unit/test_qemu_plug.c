/* SPDX-License-Identifier: Apache-2.0 */
/* Devices plugged into a QEMU that this test plays, line by line. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"
#include "hypervisor/qemu_plug.h"
#include "loop_until.h"
#include "qmp_peer.h"

struct fixture {
	struct loop *loop;
	struct qmp *qmp;
	struct qemu_plug plug;
	struct qmp_peer peer;
	bool is_ready;
	int n_added, n_removed, n_broken;
	struct hypervisor_guest_address address;
	struct err err; /* of the last answer; code 0: success */
};

static void on_ready(void *data)
{
	struct fixture *f = data;

	f->is_ready = true;
}

static void on_event(void *data, const char *name, const struct value *args)
{
	struct fixture *f = data;

	qemu_plug_handle_event(&f->plug, name, args);
}

static void on_closed(void *data, const struct err *why)
{
	struct fixture *f = data;

	(void)why;
	qemu_plug_end(&f->plug);
}

static void on_broken(void *data, const struct err *why)
{
	struct fixture *f = data;

	f->n_broken++;
	f->err = *why;
}

static void on_added(
	void *data, const struct hypervisor_guest_address *address, const struct err *err)
{
	struct fixture *f = data;

	assert_true(!address != !err);
	f->n_added++;
	f->err = err ? *err : (struct err)ERR_INIT;
	if (address)
		f->address = *address;
}

static void on_removed(void *data, const struct err *err)
{
	struct fixture *f = data;

	f->n_removed++;
	f->err = err ? *err : (struct err)ERR_INIT;
}

static const struct qmp_handlers handlers = {on_ready, on_event, on_closed};

static void set_up(struct fixture *f)
{
	*f = (struct fixture){.peer = {.fd = -1}};
	assert_int_equal(loop_new(&f->loop), 0);
	qemu_plug_init(&f->plug, f->loop, on_broken, f);
	f->plug.bus = (struct qemu_bus){.n_bridges = 1};
}

static void run_machine(struct fixture *f)
{
	int fd;

	qmp_peer_open(&f->peer, f->loop, &fd);
	assert_int_equal(qmp_new(f->loop, fd, &handlers, f, &f->qmp), 0);
	qmp_peer_greet(&f->peer);
	assert_true(f->is_ready);
	qemu_plug_start(&f->plug, f->qmp);
}

static void tear_down(struct fixture *f)
{
	qmp_free(f->qmp);
	qemu_plug_fini(&f->plug);
	close_fd(f->peer.fd);
	loop_free(f->loop);
}

static int open_tap(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static int add_net(struct fixture *f, const char *id, struct err *err)
{
	int tap = open_tap(), vhost = open_tap(), r;
	struct hypervisor_net net = {
		.id = id, .tap_fds = &tap, .vhost_fds = &vhost, .n_queues = 1, .mac = {2}};

	r = qemu_plug_add_net(&f->plug, &net, on_added, f, err);
	if (r < 0)
		assert_int_equal(fcntl(tap, F_GETFD) + fcntl(vhost, F_GETFD), -2);
	return r;
}

static int add_disk(struct fixture *f, const char *id, struct err *err)
{
	struct hypervisor_block block = {.id = id};

	block.fd = open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	assert_true(block.fd >= 0);
	return qemu_plug_add_block(&f->plug, &block, on_added, f, err);
}

/* A disk that is there. */
static void plug_disk(struct fixture *f, const char *id)
{
	struct err err = ERR_INIT;

	assert_int_equal(add_disk(f, id, &err), 0);
	qmp_peer_expect(&f->peer, "{\"execute\":\"add-fd\"+");
	qmp_peer_reply(&f->peer);
	qmp_peer_expect(&f->peer, "{\"execute\":\"blockdev-add\"");
	qmp_peer_reply(&f->peer);
	qmp_peer_expect(&f->peer, "{\"execute\":\"device_add\"");
	qmp_peer_reply(&f->peer);
	assert_int_equal(f->err.code, 0);
}

static void expect_disk_released(struct fixture *f)
{
	qmp_peer_expect(&f->peer, "{\"execute\":\"blockdev-del\"");
	qmp_peer_reply(&f->peer);
	qmp_peer_expect(&f->peer, "{\"execute\":\"remove-fd\"");
	qmp_peer_reply(&f->peer);
	qmp_peer_expect_silence(&f->peer);
}

/* ---- Tests ---- */

static void a_network_device_is_plugged_in_step_by_step(void **state)
{
	struct err err = ERR_INIT;
	struct fixture f;

	(void)state;
	set_up(&f);
	run_machine(&f);
	assert_int_equal(add_net(&f, "eth0", &err), 0);
	qmp_peer_expect(&f.peer, "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"net1.0\"}}+");
	qmp_peer_expect_silence(&f.peer);
	qmp_peer_reply(&f.peer);
	qmp_peer_expect(&f.peer, "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"net1.1\"}}+");
	qmp_peer_reply(&f.peer);
	qmp_peer_expect(&f.peer,
		"{\"execute\":\"netdev_add\",\"arguments\":{\"type\":\"tap\",\"id\":\"net1\","
		"\"fds\":\"net1.0\",\"vhost\":true,\"vhostfds\":\"net1.1\"}}");
	qmp_peer_reply(&f.peer);
	qmp_peer_expect(&f.peer,
		"{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"virtio-net-pci\"");
	assert_int_equal(f.n_added, 0);
	qmp_peer_reply(&f.peer);
	assert_int_equal(f.n_added, 1);
	assert_string_equal(f.address.pci, "02/01");
	tear_down(&f);
}

/* Whatever step fails, those before it are undone, and the place is free again. */
static void a_failing_step_undoes_those_before_it(void **state)
{
	static const char *const steps[] = {"getfd", "getfd", "netdev_add", "device_add"};
	static const char *const undos[][3] = {
		{NULL},
		{"closefd", NULL},
		{"closefd", "closefd", NULL},
		{"netdev_del", NULL},
	};

	(void)state;
	for (size_t failing = 0; failing < ARRAY_SIZE(steps); failing++) {
		struct hypervisor_capacity capacity;
		struct err err = ERR_INIT;
		struct fixture f;
		char want[64];

		set_up(&f);
		run_machine(&f);
		assert_int_equal(add_net(&f, "eth0", &err), 0);
		for (size_t i = 0; i <= failing; i++) {
			(void)snprintf(want, sizeof(want), "{\"execute\":\"%s\"%s", steps[i],
				i < 2 ? "+" : "");
			qmp_peer_expect(&f.peer, want);
			if (i < failing)
				qmp_peer_reply(&f.peer);
		}
		qmp_peer_refuse(&f.peer, "GenericError", "no");
		for (const char *const *undo = undos[failing]; *undo; undo++) {
			assert_int_equal(f.n_added, 0);
			(void)snprintf(want, sizeof(want), "{\"execute\":\"%s\"", *undo);
			qmp_peer_expect(&f.peer, want);
			qmp_peer_refuse(&f.peer, "GenericError", "this does not matter");
		}
		qmp_peer_expect_silence(&f.peer);
		assert_int_equal(f.n_added, 1);
		(void)snprintf(
			want, sizeof(want), "device eth0: %s: GenericError: no", steps[failing]);
		assert_string_equal(f.err.msg, want);
		qemu_bus_get_capacity(&f.plug.bus, &capacity);
		assert_int_equal(capacity.pci, 30);
		assert_int_equal(add_net(&f, "eth0", &err), 0);
		tear_down(&f);
	}
}

static void a_disk_is_taken_out_when_the_guest_has_let_it_go(void **state)
{
	struct hypervisor_capacity capacity;
	struct err err = ERR_INIT;
	struct fixture f;

	(void)state;
	set_up(&f);
	run_machine(&f);
	plug_disk(&f, "vol");
	assert_int_equal(qemu_plug_remove(&f.plug, "vol", on_removed, &f, &err), 0);
	assert_int_equal(qemu_plug_remove(&f.plug, "vol", on_removed, &f, &err), -EBUSY);
	qmp_peer_expect(&f.peer, "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"dev-vol\"}}");
	qmp_peer_reply(&f.peer);
	qmp_peer_expect_silence(&f.peer);
	qmp_peer_say(&f.peer,
		"{\"event\": \"DEVICE_DELETED\", \"data\": {\"path\": \"/x/virtio-backend\"}}\n"
		"{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"dev-other\"}}\n");
	qmp_peer_expect_silence(&f.peer);
	qmp_peer_say(
		&f.peer, "{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"dev-vol\"}}\n");
	assert_int_equal(f.n_removed, 0);
	expect_disk_released(&f);
	assert_int_equal(f.n_removed, 1);
	assert_int_equal(f.err.code, 0);
	qemu_bus_get_capacity(&f.plug.bus, &capacity);
	assert_int_equal(capacity.pci, 30);
	err = (struct err)ERR_INIT;
	assert_int_equal(qemu_plug_remove(&f.plug, "vol", on_removed, &f, &err), -ENOENT);
	tear_down(&f);
}

/* The event may come first, the guest may be slow or unwilling, and it may act on its own. */
static void a_guest_may_let_go_early_late_never_or_unasked(void **state)
{
	static const char deleted[] =
		"{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"dev-vol\"}}\n";
	struct err err = ERR_INIT;
	struct fixture f;

	(void)state;
	set_up(&f);
	f.plug.unplug_limit_ns = 20 * NS_PER_MS;
	run_machine(&f);
	plug_disk(&f, "vol");
	assert_int_equal(qemu_plug_remove(&f.plug, "vol", on_removed, &f, &err), 0);
	qmp_peer_expect(&f.peer, "{\"execute\":\"device_del\"");
	qmp_peer_say(&f.peer, deleted);
	qmp_peer_expect_silence(&f.peer);
	qmp_peer_reply(&f.peer);
	expect_disk_released(&f);
	assert_int_equal(f.n_removed, 1);

	plug_disk(&f, "vol");
	assert_int_equal(qemu_plug_remove(&f.plug, "vol", on_removed, &f, &err), 0);
	qmp_peer_expect(&f.peer, "{\"execute\":\"device_del\"");
	qmp_peer_reply(&f.peer);
	loop_until(f.loop, f.n_removed == 2);
	assert_int_equal(f.err.code, ETIMEDOUT);
	assert_int_equal(qemu_plug_remove(&f.plug, "vol", on_removed, &f, &err), 0);
	qmp_peer_expect(&f.peer, "{\"execute\":\"device_del\"");
	qmp_peer_refuse(
		&f.peer, "GenericError", "Device dev-vol is already in the process of unplug");
	assert_int_equal(f.n_removed, 2);
	qmp_peer_say(&f.peer, "{\"event\": \"DEVICE_UNPLUG_GUEST_ERROR\", \"data\": {\"device\": "
			      "\"dev-vol\"}}\n");
	assert_int_equal(f.n_removed, 3);
	assert_int_equal(f.err.code, EBUSY);
	qmp_peer_say(&f.peer, deleted);
	expect_disk_released(&f);
	assert_int_equal(f.n_removed, 3);

	plug_disk(&f, "vol");
	qmp_peer_say(&f.peer, deleted);
	expect_disk_released(&f);
	assert_int_equal(qemu_plug_remove(&f.plug, "vol", on_removed, &f, &err), -ENOENT);
	tear_down(&f);
}

static void a_guest_that_ejects_what_is_being_added_makes_it_fail(void **state)
{
	struct err err = ERR_INIT;
	struct fixture f;

	(void)state;
	set_up(&f);
	run_machine(&f);
	assert_int_equal(add_disk(&f, "vol", &err), 0);
	qmp_peer_expect(&f.peer, "{\"execute\":\"add-fd\"+");
	qmp_peer_reply(&f.peer);
	qmp_peer_expect(&f.peer, "{\"execute\":\"blockdev-add\"");
	qmp_peer_reply(&f.peer);
	qmp_peer_expect(&f.peer, "{\"execute\":\"device_add\"");
	qmp_peer_say(
		&f.peer, "{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"dev-vol\"}}\n");
	qmp_peer_reply(&f.peer);
	expect_disk_released(&f);
	assert_string_equal(f.err.msg, "device vol: device_add: the guest has ejected it");
	tear_down(&f);
}

static void descriptors_of_two_devices_go_one_after_the_other(void **state)
{
	struct err err = ERR_INIT;
	struct fixture f;

	(void)state;
	set_up(&f);
	run_machine(&f);
	assert_int_equal(add_disk(&f, "a", &err), 0);
	assert_int_equal(add_disk(&f, "b", &err), 0);
	qmp_peer_expect(&f.peer, "{\"execute\":\"add-fd\",\"arguments\":{\"fdset-id\":1}}+");
	qmp_peer_expect_silence(&f.peer);
	qmp_peer_reply(&f.peer);
	qmp_peer_expect(&f.peer, "{\"execute\":\"add-fd\",\"arguments\":{\"fdset-id\":2}}+");
	qmp_peer_expect(&f.peer, "{\"execute\":\"blockdev-add\"");
	qmp_peer_expect_silence(&f.peer);
	tear_down(&f);
}

static void what_does_not_fit_is_refused_by_name(void **state)
{
	struct hypervisor_vfio vfio = {.id = "gpu", .bdf = "0000:65:00.0"};
	struct hypervisor_block disk = {.id = "d", .fd = -1, .driver = HYPERVISOR_BLOCK_SCSI};
	struct err err = ERR_INIT;
	struct fixture f;
	char id[8];

	(void)state;
	set_up(&f);
	run_machine(&f);
	for (int i = 0; i < 30; i++) {
		(void)snprintf(id, sizeof(id), "e%d", i);
		assert_int_equal(add_net(&f, id, &err), 0);
	}
	assert_int_equal(add_net(&f, "e3", &err), -EEXIST);
	err = (struct err)ERR_INIT;
	assert_int_equal(add_net(&f, "e30", &err), -ENOSPC);
	assert_string_equal(
		err.msg, "device e30: no room left on the PCI bridges (default_bridges)");
	err = (struct err)ERR_INIT;
	assert_int_equal(qemu_plug_add_vfio(&f.plug, &vfio, on_added, &f, &err), -ENOSPC);
	assert_non_null(strstr(err.msg, "pcie_root_port"));
	err = (struct err)ERR_INIT;
	assert_int_equal(qemu_plug_add_block(&f.plug, &disk, on_added, &f, &err), -ENOSPC);
	assert_non_null(strstr(err.msg, "SCSI"));
	tear_down(&f);
}

static void the_end_of_the_machine_answers_who_waits(void **state)
{
	struct err err = ERR_INIT;
	struct fixture f;

	(void)state;
	set_up(&f);
	run_machine(&f);
	plug_disk(&f, "there");
	assert_int_equal(add_net(&f, "eth0", &err), 0);
	assert_int_equal(qemu_plug_remove(&f.plug, "there", on_removed, &f, &err), 0);
	close(take_fd(&f.peer.fd));
	loop_until(f.loop, f.n_added == 2 && f.n_removed == 1);
	assert_int_equal(f.err.code, ECONNRESET);
	assert_int_equal(add_net(&f, "eth1", &err), -ENOTCONN);
	err = (struct err)ERR_INIT;
	assert_int_equal(qemu_plug_remove(&f.plug, "eth0", on_removed, &f, &err), -ENOTCONN);
	tear_down(&f);
}

static void a_cold_device_is_on_the_command_line(void **state)
{
	struct qemu_args args = QEMU_ARGS_INIT;
	struct err err = ERR_INIT;
	struct fixture f;

	(void)state;
	set_up(&f);
	f.plug.bus.has_scsi = true;
	f.plug.bus.n_root_ports = 1;
	assert_int_equal(add_net(&f, "eth0", &err), 0);
	assert_int_equal(add_disk(&f, "gone", &err), 0);
	assert_int_equal(f.n_added, 0);
	loop_until(f.loop, f.n_added == 2);
	assert_string_equal(f.address.pci, "02/02");
	assert_int_equal(qemu_plug_remove(&f.plug, "gone", on_removed, &f, &err), 0);
	loop_until(f.loop, f.n_removed == 1);
	qemu_plug_write(&f.plug, &args);
	assert_int_equal(qemu_args_finish(&args), 0);
	assert_int_equal(args.n_fds, 2);
	assert_int_equal(args.n_argv, 10);
	assert_string_equal(args.argv[1],
		"pci-bridge,id=pci-bridge-0,bus=pcie.0,addr=02,chassis_nr=1,shpc=off,"
		"io-reserve=4k,mem-reserve=1m,pref64-reserve=1m");
	assert_string_equal(
		args.argv[3], "pcie-root-port,id=rp0,bus=pcie.0,addr=0a,chassis=16,slot=0");
	assert_string_equal(args.argv[5], "virtio-scsi-pci,id=scsi0");
	assert_string_equal(args.argv[7], "tap,id=net1,fds=3,vhost=on,vhostfds=4");
	qemu_args_fini(&args);
	assert_int_equal(add_net(&f, "eth1", &err), -EBUSY);
	err = (struct err)ERR_INIT;
	assert_int_equal(qemu_plug_remove(&f.plug, "eth0", on_removed, &f, &err), -EBUSY);
	run_machine(&f);
	assert_int_equal(qemu_plug_remove(&f.plug, "eth0", on_removed, &f, &err), 0);
	qmp_peer_expect(
		&f.peer, "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"dev-eth0\"}}");
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_network_device_is_plugged_in_step_by_step),
		cmocka_unit_test(a_failing_step_undoes_those_before_it),
		cmocka_unit_test(a_disk_is_taken_out_when_the_guest_has_let_it_go),
		cmocka_unit_test(a_guest_may_let_go_early_late_never_or_unasked),
		cmocka_unit_test(a_guest_that_ejects_what_is_being_added_makes_it_fail),
		cmocka_unit_test(descriptors_of_two_devices_go_one_after_the_other),
		cmocka_unit_test(what_does_not_fit_is_refused_by_name),
		cmocka_unit_test(the_end_of_the_machine_answers_who_waits),
		cmocka_unit_test(a_cold_device_is_on_the_command_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
