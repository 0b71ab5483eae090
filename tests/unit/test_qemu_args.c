/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "hypervisor/qemu_args.h"
#include "oom.h"

/* The whole line, parts joined by blanks. */
static void expect(struct qemu_args *args, const char *want)
{
	auto_buf struct buf line = BUF_INIT;

	assert_int_equal(qemu_args_finish(args), 0);
	for (size_t i = 0; i < args->n_argv; i++)
		assert_int_equal(buf_printf(&line, "%s%s", i > 0 ? " " : "", args->argv[i]), 0);
	assert_null(args->argv[args->n_argv]);
	assert_string_equal(buf_str(&line), want);
	qemu_args_fini(args);
}

static int open_null(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void the_base_is_a_machine_without_extras(void **state)
{
	struct qemu_args args = QEMU_ARGS_INIT;

	(void)state;
	qemu_args_set_program(&args, "/usr/bin/qemu");
	qemu_args_add_base(&args, "abc");
	expect(&args, "/usr/bin/qemu -name sandbox-abc -no-user-config -nodefaults -display none "
		      "-no-reboot");
}

static void the_machine_follows_the_accelerator(void **state)
{
	struct qemu_args args = QEMU_ARGS_INIT;
	struct qemu_machine machine = {.type = "q35", .vcpus = 2, .memory_mib = 2048};

	(void)state;
	qemu_args_add_machine(&args, &machine);
	expect(&args, "-machine "
		      "q35,memory-backend=mem,hpet=off,sata=off,smbus=off,usb=off,vmport=off "
		      "-accel tcg,thread=multi -cpu max -smp 2 -m 2048M -object "
		      "memory-backend-memfd,id=mem,size=2147483648,share=on");
	machine.kvm = true;
	machine.accelerators = "nvdimm=off,kernel_irqchip=split";
	machine.cpu_features = "pmu=off";
	qemu_args_add_machine(&args, &machine);
	expect(&args,
		"-machine "
		"q35,memory-backend=mem,hpet=off,sata=off,smbus=off,usb=off,vmport=off,"
		"nvdimm=off,kernel_irqchip=split -accel kvm -cpu host,pmu=off -smp 2 -m 2048M "
		"-object memory-backend-memfd,id=mem,size=2147483648,share=on");
}

static void a_machine_that_grows_has_room(void **state)
{
	struct qemu_args args = QEMU_ARGS_INIT;
	struct qemu_machine machine = {.type = "q35",
		.has_iommu = true,
		.vcpus = 1,
		.max_vcpus = 4,
		.memory_mib = 128,
		.max_memory_mib = 1152,
		.memory_slots = 3,
		.memory = {.file_dir = "/dev/shm,x", .prealloc = true}};

	(void)state;
	qemu_args_add_machine(&args, &machine);
	qemu_args_add_iommu(&args);
	expect(&args, "-machine q35,memory-backend=mem,hpet=off,sata=off,smbus=off,usb=off,"
		      "vmport=off,kernel-irqchip=split -accel tcg,thread=multi -cpu max -smp "
		      "1,maxcpus=4 -m 128M,slots=3,maxmem=1152M -object "
		      "memory-backend-file,id=mem,size=134217728,share=on,mem-path=/dev/shm,,x,"
		      "prealloc=on -device "
		      "intel-iommu,intremap=on,device-iotlb=on,caching-mode=on");
	machine.memory = (struct qemu_memory){.hugepages = true};
	qemu_args_add_virtio_mem(&args, &machine.memory, 1024);
	expect(&args, "-object memory-backend-memfd,id=virtiomem,size=1073741824,share=on,"
		      "hugetlb=on -device "
		      "virtio-mem-pci,id=virtiomem0,memdev=virtiomem,requested-size=0");
}

static void extras_are_one_part_each(void **state)
{
	struct qemu_args args = QEMU_ARGS_INIT;

	(void)state;
	qemu_args_add_balloon(&args);
	expect(&args, "-device virtio-balloon-pci,id=balloon0,free-page-reporting=on");
	qemu_args_add_scsi_controller(&args, false);
	expect(&args, "-device virtio-scsi-pci,id=scsi0");
	qemu_args_add_scsi_controller(&args, true);
	expect(&args, "-object iothread,id=scsi-iothread -device "
		      "virtio-scsi-pci,id=scsi0,iothread=scsi-iothread");
	qemu_args_add_iothread(&args, 3);
	expect(&args, "-object iothread,id=iothread3");
	qemu_args_add_monitor(&args, "hmp", "/run/a,b");
	expect(&args, "-chardev socket,id=monitor,path=/run/a,,b,server=on,wait=off -mon "
		      "chardev=monitor,mode=readline");
	qemu_args_add_monitor(&args, "qmp-pretty", "/m");
	expect(&args, "-chardev socket,id=monitor,path=/m,server=on,wait=off -mon "
		      "chardev=monitor,mode=control,pretty=on");
}

static void the_kernel_is_named_as_it_is(void **state)
{
	struct qemu_args args = QEMU_ARGS_INIT;

	(void)state;
	qemu_args_add_kernel(&args, "/k,1", "/i", "a=b, c %s");
	assert_int_equal(args.n_argv, 6);
	assert_string_equal(args.argv[5], "a=b, c %s");
	expect(&args, "-kernel /k,1 -initrd /i -append a=b, c %s");
}

static void each_device_is_one_part(void **state)
{
	struct qemu_args args = QEMU_ARGS_INIT;

	(void)state;
	qemu_args_add_qmp(&args, open_null());
	expect(&args, "-chardev socket,id=qmp,fd=3 -mon chardev=qmp,mode=control");
	qemu_args_add_console(&args, open_null());
	expect(&args, "-chardev socket,id=console,fd=3 -device isa-serial,chardev=console");
	qemu_args_add_rng(&args, "/dev/urandom");
	expect(&args, "-object rng-random,id=rng,filename=/dev/urandom -device "
		      "virtio-rng-pci,rng=rng");
	qemu_args_add_fs(&args, open_null(), "kataShared", 1024);
	expect(&args, "-chardev socket,id=fs,fd=3 -device "
		      "vhost-user-fs-pci,chardev=fs,tag=kataShared,queue-size=1024");
	qemu_args_add_user_vsock(&args, open_null());
	expect(&args, "-chardev socket,id=vsock,fd=3 -device vhost-user-vsock-pci,chardev=vsock");
	qemu_args_add_kernel_vsock(&args, open_null(), UINT32_MAX - 1);
	expect(&args, "-device vhost-vsock-pci,vhostfd=3,guest-cid=4294967294");
	qemu_args_add_sandbox(&args, "on,spawn=deny");
	expect(&args, "-sandbox on,spawn=deny");
	qemu_args_add_sandbox(&args, "");
	qemu_args_add_sandbox(&args, NULL);
	assert_int_equal(args.n_argv, 0);
	qemu_args_fini(&args);
}

static void a_comma_does_not_start_another_option(void **state)
{
	struct qemu_args args = QEMU_ARGS_INIT;

	(void)state;
	qemu_args_add_rng(&args, "/dev/x,id=y,");
	expect(&args, "-object rng-random,id=rng,filename=/dev/x,,id=y,, -device "
		      "virtio-rng-pci,rng=rng");
}

static void fds_are_numbered_from_three_and_owned(void **state)
{
	struct qemu_args args = QEMU_ARGS_INIT;
	int fds[2] = {open_null(), open_null()};

	(void)state;
	qemu_args_add_qmp(&args, fds[0]);
	qemu_args_add_console(&args, fds[1]);
	assert_int_equal(args.n_fds, 2);
	assert_int_equal(args.fds[0], fds[0]);
	assert_int_equal(args.fds[1], fds[1]);
	assert_string_equal(args.argv[5], "socket,id=console,fd=4");
	qemu_args_fini(&args);
	assert_int_equal(fcntl(fds[0], F_GETFD), -1);
	assert_int_equal(fcntl(fds[1], F_GETFD), -1);
}

static void more_fds_than_fit_are_closed_and_refused(void **state)
{
	struct qemu_args args = QEMU_ARGS_INIT;
	int last = -1;

	(void)state;
	for (int i = 0; i <= SPAWN_FDS_MAX; i++) {
		assert_int_equal(qemu_args_finish(&args), 0);
		last = open_null();
		qemu_args_add_console(&args, last);
	}
	assert_int_equal(qemu_args_finish(&args), -E2BIG);
	assert_int_equal(fcntl(last, F_GETFD), -1);
	qemu_args_fini(&args);
}

static void no_memory_sticks(void **state)
{
	(void)state;
	OOM_SWEEP(n)
	{
		struct qemu_args args = QEMU_ARGS_INIT;
		struct qemu_machine machine = {.type = "q35", .vcpus = 1, .memory_mib = 64};
		int fd = open_null();

		oom_arm(n);
		qemu_args_set_program(&args, "/usr/bin/qemu");
		qemu_args_add_base(&args, "abc");
		qemu_args_add_machine(&args, &machine);
		qemu_args_add_kernel(&args, "/k", "/i", "params");
		qemu_args_add_rng(&args, "/dev/urandom");
		qemu_args_add_fs(&args, fd, "tag", 1024);
		qemu_args_add_sandbox(&args, "on");
		oom_disarm();
		assert_int_equal(qemu_args_finish(&args), oom_has_struck() ? -ENOMEM : 0);
		qemu_args_fini(&args);
		assert_int_equal(fcntl(fd, F_GETFD), -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_base_is_a_machine_without_extras),
		cmocka_unit_test(the_machine_follows_the_accelerator),
		cmocka_unit_test(a_machine_that_grows_has_room),
		cmocka_unit_test(extras_are_one_part_each),
		cmocka_unit_test(the_kernel_is_named_as_it_is),
		cmocka_unit_test(each_device_is_one_part),
		cmocka_unit_test(a_comma_does_not_start_another_option),
		cmocka_unit_test(fds_are_numbered_from_three_and_owned),
		cmocka_unit_test(more_fds_than_fit_are_closed_and_refused),
		cmocka_unit_test(no_memory_sticks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
