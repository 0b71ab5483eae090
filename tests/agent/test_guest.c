/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods about the guest as a whole. Processors, memory blocks and modprobe are fakes: plain files
 * over sysfs and a script over /sbin/modprobe, in the test's own mount namespace, which the agent
 * shares. That a kernel's do the same is for a virtual machine to show.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/swap.h>
#include <unistd.h>

#include "agent/container/launch.h"
#include "base/io.h"
#include "base/path.h"
#include "fixture.h"

#define CPU "/sys/devices/system/cpu"
#define MEMORY "/sys/devices/system/memory"
#define MODPROBE "/sbin/modprobe"

enum { LONG_PATH = 4 * PATH_SIZE };

static void write_file(const char *path, const char *text)
{
	assert_int_equal(io_replace_file(AT_FDCWD, path, 0644, text, strlen(text)), 0);
}

static void expect_text(const char *path, const char *text)
{
	auto_buf struct buf b = BUF_INIT;

	assert_int_equal(io_read_file(AT_FDCWD, path, 4096, &b), 0);
	assert_string_equal(buf_str(&b), text);
}

/* The unit's directory, with a switch unless value is NULL. At once: a unit without one is always on, and the
 * machine's other devices make the agent look at any time. */
static void add_unit(const char *dir, const char *name, const char *value)
{
	char made[LONG_PATH], path[LONG_PATH];

	snprintf(made, sizeof(made), "%s/new", dir);
	assert_int_equal(path_mkdir(made, 0755), 0);
	snprintf(path, sizeof(path), "%s/new/online", dir);
	if (value)
		write_file(path, value);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(rename(made, path), 0);
}

static int set_up(void **state)
{
	assert_int_equal(mount("fake", CPU, "tmpfs", 0, NULL), 0);
	assert_int_equal(mount("fake", MEMORY, "tmpfs", 0, NULL), 0);
	return fixture_set_up(state);
}

static int tear_down(void **state)
{
	assert_int_equal(umount(MEMORY), 0);
	assert_int_equal(umount(CPU), 0);
	return fixture_tear_down(state);
}

static void fill_online(Grpc__OnlineCPUMemRequest *request, uint32_t n_cpus, bool cpu_only)
{
	grpc__online_cpumem_request__init(request);
	request->has_nb_cpus = request->has_cpu_only = 1;
	request->nb_cpus = n_cpus;
	request->cpu_only = cpu_only;
}

static int online(struct fixture *f, uint32_t n_cpus, bool cpu_only, struct err *err)
{
	Grpc__OnlineCPUMemRequest request;

	fill_online(&request, n_cpus, cpu_only);
	return call(f, "OnlineCPUMem", &request.base, err);
}

static void processors_are_switched_on_as_far_as_asked(void **state)
{
	struct fixture *f = *state;
	size_t n_on = 0;

	add_unit(CPU, "cpu0", NULL);
	add_unit(CPU, "cpu1", "0\n");
	add_unit(CPU, "cpu10", "0\n");
	add_unit(CPU, "cpu2", "1\n");
	/* None of them is a processor. */
	add_unit(CPU, "cpufreq", "0\n");
	add_unit(CPU, "cpu1x", "0\n");
	add_unit(MEMORY, "memory1", "0\n");
	assert_int_equal(online(f, 3, true, NULL), 0);
	for (int i = 0; i < 2; i++) {
		auto_buf struct buf b = BUF_INIT;

		assert_int_equal(io_read_file(AT_FDCWD,
					 i ? CPU "/cpu10/online" : CPU "/cpu1/online", 16, &b),
			0);
		n_on += *buf_str(&b) == '1';
	}
	assert_int_equal(n_on, 1);
	assert_int_equal(online(f, 4, true, NULL), 0);
	expect_text(CPU "/cpu1/online", "1\n");
	expect_text(CPU "/cpu10/online", "1\n");
	expect_text(CPU "/cpufreq/online", "0\n");
	expect_text(CPU "/cpu1x/online", "0\n");
	expect_text(MEMORY "/memory1/online", "0\n");
}

static void memory_is_switched_on(void **state)
{
	struct fixture *f = *state;

	add_unit(CPU, "cpu0", NULL);
	add_unit(CPU, "cpu1", "0\n");
	add_unit(MEMORY, "memory0", "1\n");
	add_unit(MEMORY, "memory12", "0\n");
	/* One that cannot be is left. */
	assert_int_equal(path_mkdir(MEMORY "/memory13/online", 0755), 0);
	add_unit(MEMORY, "memory14", "0\n");
	assert_int_equal(online(f, 0, false, NULL), 0);
	expect_text(MEMORY "/memory12/online", "1\n");
	expect_text(MEMORY "/memory14/online", "1\n");
	expect_text(CPU "/cpu1/online", "0\n");
}

/* The kernel says so by an event; any will do for a look. */
static void tell_of_a_device(void)
{
	assert_int_equal(
		io_write_file(AT_FDCWD, "/sys/devices/virtual/mem/null/uevent", "change"), 0);
}

static void a_processor_that_comes_later_is_waited_for(void **state)
{
	Grpc__OnlineCPUMemRequest request;
	struct fixture *f = *state;
	int64_t start_ns = clock_now_ns();
	struct reply reply;

	if (access("/sys/devices/virtual/mem/null/uevent", W_OK) < 0)
		skip();
	add_unit(CPU, "cpu0", NULL);
	fill_online(&request, 2, true);
	call_start(f, "OnlineCPUMem", &request.base, NULL, &reply);
	/* Others are served meanwhile. */
	assert_int_equal(online(f, 0, true, NULL), 0);
	tell_of_a_device();
	assert_false(reply.done);
	add_unit(CPU, "cpu1", "0\n");
	tell_of_a_device();
	call_wait(f, &reply);
	assert_false(err_is_set(&reply.err));
	expect_text(CPU "/cpu1/online", "1\n");
	assert_true(clock_now_ns() - start_ns < 4 * NS_PER_S);
}

static void processors_that_do_not_come_are_an_error(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	add_unit(CPU, "cpu0", NULL);
	add_unit(CPU, "cpu1", "0\n");
	assert_int_equal(online(f, 5, true, &err), WIRE_INTERNAL);
	assert_non_null(strstr(err.msg, "2 of 5 processors are online"));
}

static void ask_for_the_first_cpu(Grpc__CreateContainerRequest *request, void *data)
{
	static char first[] = "0";
	static Grpc__LinuxResources resources;
	static Grpc__LinuxCPU cpu;

	(void)data;
	grpc__linux_resources__init(&resources);
	grpc__linux_cpu__init(&cpu);
	cpu.cpus = first;
	resources.cpu = &cpu;
	request->oci->linux->resources = &resources;
}

/* Of the fixture's cgroups: "" is the parent of the containers'. */
static char *cpus_path(const struct fixture *f, const char *id)
{
	const struct cgroup_layout *layout = launch_get_cgroup_layout(NULL);
	int at = cgroup_layout_find(layout, CGROUP_CPUSET);
	char *path;

	assert_true(asprintf(&path, "%s%s/%s/cpuset.cpus", layout->hierarchies[at].mount_point,
			    f->cgroup, id) > 0);
	return path;
}

static void containers_get_the_new_processors(void **state)
{
	struct container_options limited = {
		.id = "c1", .script = "exec sleep 1000", .amend = ask_for_the_first_cpu};
	const struct cgroup_layout *layout = launch_get_cgroup_layout(NULL);
	int at = cgroup_layout_find(layout, CGROUP_CPUSET);
	struct fixture *f = *state;
	char all[] = "0-1\n";
	auto_free char *parent = NULL, *first = NULL, *second = NULL;

	if (at < 0 || sysconf(_SC_NPROCESSORS_CONF) != 2)
		skip();
	parent = cpus_path(f, "");
	first = cpus_path(f, "c1");
	second = cpus_path(f, "c2");
	add_unit(CPU, "cpu0", NULL);
	assert_int_equal(create_container(f, &limited, NULL), 0);
	run_container(f, "c2", "exec sleep 1000");
	if (layout->hierarchies[at].unified) {
		/* As if it had not been there when the container was made. */
		assert_int_equal(io_write_file(AT_FDCWD, first, "\n"), 0);
		assert_int_equal(online(f, 1, true, NULL), 0);
		expect_text(first, "0\n");
		return;
	}
	/* As if they had been made when there was one only. */
	assert_int_equal(io_write_file(AT_FDCWD, second, "0"), 0);
	assert_int_equal(io_write_file(AT_FDCWD, parent, "0"), 0);
	assert_int_equal(online(f, 1, true, NULL), 0);
	expect_text(parent, all);
	expect_text(second, all);
	expect_text(first, "0\n");
	/* What it was given since stays. */
	assert_int_equal(io_write_file(AT_FDCWD, second, "1"), 0);
	assert_int_equal(io_write_file(AT_FDCWD, first, "1"), 0);
	assert_int_equal(online(f, 1, true, NULL), 0);
	expect_text(second, "1\n");
	expect_text(first, "1\n");
}

static void memory_is_probed_at_the_addresses_given(void **state)
{
	Grpc__MemHotplugByProbeRequest request = GRPC__MEM_HOTPLUG_BY_PROBE_REQUEST__INIT;
	uint64_t addresses[] = {0x40000000, 0xdeadbeef000, UINT64_MAX};
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	request.memhotplugprobeaddr = addresses;
	request.n_memhotplugprobeaddr = 2;
	assert_int_equal(call(f, "MemHotplugByProbe", &request.base, &err), WIRE_INTERNAL);
	assert_non_null(strstr(err.msg, "0x40000000: No such file"));
	write_file(MEMORY "/probe", "");
	assert_int_equal(call(f, "MemHotplugByProbe", &request.base, NULL), 0);
	expect_text(MEMORY "/probe", "0xDEADBEEF000");
	request.n_memhotplugprobeaddr = 3;
	assert_int_equal(call(f, "MemHotplugByProbe", &request.base, NULL), 0);
	expect_text(MEMORY "/probe", "0xFFFFFFFFFFFFFFFF");
	request.n_memhotplugprobeaddr = 0;
	assert_int_equal(call(f, "MemHotplugByProbe", &request.base, NULL), 0);
}

static int get_details(struct fixture *f, uint64_t *ret_size, bool *ret_probe, struct err *err)
{
	Grpc__GuestDetailsRequest request = GRPC__GUEST_DETAILS_REQUEST__INIT;
	const Grpc__GuestDetailsResponse *response;
	struct reply reply;

	request.has_mem_block_size = request.has_mem_hotplug_probe = 1;
	request.mem_block_size = request.mem_hotplug_probe = 1;
	call_start(f, "GetGuestDetails", &request.base, &grpc__guest_details_response__descriptor,
		&reply);
	call_wait(f, &reply);
	*err = reply.err;
	if (err_is_set(&reply.err))
		return (int)wire_status_of(&reply.err);
	response = (const Grpc__GuestDetailsResponse *)reply.message;
	assert_int_equal(response->agent_details->n_device_handlers, 0);
	*ret_size = response->mem_block_size_bytes;
	*ret_probe = response->support_mem_hotplug_probe;
	reply_fini(&reply);
	return 0;
}

static void details_tell_how_memory_is_plugged_in(void **state)
{
	static const struct {
		const char *text;
		uint64_t size;
	} rows[] = {{"8000000\n", 0x8000000}, {"ffffffffffffffff", UINT64_MAX}, {"0\n", 0}};
	static const char *const bad[] = {"", "\n", "x\n", "8 0\n", "-1\n", "1ffffffffffffffff\n"};
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	uint64_t size;
	bool probe;

	assert_int_equal(get_details(f, &size, &probe, &err), 0);
	assert_int_equal(size, 0);
	assert_false(probe);
	write_file(MEMORY "/probe", "");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		write_file(MEMORY "/block_size_bytes", rows[i].text);
		assert_int_equal(get_details(f, &size, &probe, &err), 0);
		assert_int_equal(size, rows[i].size);
		assert_true(probe);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		write_file(MEMORY "/block_size_bytes", bad[i]);
		assert_int_equal(get_details(f, &size, &probe, &err), WIRE_INTERNAL);
		assert_non_null(strstr(err.msg, "Invalid block size"));
	}
}

static void what_is_not_in_this_agent_is_refused_by_name(void **state)
{
	static const struct {
		const char *method;
		int status;
		const char *text;
	} rows[] = {
		{"SetPolicy", WIRE_NOT_FOUND, "/grpc.AgentService/SetPolicy is not supported"},
		{"MemAgentMemcgSet", WIRE_INTERNAL, "MemAgentMemcgSet: mem-agent is disabled"},
		{"MemAgentCompactSet", WIRE_INTERNAL, "MemAgentCompactSet: mem-agent is disabled"},
		{"ResizeVolume", WIRE_UNIMPLEMENTED, "ResizeVolume"},
	};
	Grpc__DestroySandboxRequest empty = GRPC__DESTROY_SANDBOX_REQUEST__INIT;
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(call(f, rows[i].method, &empty.base, &err), rows[i].status);
		assert_non_null(strstr(err.msg, rows[i].text));
	}
}

/* A page of header, and 63 to swap to. */
static void make_swap(const char *path)
{
	static char area[64 << 12];
	const uint32_t version = 1, last_page = sizeof(area) / 4096 - 1;

	memcpy(area + 1024, &version, sizeof(version));
	memcpy(area + 1028, &last_page, sizeof(last_page));
	memcpy(area + 4096 - 10, "SWAPSPACE2", 10);
	assert_int_equal(io_replace_file(AT_FDCWD, path, 0600, area, sizeof(area)), 0);
}

static void a_swap_file_is_used(void **state)
{
	Grpc__AddSwapPathRequest request = GRPC__ADD_SWAP_PATH_REQUEST__INIT;
	struct fixture *f = *state;
	auto_buf struct buf swaps = BUF_INIT;
	char path[LONG_PATH];
	struct err err = ERR_INIT;

	snprintf(path, sizeof(path), "%s/swap", f->dir);
	make_swap(path);
	request.path = path;
	/* Where files cannot be swapped to, the kernel says so; that it was asked is seen. */
	if (call(f, "AddSwapPath", &request.base, &err) != 0) {
		assert_non_null(strstr(err.msg, path));
		print_message("swapon: %s\n", err.msg);
		skip();
	}
	assert_int_equal(io_read_file(AT_FDCWD, "/proc/swaps", 4096, &swaps), 0);
	assert_non_null(strstr(buf_str(&swaps), path));
	assert_int_equal(call(f, "AddSwapPath", &request.base, NULL), WIRE_INTERNAL);
	assert_int_equal(swapoff(path), 0);
}

static void what_is_no_swap_is_refused(void **state)
{
	static char missing[] = "/nonexistent", relative[] = "swap", directory[] = "/tmp",
		    device[] = "/dev/null", magic[] = "/proc/self/fd/0", file[] = "/proc/version";
	static const struct {
		char *path;
		int status;
	} rows[] = {
		{NULL, WIRE_INVALID_ARGUMENT},
		{relative, WIRE_INVALID_ARGUMENT},
		{directory, WIRE_INVALID_ARGUMENT},
		{device, WIRE_INVALID_ARGUMENT},
		{missing, WIRE_INTERNAL},
		{magic, WIRE_INTERNAL},
		{file, WIRE_INTERNAL},
	};
	Grpc__AddSwapPathRequest request = GRPC__ADD_SWAP_PATH_REQUEST__INIT;
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		request.path = rows[i].path;
		assert_int_equal(call(f, "AddSwapPath", &request.base, NULL), rows[i].status);
	}
}

/* Leaves its arguments, each on a line, and fails if the file "fail" is there. */
static void fake_modprobe(const struct fixture *f, char path[static LONG_PATH])
{
	char text[2 * LONG_PATH];

	snprintf(path, LONG_PATH, "%s/modprobe", f->dir);
	snprintf(text, sizeof(text),
		"#!/bin/sh\nprintf '%%s\\n' \"$@\" >>%s/args\n"
		"[ -e %s/fail ] || exit 0\nprintf 'no \\377 such\\n' >&2\nexit 3\n",
		f->dir, f->dir);
	assert_int_equal(io_replace_file(AT_FDCWD, path, 0755, text, strlen(text)), 0);
	assert_int_equal(mount(path, MODPROBE, NULL, MS_BIND, NULL), 0);
}

static void modules_are_loaded_without_a_shell(void **state)
{
	static char name[] = "dummy", hostile[] = "a=$(touch /tmp/x); `id` 'b", dash[] = "-r";
	Grpc__CreateSandboxRequest request = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	Grpc__KernelModule module = GRPC__KERNEL_MODULE__INIT, *modules[] = {&module};
	char *parameters[] = {hostile, dash}, path[LONG_PATH], args[LONG_PATH];
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	if (access(MODPROBE, X_OK) < 0)
		skip();
	fake_modprobe(f, path);
	snprintf(args, sizeof(args), "%s/args", f->dir);
	module.name = name;
	module.parameters = parameters;
	module.n_parameters = ARRAY_SIZE(parameters);
	request.kernel_modules = modules;
	request.n_kernel_modules = 1;
	snprintf(path, sizeof(path), "%s/fail", f->dir);
	write_file(path, "");
	assert_int_equal(call(f, "CreateSandbox", &request.base, &err), WIRE_INTERNAL);
	assert_non_null(strstr(
		err.msg, "kernel module dummy: " MODPROBE ": exited with status 3: no ? such"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(unlink(args), 0);
	/* Nothing is left of the failure. */
	assert_int_equal(call(f, "CreateSandbox", &request.base, NULL), 0);
	assert_int_equal(umount2(MODPROBE, MNT_DETACH), 0);
	expect_text(args, "-v\n--\ndummy\na=$(touch /tmp/x); `id` 'b\n-r\n");
}

static void module_names_that_are_none_never_reach_modprobe(void **state)
{
	static char names[][16] = {"", "-r", "--version", "../kernel", "/lib/x.ko", ".", "a/b"};
	Grpc__CreateSandboxRequest request = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	Grpc__KernelModule good = GRPC__KERNEL_MODULE__INIT, bad = good, *modules[] = {&good, &bad};
	char path[LONG_PATH], args[LONG_PATH];
	struct fixture *f = *state;

	if (access(MODPROBE, X_OK) < 0)
		skip();
	fake_modprobe(f, path);
	good.name = path + strlen(path) - strlen("modprobe");
	request.kernel_modules = modules;
	request.n_kernel_modules = 2;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		bad.name = names[i];
		assert_int_equal(
			call(f, "CreateSandbox", &request.base, NULL), WIRE_INVALID_ARGUMENT);
	}
	assert_int_equal(umount2(MODPROBE, MNT_DETACH), 0);
	snprintf(args, sizeof(args), "%s/args", f->dir);
	assert_int_not_equal(access(args, F_OK), 0);
}

#define guest_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_test(processors_are_switched_on_as_far_as_asked),
		guest_test(memory_is_switched_on),
		guest_test(a_processor_that_comes_later_is_waited_for),
		guest_test(processors_that_do_not_come_are_an_error),
		guest_test(containers_get_the_new_processors),
		guest_test(memory_is_probed_at_the_addresses_given),
		guest_test(details_tell_how_memory_is_plugged_in),
		agent_test(what_is_not_in_this_agent_is_refused_by_name),
		agent_test(a_swap_file_is_used),
		agent_test(what_is_no_swap_is_refused),
		agent_test(modules_are_loaded_without_a_shell),
		agent_test(module_names_that_are_none_never_reach_modprobe),
	};

	fixture_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
