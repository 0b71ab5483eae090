/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every kind of device that this machine can serve, with a real QEMU, which alone can say whether an
 * option or a command is one. There is no guest: what needs one is in tests/e2e.
 */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/io.h"
#include "hypervisor/local_socket.h"
#include "hypervisor/process.h"
#include "hypervisor/qemu_plug.h"
#include "hypervisor/qemu_resize.h"
#include "loop_until.h"

static const char program[] = "/usr/bin/qemu-system-x86_64";

struct fixture {
	struct loop *loop;
	struct process process;
	struct qmp *qmp;
	struct qemu_plug plug;
	struct qemu_resize resize;
	uint64_t vcpus, mib;
	bool is_ready, is_over;
	int n_added, n_removed;
	struct err err; /* of the last answer */
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
	(void)data;
	fail_msg("%s", why->msg);
}

static void on_exit_process(void *data, struct process *p, int status, const struct err *why)
{
	struct fixture *f = data;

	(void)p;
	f->is_over = true;
	if (status != 0)
		fail_msg("%s", why->msg);
}

static void on_added(
	void *data, const struct hypervisor_guest_address *address, const struct err *err)
{
	struct fixture *f = data;

	(void)address;
	f->n_added++;
	if (err)
		fail_msg("%s", err->msg);
}

static void on_removed(void *data, const struct err *err)
{
	struct fixture *f = data;

	f->n_removed++;
	f->err = err ? *err : (struct err)ERR_INIT;
}

static void on_vcpus(void *data, uint64_t n, const struct err *err)
{
	struct fixture *f = data;

	f->vcpus = n;
	if (err)
		fail_msg("%s", err->msg);
}

static void on_memory(void *data, uint64_t n, const struct err *err)
{
	struct fixture *f = data;

	f->mib = n;
	if (err)
		fail_msg("%s", err->msg);
}

static int note_process(void *data, const char *role, pid_t pid, uint64_t start_time)
{
	(void)data, (void)role, (void)pid, (void)start_time;
	return 0;
}

/* A tap device with so many queues, which goes with the last of its fds; -1: none can be made here. */
static int open_taps(int *fds, int n)
{
	struct ifreq ifr = {
		.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE)};

	for (int i = 0; i < n; i++) {
		fds[i] = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
		if (fds[i] < 0 || ioctl(fds[i], TUNSETIFF, &ifr) < 0)
			return -1;
	}
	return 0;
}

static int open_file(void)
{
	int fd = open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	return fd;
}

static void start(struct fixture *f, struct qemu_args *args)
{
	const struct hypervisor_journal journal = {.note_process = note_process};
	struct qemu_machine machine = {.type = "q35",
		.vcpus = 1,
		.max_vcpus = 3,
		.memory_mib = 64,
		.max_memory_mib = 64 + 256,
		.memory_slots = 2,
		.has_iommu = true};
	struct err err = ERR_INIT;
	int ours, theirs;

	assert_int_equal(local_socket_pair(&ours, &theirs), 0);
	assert_int_equal(io_set_nonblock(ours, true), 0);
	qemu_args_set_program(args, program);
	qemu_args_add_base(args, "test");
	qemu_args_add_machine(args, &machine);
	qemu_args_add_iommu(args);
	qemu_plug_write(&f->plug, args);
	qemu_args_add_balloon(args);
	qemu_args_add_qmp(args, theirs);
	assert_int_equal(qemu_args_finish(args), 0);
	if (process_start(&f->process, f->loop, &journal,
		    &(struct process_config){.program = program,
			    .argv = (const char *const *)args->argv,
			    .fds = args->fds,
			    .n_fds = args->n_fds},
		    on_exit_process, f, &err) < 0)
		fail_msg("%s", err.msg);
	qemu_args_fini(args);
	static const struct qmp_handlers handlers = {on_ready, on_event, on_closed};
	assert_int_equal(qmp_new(f->loop, ours, &handlers, f, &f->qmp), 0);
	loop_until(f->loop, f->is_ready);
	qemu_plug_start(&f->plug, f->qmp);
}

/* Of each kind one, with names that begin with this letter. Returns how many. */
static int add_all(struct fixture *f, char letter)
{
	struct hypervisor_block block = {.fd = open_file(), .read_only = true, .serial = "s1"};
	char id[8] = {letter, '1', '\0'};
	struct err err = ERR_INIT;
	int taps[2] = {-1, -1}, n = 2;

	block.id = id;
	assert_int_equal(qemu_plug_add_block(&f->plug, &block, on_added, f, &err), 0);
	id[1] = '2';
	block = (struct hypervisor_block){
		.id = id, .fd = open_file(), .discard = true, .driver = HYPERVISOR_BLOCK_SCSI};
	assert_int_equal(qemu_plug_add_block(&f->plug, &block, on_added, f, &err), 0);
	if (open_taps(taps, 2) == 0) {
		struct hypervisor_net net = {
			.id = id, .tap_fds = taps, .n_queues = 2, .mac = {2}, .mtu = 1400};

		id[1] = '3';
		assert_int_equal(qemu_plug_add_net(&f->plug, &net, on_added, f, &err), 0);
		return n + 1;
	}
	close_fd(taps[0]);
	close_fd(taps[1]);
	print_message("no tap device can be made here\n");
	return n;
}

static void qemu_takes_what_is_written(void **state)
{
	struct qemu_args args = QEMU_ARGS_INIT;
	struct fixture f = {.process = PROCESS_INIT("qemu")};
	struct err err = ERR_INIT;
	int n;

	(void)state;
	if (access(program, X_OK) < 0)
		skip();
	assert_int_equal(loop_new(&f.loop), 0);
	qemu_plug_init(&f.plug, f.loop, on_broken, &f);
	f.plug.bus = (struct qemu_bus){.n_bridges = 2, .n_root_ports = 2, .has_scsi = true};
	f.plug.block_options = (struct qemu_block_options){
		.aio = "threads", .is_cache_set = true, .cache_no_flush = true};
	f.plug.unplug_limit_ns = NS_PER_S;
	f.plug.has_scsi_iothread = true;
	f.plug.block_options.n_iothreads = 1;
	f.resize = (struct qemu_resize){.boot_vcpus = 1,
		.boot_memory_mib = 64,
		.size = {1, 3, 64, 64 + 256},
		.memory_slots = 2};
	assert_int_equal(qemu_resize_init(&f.resize, f.loop, &f.plug), 0);
	n = add_all(&f, 'c');
	start(&f, &args);
	n += add_all(&f, 'h');
	loop_until(f.loop, f.n_added == n);
	assert_int_equal(qemu_resize_vcpus(&f.resize, 3, on_vcpus, &f, &err), 0);
	assert_int_equal(qemu_resize_memory(&f.resize, 65, on_memory, &f, &err), 0);
	loop_until(f.loop, f.vcpus > 0 && f.mib > 0);
	assert_int_equal(f.vcpus, 3);
	assert_int_equal(f.mib, 64 + 128);
	/* SCSI disks leave without a guest's help, PCI devices do not. */
	assert_int_equal(qemu_plug_remove(&f.plug, "h2", on_removed, &f, &err), 0);
	loop_until(f.loop, f.n_removed == 1);
	assert_string_equal(f.err.msg, "");
	assert_int_equal(qemu_plug_remove(&f.plug, "c2", on_removed, &f, &err), 0);
	loop_until(f.loop, f.n_removed == 2);
	assert_string_equal(f.err.msg, "");
	assert_int_equal(qmp_execute(f.qmp, "quit", NULL, NULL), 0);
	loop_until(f.loop, f.is_over);
	qmp_free(f.qmp);
	process_fini(&f.process, 0);
	qemu_resize_fini(&f.resize);
	qemu_plug_fini(&f.plug);
	loop_free(f.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(qemu_takes_what_is_written)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
