/* SPDX-License-Identifier: Apache-2.0 */
/* Devices plugged into a QEMU that this test plays, line by line. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"
#include "hypervisor/qemu_plug.h"
#include "loop_until.h"

struct fixture {
	struct loop *loop;
	struct qmp *qmp;
	struct qemu_plug plug;
	int fd; /* QEMU's end */
	uint64_t last_id;
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
	*f = (struct fixture){.fd = -1};
	assert_int_equal(loop_new(&f->loop), 0);
	qemu_plug_init(&f->plug, f->loop, on_broken, f);
	f->plug.bus = (struct qemu_bus){.n_bridges = 1};
}

static void say(struct fixture *f, const char *text)
{
	assert_int_equal(send(f->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	assert_int_equal(loop_run_once(f->loop, 0), 0);
}

/* The next command, without its id, and whether an fd came with it. */
static bool hear(struct fixture *f, char text[static 512])
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {.iov_len = 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.space};
	bool has_fd = false;
	char line[512], *id;
	size_t len = 0;
	int fd;

	for (; len == 0 || line[len - 1] != '\n'; len++) {
		assert_true(len + 1 < sizeof(line));
		iov.iov_base = &line[len];
		m.msg_controllen = sizeof(control.space);
		if (recvmsg(f->fd, &m, MSG_CMSG_CLOEXEC) != 1)
			fail_msg("nothing more was asked");
		if (m.msg_controllen == 0)
			continue;
		assert_int_equal(len, 0); /* with the first byte */
		memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
		close(fd);
		has_fd = true;
	}
	line[len - 1] = '\0';
	id = strstr(line, ",\"id\":");
	assert_non_null(id);
	f->last_id = strtoull(id + 6, NULL, 10);
	(void)snprintf(text, 512, "%.*s%s", (int)(id - line), line,
		strchr(id + 1, ',') ? strchr(id + 1, ',') : "}");
	return has_fd;
}

static void expect(struct fixture *f, const char *want)
{
	char text[512];

	/* What ends in a plus sign carries a descriptor. */
	bool has_fd = hear(f, text);
	size_t len = strlen(want);

	assert_int_equal(has_fd, want[len - 1] == '+');
	assert_true(strlen(text) >= len - has_fd);
	if (strncmp(text, want, len - has_fd) != 0)
		fail_msg("heard %s, wanted %s", text, want);
}

static void expect_silence(struct fixture *f)
{
	char c;

	assert_int_equal(recv(f->fd, &c, 1, 0), -1);
}

static void reply(struct fixture *f)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "{\"return\": {}, \"id\": %llu}\n",
		(unsigned long long)f->last_id);
	say(f, text);
}

static void refuse(struct fixture *f, const char *class, const char *desc)
{
	char text[256];

	(void)snprintf(text, sizeof(text),
		"{\"error\": {\"class\": \"%s\", \"desc\": \"%s\"}, \"id\": %llu}\n", class, desc,
		(unsigned long long)f->last_id);
	say(f, text);
}

static void run_machine(struct fixture *f)
{
	int fds[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
	f->fd = fds[1];
	assert_int_equal(qmp_new(f->loop, fds[0], &handlers, f, &f->qmp), 0);
	say(f, "{\"QMP\": {}}\n");
	expect(f, "{\"execute\":\"qmp_capabilities\"}");
	reply(f);
	assert_true(f->is_ready);
	qemu_plug_start(&f->plug, f->qmp);
}

static void tear_down(struct fixture *f)
{
	qmp_free(f->qmp);
	qemu_plug_fini(&f->plug);
	close_fd(f->fd);
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
	expect(f, "{\"execute\":\"add-fd\"+");
	reply(f);
	expect(f, "{\"execute\":\"blockdev-add\"");
	reply(f);
	expect(f, "{\"execute\":\"device_add\"");
	reply(f);
	assert_int_equal(f->err.code, 0);
}

static void expect_disk_released(struct fixture *f)
{
	expect(f, "{\"execute\":\"blockdev-del\"");
	reply(f);
	expect(f, "{\"execute\":\"remove-fd\"");
	reply(f);
	expect_silence(f);
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
	expect(&f, "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"net1.0\"}}+");
	expect_silence(&f);
	reply(&f);
	expect(&f, "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"net1.1\"}}+");
	reply(&f);
	expect(&f, "{\"execute\":\"netdev_add\",\"arguments\":{\"type\":\"tap\",\"id\":\"net1\","
		   "\"fds\":\"net1.0\",\"vhost\":true,\"vhostfds\":\"net1.1\"}}");
	reply(&f);
	expect(&f, "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"virtio-net-pci\"");
	assert_int_equal(f.n_added, 0);
	reply(&f);
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
			expect(&f, want);
			if (i < failing)
				reply(&f);
		}
		refuse(&f, "GenericError", "no");
		for (const char *const *undo = undos[failing]; *undo; undo++) {
			assert_int_equal(f.n_added, 0);
			(void)snprintf(want, sizeof(want), "{\"execute\":\"%s\"", *undo);
			expect(&f, want);
			refuse(&f, "GenericError", "this does not matter");
		}
		expect_silence(&f);
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
	expect(&f, "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"dev-vol\"}}");
	reply(&f);
	expect_silence(&f);
	say(&f, "{\"event\": \"DEVICE_DELETED\", \"data\": {\"path\": \"/x/virtio-backend\"}}\n"
		"{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"dev-other\"}}\n");
	expect_silence(&f);
	say(&f, "{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"dev-vol\"}}\n");
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
	expect(&f, "{\"execute\":\"device_del\"");
	say(&f, deleted);
	expect_silence(&f);
	reply(&f);
	expect_disk_released(&f);
	assert_int_equal(f.n_removed, 1);

	plug_disk(&f, "vol");
	assert_int_equal(qemu_plug_remove(&f.plug, "vol", on_removed, &f, &err), 0);
	expect(&f, "{\"execute\":\"device_del\"");
	reply(&f);
	loop_until(f.loop, f.n_removed == 2);
	assert_int_equal(f.err.code, ETIMEDOUT);
	assert_int_equal(qemu_plug_remove(&f.plug, "vol", on_removed, &f, &err), 0);
	expect(&f, "{\"execute\":\"device_del\"");
	refuse(&f, "GenericError", "Device dev-vol is already in the process of unplug");
	assert_int_equal(f.n_removed, 2);
	say(&f, "{\"event\": \"DEVICE_UNPLUG_GUEST_ERROR\", \"data\": {\"device\": "
		"\"dev-vol\"}}\n");
	assert_int_equal(f.n_removed, 3);
	assert_int_equal(f.err.code, EBUSY);
	say(&f, deleted);
	expect_disk_released(&f);
	assert_int_equal(f.n_removed, 3);

	plug_disk(&f, "vol");
	say(&f, deleted);
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
	expect(&f, "{\"execute\":\"add-fd\"+");
	reply(&f);
	expect(&f, "{\"execute\":\"blockdev-add\"");
	reply(&f);
	expect(&f, "{\"execute\":\"device_add\"");
	say(&f, "{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"dev-vol\"}}\n");
	reply(&f);
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
	expect(&f, "{\"execute\":\"add-fd\",\"arguments\":{\"fdset-id\":1}}+");
	expect_silence(&f);
	reply(&f);
	expect(&f, "{\"execute\":\"add-fd\",\"arguments\":{\"fdset-id\":2}}+");
	expect(&f, "{\"execute\":\"blockdev-add\"");
	expect_silence(&f);
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
	close(take_fd(&f.fd));
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
	expect(&f, "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"dev-eth0\"}}");
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
