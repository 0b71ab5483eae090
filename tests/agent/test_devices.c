/* SPDX-License-Identifier: Apache-2.0 */
/* Devices and the storages on them, with the kernel's own events: the disks are loop devices. */
#include "fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/path.h"
#include "loop_device.h"

/* A container that is to have host device 8:16 under a name of its own. */
struct wish {
	Grpc__Device device;
	Grpc__LinuxDevice node;
	Grpc__LinuxDeviceCgroup rules[2];
	Grpc__Device *devices[2];
	Grpc__LinuxDevice *nodes[1];
	Grpc__LinuxDeviceCgroup *rule_list[2];
	Grpc__LinuxResources resources;
	size_t n_devices;
};

static char mmioblk[] = "mmioblk", blk[] = "blk", scsi[] = "scsi", nvdimm[] = "nvdimm",
	    data[] = "/dev/data", block[] = "b", any[] = "a", all[] = "rwm", ext4[] = "ext4",
	    ro[] = "ro";

static void wish_init(struct wish *w, char *type, char *id, char *vm_path)
{
	*w = (struct wish){.n_devices = 1};
	grpc__device__init(&w->device);
	w->device.type = type;
	w->device.id = id;
	w->device.vm_path = vm_path;
	w->device.container_path = data;
	grpc__linux_device__init(&w->node);
	w->node.path = data;
	w->node.type = block;
	w->node.has_major = w->node.has_minor = 1;
	w->node.major = 8;
	w->node.minor = 16;
	w->node.has_filemode = 1;
	w->node.filemode = 0600;
	for (size_t i = 0; i < 2; i++) {
		grpc__linux_device_cgroup__init(&w->rules[i]);
		w->rules[i].access = all;
		w->rules[i].has_allow = 1;
		w->devices[i] = &w->device;
		w->rule_list[i] = &w->rules[i];
	}
	w->rules[0].type = any;
	w->rules[1].allow = 1;
	w->rules[1].type = block;
	w->rules[1].has_major = w->rules[1].has_minor = 1;
	w->rules[1].major = 8;
	w->rules[1].minor = 16;
	w->nodes[0] = &w->node;
	grpc__linux_resources__init(&w->resources);
	w->resources.devices = w->rule_list;
	w->resources.n_devices = 2;
}

static void amend(Grpc__CreateContainerRequest *request, void *user)
{
	struct wish *w = user;

	request->devices = w->devices;
	request->n_devices = w->n_devices;
	request->oci->linux->devices = w->nodes;
	request->oci->linux->n_devices = 1;
	request->oci->linux->resources = &w->resources;
}

static int create_with(struct fixture *f, const char *id, struct wish *w, const char *script,
	struct reply *reply, struct err *err)
{
	struct container_options o = {
		.id = id, .script = script, .reply = reply, .amend = amend, .data = w};

	return create_container(f, &o, err);
}

static char *path_in(const struct fixture *f, const char *name, char path[2 * PATH_SIZE])
{
	snprintf(path, 2 * PATH_SIZE, "%.100s/%.100s", f->dir, name);
	return path;
}

static void assert_answers(struct fixture *f)
{
	Grpc__GuestDetailsRequest request = GRPC__GUEST_DETAILS_REQUEST__INIT;

	assert_int_equal(call(f, "GetGuestDetails", &request.base, NULL), 0);
}

static void a_disk_is_the_containers_under_the_guests_number(void **state)
{
	static const char script[] =
		"busybox stat -c '%F %t:%T' /dev/data; head -c 5 /dev/data; mount | grep -c x8:16";
	char file[2 * PATH_SIZE], should_be[64];
	struct fixture *f = *state;
	struct buf out = BUF_INIT;
	struct loop_device d;
	struct err err = ERR_INIT;
	struct wish w;

	loop_device_init(&d, 0);
	assert_int_equal(io_replace_file(AT_FDCWD, path_in(f, "disk", file), 0600, "hello", 5), 0);
	assert_int_equal(truncate(file, 1 << 20), 0);
	loop_device_show(&d, file);
	wish_init(&w, mmioblk, NULL, d.node);
	if (create_with(f, "c1", &w, script, NULL, &err) != 0)
		fail_msg("%s", err.msg);
	assert_int_equal(start_container(f, "c1"), 0);
	read_all(f, "c1", "", &out);
	snprintf(should_be, sizeof(should_be), "block special file 7:%x\nhello0\n", d.number);
	assert_string_equal(buf_str(&out), should_be);
	buf_fini(&out);
	assert_int_equal(remove_container(f, "c1"), 0);
}

static void a_disk_that_comes_later_is_waited_for(void **state)
{
	struct fixture *f = *state;
	struct loop_device d;
	struct reply reply;
	struct wish w;

	loop_device_init(&d, 1);
	wish_init(&w, mmioblk, NULL, d.node);
	assert_int_equal(create_with(f, "c1", &w, "exit", &reply, NULL), 0);
	/* Others are served meanwhile. */
	for (int i = 0; i < 3; i++)
		assert_answers(f);
	assert_false(reply.done);
	loop_device_add(&d);
	call_wait(f, &reply);
	if (err_is_set(&reply.err))
		fail_msg("%s", reply.err.msg);
	assert_int_equal(remove_container(f, "c1"), 0);
}

/* Some are opened for the first container, and stay. */
static size_t count_fds_of_rest(struct fixture *f)
{
	run_container(f, "c0", "exit");
	assert_int_equal(remove_container(f, "c0"), 0);
	return fixture_count_fds(f);
}

static void what_does_not_come_leaves_nothing(void **state)
{
	static char path[] = "1f.7", address[] = "13:1", absent[] = "/dev/kihon-absent";
	struct {
		char *type, *id, *vm_path;
		const char *text;
	} rows[] = {
		{blk, path, NULL, "virtio-blk device at PCI path 1f.7 has not appeared"},
		{scsi, address, NULL, "SCSI disk 13:1 has not appeared"},
		{nvdimm, NULL, absent, "disk kihon-absent has not appeared"},
	};
	struct fixture *f = *state;
	struct reply replies[ARRAY_SIZE(rows)];
	size_t n_fds;

	n_fds = count_fds_of_rest(f);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char id[8];
		struct wish w;

		snprintf(id, sizeof(id), "c%zu", i);
		wish_init(&w, rows[i].type, rows[i].id, rows[i].vm_path);
		assert_int_equal(create_with(f, id, &w, "exit", &replies[i], NULL), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		call_wait(f, &replies[i]);
		assert_int_equal(wire_status_of(&replies[i].err), WIRE_INTERNAL);
		if (!strstr(replies[i].err.msg, rows[i].text))
			fail_msg("row %zu: %s", i, replies[i].err.msg);
	}
	/* The last answer is sent a moment before its container is freed. */
	assert_answers(f);
	assert_int_equal(fixture_count_fds(f), n_fds);
	run_container(f, "c0", "exit");
}

static void who_waits_can_be_removed_and_can_give_up(void **state)
{
	static char absent[] = "/dev/kihon-absent";
	struct fixture *f = *state;
	struct container_options o = {
		.id = "c2", .script = "exit", .amend = amend, .timeout_ns = 200 * NS_PER_MS};
	size_t n_fds = count_fds_of_rest(f);
	int64_t begun_ns = clock_now_ns();
	struct reply reply;
	struct err err = ERR_INIT;
	struct wish w;

	wish_init(&w, mmioblk, NULL, absent);
	assert_int_equal(create_with(f, "c1", &w, "exit", &reply, NULL), 0);
	assert_int_equal(remove_container(f, "c1"), 0);
	call_wait(f, &reply);
	assert_int_equal(wire_status_of(&reply.err), WIRE_ABORTED);
	o.data = &w;
	assert_int_equal(create_container(f, &o, &err), WIRE_DEADLINE_EXCEEDED);
	assert_true(clock_now_ns() - begun_ns < 2 * NS_PER_S);
	while (fixture_count_fds(f) != n_fds && clock_now_ns() - begun_ns < 2 * NS_PER_S)
		assert_answers(f);
	assert_int_equal(fixture_count_fds(f), n_fds);
	run_container(f, "c1", "exit");
}

static void bad_devices_are_refused_at_once(void **state)
{
	static char empty[] = "", slot[] = "20", many[] = "02/", one[] = "1", dir[] = "/dev/a/b",
		    other[] = "/dev/other", floppy[] = "floppy", path[] = "02", vfio[] = "vfio-pci",
		    ccw[] = "blk-ccw", ap[] = "vfio-ap", option[] = "0000:81:00.1",
		    *options[] = {option};
	struct {
		char *type, *id, *vm_path, *container_path;
		size_t n;
		const char *text;
		size_t n_options;
	} rows[] = {
		{NULL, path, NULL, data, 1, "without a type"},
		{blk, NULL, empty, data, 1, "neither id nor vm_path"},
		{blk, path, NULL, empty, 1, "no container_path"},
		{floppy, path, NULL, data, 1, "unknown type \"floppy\""},
		{blk, slot, NULL, data, 1, "\"20\" is not a PCI path"},
		{blk, many, NULL, data, 1, "\"02/\" is not a PCI path"},
		{scsi, one, NULL, data, 1, "\"1\" is not a SCSI address"},
		{mmioblk, path, NULL, data, 1, "does not name a disk"},
		{nvdimm, NULL, dir, data, 1, "does not name a disk"},
		{blk, path, NULL, other, 1, "the spec has no such device"},
		{blk, path, NULL, data, 2, "asked for twice"},
		{vfio, path, NULL, data, 1, "its options name no PCI device", 0},
		{vfio, path, NULL, data, 1, "\"0000:81:00.1\" is not", 1},
		{ccw, path, NULL, data, 1, "\"02\" is not a CCW device"},
		{ap, path, NULL, data, 1, "is not an AP queue", 1},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;
		struct wish w;

		wish_init(&w, rows[i].type, rows[i].id, rows[i].vm_path);
		w.device.container_path = rows[i].container_path;
		w.n_devices = rows[i].n;
		w.device.options = options;
		w.device.n_options = rows[i].n_options;
		assert_int_equal(
			create_with(f, "c1", &w, "exit", NULL, &err), WIRE_INVALID_ARGUMENT);
		if (!strstr(err.msg, rows[i].text))
			fail_msg("row %zu: %s", i, err.msg);
	}
}

static void what_only_s390x_has_is_refused(void **state)
{
	static char ccw[] = "blk-ccw", device[] = "0.0.0005", ap[] = "vfio-ap", queue[] = "0a.0004";
	char *types[] = {ccw, ap}, *options[] = {queue};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct err err = ERR_INIT;
		struct wish w;

		wish_init(&w, types[i], device, NULL);
		w.device.options = options;
		w.device.n_options = 1;
		assert_int_equal(create_with(f, "c1", &w, "exit", NULL, &err), WIRE_UNIMPLEMENTED);
		assert_non_null(strstr(err.msg, "s390x"));
	}
}

/* The address of some PCI device of this machine; false if there is none. */
static bool find_pci_device(char address[static 16])
{
	for (int slot = 0; slot < 0x20; slot++) {
		char path[64];

		snprintf(address, 16, "0000:00:%02x.0", slot);
		snprintf(path, sizeof(path), "/sys/devices/pci0000:00/%s", address);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

static void amend_env(Grpc__CreateContainerRequest *request, void *user)
{
	static char var[] = "PCIDEVICE_X=0000:81:00.1", path[] = "PATH=/bin", *env[] = {path, var};

	amend(request, user);
	request->oci->process->env = env;
	request->oci->process->n_env = 2;
}

static int exec_with_env(struct fixture *f, char *var, struct err *err)
{
	static char c1[] = "c1", e1[] = "e1", sh[] = "/bin/sh", c[] = "-c", root[] = "/",
		    script[] = "echo $PCIDEVICE_X", *args[] = {sh, c, script};
	Grpc__ExecProcessRequest request = GRPC__EXEC_PROCESS_REQUEST__INIT;
	Grpc__Process process = GRPC__PROCESS__INIT;
	Grpc__User user = GRPC__USER__INIT;

	request.container_id = c1;
	request.exec_id = e1;
	request.process = &process;
	process.user = &user;
	process.cwd = root;
	process.args = args;
	process.n_args = ARRAY_SIZE(args);
	process.env = &var;
	process.n_env = 1;
	return call(f, "ExecProcess", &request.base, err);
}

static void pci_devices_have_the_guests_addresses(void **state)
{
	static char kind[] = "vfio-pci-gk", id[] = "group", known[] = "PCIDEVICE_X=0000:81:00.1",
		    unknown[] = "PCIDEVICE_X=0000:99:00.1";
	char address[16], line[32], option[32], *options[] = {option};
	struct container_options o = {.id = "c1",
		.script = "echo $PCIDEVICE_X; exec /bin/sleep 1000",
		.amend = amend_env};
	struct buf out = BUF_INIT;
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct wish w;

	if (!find_pci_device(address)) {
		print_message("this machine has no PCI device\n");
		skip();
	}
	wish_init(&w, kind, id, NULL);
	snprintf(option, sizeof(option), "0000:81:00.1=%.2s", address + strlen("0000:00:"));
	snprintf(line, sizeof(line), "%s\n", address);
	w.device.options = options;
	w.device.n_options = 1;
	o.data = &w;
	if (create_container(f, &o, &err) != 0)
		fail_msg("%s", err.msg);
	assert_int_equal(start_container(f, "c1"), 0);
	assert_true(read_once(f, "ReadStdout", "c1", "", &out) > 0);
	assert_string_equal(buf_str(&out), line);
	buf_clear(&out);
	assert_int_equal(exec_with_env(f, unknown, &err), WIRE_INTERNAL);
	assert_non_null(strstr(err.msg, "no device has been found for PCI address 0000:99:00.1"));
	assert_int_equal(exec_with_env(f, known, NULL), 0);
	read_all(f, "c1", "e1", &out);
	assert_string_equal(buf_str(&out), line);
	buf_fini(&out);
}

static void swap_is_on_disks_that_are_there(void **state)
{
	static uint32_t good[] = {0x1f, 0x1f}, bad[] = {0x20};
	Grpc__AddSwapRequest request = GRPC__ADD_SWAP_REQUEST__INIT;
	struct fixture *f = *state;
	size_t n_fds = count_fds_of_rest(f);
	struct err err = ERR_INIT;
	struct reply reply;

	assert_int_equal(call(f, "AddSwap", &request.base, NULL), WIRE_INVALID_ARGUMENT);
	request.pcipath = bad;
	request.n_pcipath = 1;
	assert_int_equal(call(f, "AddSwap", &request.base, NULL), WIRE_INVALID_ARGUMENT);
	request.pcipath = good;
	request.n_pcipath = 2;
	call_start_on(f, f->client, "AddSwap", &request.base, 100 * NS_PER_MS, NULL, &reply);
	call_wait(f, &reply);
	assert_int_equal(wire_status_of(&reply.err), WIRE_DEADLINE_EXCEEDED);
	assert_int_equal(call(f, "AddSwap", &request.base, &err), WIRE_INTERNAL);
	assert_non_null(strstr(err.msg, "at PCI path 1f/1f has not appeared"));
	assert_answers(f);
	assert_int_equal(fixture_count_fds(f), n_fds);
}

static int create_on(struct fixture *f, const char *id, Grpc__Storage *s, struct err *err)
{
	struct container_options o = {.id = id, .script = "exit", .storages = &s, .n_storages = 1};

	return create_container(f, &o, err);
}

static Grpc__Storage storage_on(char *driver, char *source, char *mount_point)
{
	static char *options[] = {ro};
	Grpc__Storage s = GRPC__STORAGE__INIT;

	s.driver = driver;
	s.source = source;
	s.fstype = ext4;
	s.mount_point = mount_point;
	s.options = options;
	s.n_options = 1;
	return s;
}

static bool has_file(const char *dir)
{
	char path[4 * PATH_SIZE];

	snprintf(path, sizeof(path), "%s/file", dir);
	return access(path, R_OK) == 0;
}

/* A disk whose file system holds "file". */
static void make_disk(struct fixture *f, struct loop_device *d)
{
	char dir[2 * PATH_SIZE], file[3 * PATH_SIZE], image[2 * PATH_SIZE];

	assert_int_equal(path_mkdir(path_in(f, "content", dir), 0755), 0);
	snprintf(file, sizeof(file), "%s/file", dir);
	assert_int_equal(io_replace_file(AT_FDCWD, file, 0644, "text", 4), 0);
	loop_device_make_ext4(path_in(f, "image", image), dir);
	loop_device_show(d, image);
}

static void disks_are_mounted_for_containers(void **state)
{
	static char *const drivers[] = {mmioblk, blk};
	char target[2 * PATH_SIZE];
	struct fixture *f = *state;
	struct loop_device d;

	loop_device_init(&d, 2);
	make_disk(f, &d);
	path_in(f, "volume", target);
	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++) {
		Grpc__Storage s = storage_on(drivers[i], d.node, target);
		struct err err = ERR_INIT;

		if (create_on(f, "c1", &s, &err) != 0)
			fail_msg("%s: %s", drivers[i], err.msg);
		assert_true(has_file(target));
		assert_int_equal(create_on(f, "c2", &s, NULL), 0);
		assert_int_equal(remove_container(f, "c1"), 0);
		assert_true(has_file(target));
		assert_int_equal(remove_container(f, "c2"), 0);
		assert_int_not_equal(access(target, F_OK), 0);
	}
}

static void disks_are_mounted_for_the_sandbox(void **state)
{
	Grpc__CreateSandboxRequest request = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	char target[2 * PATH_SIZE], inside[3 * PATH_SIZE];
	Grpc__Storage s, *list[] = {&s};
	struct fixture *f = *state;
	struct loop_device d;
	struct err err = ERR_INIT;
	siginfo_t info;

	loop_device_init(&d, 3);
	request.storages = list;
	request.n_storages = 1;
	snprintf(target, sizeof(target), "%s/sandbox/storage/x", f->run_dir);
	s = storage_on(mmioblk, d.node, target);
	assert_int_equal(call(f, "CreateSandbox", &request.base, &err), WIRE_INTERNAL);
	assert_non_null(strstr(err.msg, "has not appeared"));
	make_disk(f, &d);
	assert_int_equal(call(f, "CreateSandbox", &request.base, NULL), 0);
	snprintf(inside, sizeof(inside), "/proc/%d/root%s", (int)f->agent_pid, target);
	assert_true(has_file(inside));
	assert_int_equal(call(f, "DestroySandbox", &request.base, NULL), 0);
	assert_int_equal(waitid(P_PID, (id_t)f->agent_pid, &info, WEXITED | WNOWAIT), 0);
	assert_false(has_file(inside));
}

static void bad_disks_are_refused(void **state)
{
	static char slot[] = "20", null[] = "/dev/null", one[] = "1", vda[] = "vda", none[] = "",
		    absent[] = "/dev/kihon-absent", option[] = "create_filesystem=true";
	struct {
		char *driver, *source, *driver_option;
		int status;
		const char *text;
	} rows[] = {
		{blk, slot, NULL, WIRE_INVALID_ARGUMENT, "is not a PCI path"},
		{blk, none, NULL, WIRE_INVALID_ARGUMENT, "no source"},
		{blk, null, NULL, WIRE_INTERNAL, "/dev/null is not a disk"},
		{blk, absent, NULL, WIRE_INTERNAL, absent},
		{scsi, one, NULL, WIRE_INVALID_ARGUMENT, "is not a SCSI address"},
		{mmioblk, vda, NULL, WIRE_INVALID_ARGUMENT, "does not name a disk"},
		{nvdimm, slot, NULL, WIRE_INVALID_ARGUMENT, "does not name a disk"},
		{blk, null, option, WIRE_UNIMPLEMENTED, "create_filesystem"},
	};
	char target[2 * PATH_SIZE];
	struct fixture *f = *state;

	path_in(f, "volume", target);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		Grpc__Storage s = storage_on(rows[i].driver, rows[i].source, target);
		struct err err = ERR_INIT;

		s.driver_options = &rows[i].driver_option;
		s.n_driver_options = rows[i].driver_option ? 1 : 0;
		assert_int_equal(create_on(f, "c1", &s, &err), rows[i].status);
		if (!strstr(err.msg, rows[i].text))
			fail_msg("row %zu: %s", i, err.msg);
		assert_int_not_equal(access(target, F_OK), 0);
	}
}

/* Also after a test that has failed. */
static int tear_down(void **state)
{
	int r = fixture_tear_down(state);

	for (int i = 0; i < LOOP_DEVICES; i++) {
		struct loop_device d;

		loop_device_init(&d, i);
		loop_device_fini(&d);
	}
	return r;
}

#define device_test(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		device_test(a_disk_is_the_containers_under_the_guests_number),
		device_test(a_disk_that_comes_later_is_waited_for),
		device_test(what_does_not_come_leaves_nothing),
		device_test(who_waits_can_be_removed_and_can_give_up),
		device_test(bad_devices_are_refused_at_once),
		device_test(what_only_s390x_has_is_refused),
		device_test(pci_devices_have_the_guests_addresses),
		device_test(swap_is_on_disks_that_are_there),
		device_test(disks_are_mounted_for_containers),
		device_test(disks_are_mounted_for_the_sandbox),
		device_test(bad_disks_are_refused),
	};

	fixture_require();
	if (!loop_device_is_possible())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
