/* SPDX-License-Identifier: Apache-2.0 */
/* The sandbox and what its containers share; the guest as a whole. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "fixture.h"
#include "health.pb-c.h"

static void health_answers(void **state)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;
	struct fixture *f = *state;
	struct reply reply;

	call_start(f, "Check", &request.base, &grpc__health_check_response__descriptor, &reply);
	call_wait(f, &reply);
	assert_int_equal(((Grpc__HealthCheckResponse *)reply.message)->status,
		GRPC__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING);
	reply_fini(&reply);
	call_start(f, "Version", &request.base, &grpc__version_check_response__descriptor, &reply);
	call_wait(f, &reply);
	assert_string_equal(((Grpc__VersionCheckResponse *)reply.message)->grpc_version, "0.0.1");
	assert_string_equal(
		((Grpc__VersionCheckResponse *)reply.message)->agent_version, KIHON_VERSION);
	reply_fini(&reply);
}

static void guest_details_are_given_as_asked(void **state)
{
	Grpc__GuestDetailsRequest request = GRPC__GUEST_DETAILS_REQUEST__INIT;
	const Grpc__GuestDetailsResponse *response;
	struct fixture *f = *state;
	struct reply reply;
	size_t n;

	request.has_mem_hotplug_probe = request.mem_hotplug_probe = 1;
	call_start(f, "GetGuestDetails", &request.base, &grpc__guest_details_response__descriptor,
		&reply);
	call_wait(f, &reply);
	response = (const Grpc__GuestDetailsResponse *)reply.message;
	assert_false(response->has_mem_block_size_bytes);
	assert_true(response->has_support_mem_hotplug_probe);
	assert_string_equal(response->agent_details->version, KIHON_VERSION);
	assert_false(response->agent_details->init_daemon);
	assert_true(response->agent_details->supports_seccomp);
	assert_true(response->agent_details->n_storage_handlers >= 6);
	assert_string_equal(response->agent_details->storage_handlers[0], "virtio-fs");
	n = response->agent_details->n_extra_features;
	assert_true(n >= 11);
	assert_string_equal(response->agent_details->extra_features[0], "oci.Linux.personality");
	assert_string_equal(response->agent_details->extra_features[n - 1], "seccomp");
	reply_fini(&reply);
	request.has_mem_block_size = request.mem_block_size = 1;
	assert_int_equal(call(f, "GetGuestDetails", &request.base, NULL), 0);
}

static void nonsense_for_clock_and_random_pool_is_refused(void **state)
{
	Grpc__SetGuestDateTimeRequest date = GRPC__SET_GUEST_DATE_TIME_REQUEST__INIT;
	Grpc__ReseedRandomDevRequest reseed = GRPC__RESEED_RANDOM_DEV_REQUEST__INIT;
	struct fixture *f = *state;
	uint8_t seed[] = {1, 2, 3};

	date.has_sec = date.has_usec = 1;
	date.sec = 1;
	date.usec = -1;
	assert_int_equal(call(f, "SetGuestDateTime", &date.base, NULL), WIRE_INTERNAL);
	date.usec = 1000000;
	assert_int_equal(call(f, "SetGuestDateTime", &date.base, NULL), WIRE_INTERNAL);
	assert_int_equal(call(f, "ReseedRandomDev", &reseed.base, NULL), WIRE_INVALID_ARGUMENT);
	reseed.has_data = 1;
	reseed.data = (ProtobufCBinaryData){.data = seed, .len = sizeof(seed)};
	assert_int_equal(call(f, "ReseedRandomDev", &reseed.base, NULL), 0);
}

static void what_is_still_to_come_is_unimplemented_by_name(void **state)
{
	Grpc__AddSwapRequest request = GRPC__ADD_SWAP_REQUEST__INIT;
	static const char *const names[] = {"ResizeVolume", "StartTracing"};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(call(f, names[i], &request.base, &err), WIRE_UNIMPLEMENTED);
		assert_non_null(strstr(err.msg, names[i]));
	}
}

/* What it lets go of is seen end to end (tests/e2e/pods.bats). */
static void shared_mounts_are_looked_at(void **state)
{
	Grpc__RemoveStaleVirtiofsShareMountsRequest request =
		GRPC__REMOVE_STALE_VIRTIOFS_SHARE_MOUNTS_REQUEST__INIT;
	struct fixture *f = *state;

	assert_int_equal(call(f, "RemoveStaleVirtiofsShareMounts", &request.base, NULL), 0);
}

static void containers_share_ipc_and_hostname(void **state)
{
	static const char script[] = "hostname; readlink /proc/self/ns/ipc /proc/self/ns/uts";
	struct buf first = BUF_INIT, second = BUF_INIT;
	struct fixture *f = *state;

	assert_int_equal(create_sandbox(f, "pod-1"), 0);
	run_container(f, "c1", script);
	run_container(f, "c2", script);
	read_all(f, "c1", "", &first);
	read_all(f, "c2", "", &second);
	assert_memory_equal(buf_str(&first), "pod-1\n", 6);
	assert_string_equal(buf_str(&first), buf_str(&second));
	assert_int_equal(remove_container(f, "c1"), 0);
	assert_int_equal(remove_container(f, "c2"), 0);
	buf_fini(&first);
	buf_fini(&second);
}

static void read_agents_namespaces(const struct fixture *f, char names[2][64])
{
	static const char *const types[] = {"ipc", "uts"};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)f->agent_pid, types[i]);
		memset(names[i], 0, 64);
		assert_true(readlink(path, names[i], 63) > 0);
	}
}

static void the_agent_stays_in_its_own_namespaces(void **state)
{
	char before[2][64], after[2][64];
	struct buf out = BUF_INIT;
	struct fixture *f = *state;

	read_agents_namespaces(f, before);
	assert_int_equal(create_sandbox(f, "pod-1"), 0);
	run_container(f, "c1", "readlink /proc/self/ns/ipc; readlink /proc/self/ns/uts");
	read_all(f, "c1", "", &out);
	read_agents_namespaces(f, after);
	for (size_t i = 0; i < ARRAY_SIZE(before); i++) {
		assert_string_equal(before[i], after[i]);
		assert_null(strstr(buf_str(&out), after[i]));
	}
	buf_fini(&out);
}

static void the_pid_namespace_is_shared_on_request_only(void **state)
{
	struct container_options first = {.id = "c1", .script = "exec sleep 1000"};
	struct container_options second = {
		.id = "c2", .script = "readlink /proc/self/ns/pid", .shared_pid = true};
	struct container_options third = {.id = "c3", .script = "readlink /proc/self/ns/pid"};
	struct buf out[3] = {BUF_INIT, BUF_INIT, BUF_INIT};
	struct fixture *f = *state;

	assert_int_equal(create_sandbox(f, "pod"), 0);
	assert_int_equal(create_container(f, &first, NULL), 0);
	assert_int_equal(start_container(f, "c1"), 0);
	assert_int_equal(create_container(f, &second, NULL), 0);
	assert_int_equal(start_container(f, "c2"), 0);
	assert_int_equal(create_container(f, &third, NULL), 0);
	assert_int_equal(start_container(f, "c3"), 0);
	assert_int_equal(exec_process(f, "c1", "e1", "readlink /proc/self/ns/pid", false, NULL), 0);
	read_all(f, "c1", "e1", &out[0]);
	read_all(f, "c2", "", &out[1]);
	read_all(f, "c3", "", &out[2]);
	assert_string_equal(buf_str(&out[0]), buf_str(&out[1]));
	assert_string_not_equal(buf_str(&out[0]), buf_str(&out[2]));
	for (size_t i = 0; i < ARRAY_SIZE(out); i++)
		buf_fini(&out[i]);
}

static void a_pid_namespace_that_is_not_there_cannot_be_shared(void **state)
{
	struct container_options first = {.id = "c1", .script = "exit"};
	struct container_options second = {.id = "c2", .script = "exit", .shared_pid = true};
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct reply reply;

	/* The first is being created: there is a container, but no namespace yet. */
	first.reply = &reply;
	assert_int_equal(create_container(f, &first, NULL), 0);
	assert_int_equal(create_container(f, &second, &err), WIRE_INTERNAL);
	assert_non_null(strstr(err.msg, "Sandbox does not have sandbox_pidns"));
	call_wait(f, &reply);
	assert_false(err_is_set(&reply.err));
	assert_int_equal(create_container(f, &second, &err), 0);
}

/* It is held by descriptor: whoever has the number of its first process by now, nobody lives there. */
static void a_pid_namespace_that_has_ended_is_not_replaced(void **state)
{
	struct container_options second = {.id = "c2", .script = "exit", .shared_pid = true};
	struct container_options third = {.id = "c3", .script = "exit 3"};
	struct fixture *f = *state;

	assert_int_equal(create_sandbox(f, "pod"), 0);
	run_container(f, "c1", "exit");
	assert_int_equal(wait_process(f, "c1", ""), 0);
	assert_int_equal(remove_container(f, "c1"), 0);
	assert_int_not_equal(create_container(f, &second, NULL), 0);
	assert_int_equal(create_container(f, &third, NULL), 0);
	assert_int_equal(start_container(f, "c3"), 0);
	assert_int_equal(wait_process(f, "c3", ""), 3);
}

/* What waits for its start is still the agent's program; a neighbour that could open it there could
 * write to it later (CVE-2019-5736 of runc). */
static void who_waits_for_its_start_is_out_of_a_neighbours_reach(void **state)
{
	static const char script[] =
		"for p in /proc/[0-9]*; do [ $p = /proc/$$ ] || if readlink $p/exe >/dev/null 2>&1 "
		"||"
		" dd if=$p/exe count=1 >/dev/null 2>&1; then echo open; else echo closed; fi; done";
	struct container_options waiting = {.id = "c2", .script = "exit", .shared_pid = true};
	struct fixture *f = *state;
	struct buf out = BUF_INIT;

	assert_int_equal(create_sandbox(f, "pod"), 0);
	run_container(f, "c1", "exec sleep 1000");
	assert_int_equal(create_container(f, &waiting, NULL), 0);
	assert_int_equal(exec_process(f, "c1", "e1", script, false, NULL), 0);
	read_all(f, "c1", "e1", &out);
	/* The container's own init, and the other's. */
	assert_string_equal(buf_str(&out), "open\nclosed\n");
	buf_fini(&out);
}

static void a_sandbox_comes_first_and_once(void **state)
{
	struct fixture *f = *state;

	run_container(f, "c1", "exec sleep 1000");
	assert_int_equal(create_sandbox(f, "pod"), WIRE_FAILED_PRECONDITION);
	assert_int_equal(remove_container(f, "c1"), 0);
	assert_int_equal(create_sandbox(f, "pod"), 0);
	assert_int_equal(create_sandbox(f, "pod"), WIRE_ALREADY_EXISTS);
}

static void kernel_modules_must_be_there(void **state)
{
	Grpc__CreateSandboxRequest request = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	Grpc__KernelModule module = GRPC__KERNEL_MODULE__INIT, *modules[] = {&module};
	char name[] = "no_such_module", bad[] = "../kernel", empty[] = "";
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	request.kernel_modules = modules;
	request.n_kernel_modules = 1;
	assert_int_equal(call(f, "CreateSandbox", &request.base, NULL), WIRE_INVALID_ARGUMENT);
	module.name = empty;
	assert_int_equal(call(f, "CreateSandbox", &request.base, NULL), WIRE_INVALID_ARGUMENT);
	module.name = name;
	assert_int_equal(call(f, "CreateSandbox", &request.base, &err), WIRE_INTERNAL);
	assert_non_null(strstr(err.msg, "no_such_module"));
	module.name = bad;
	assert_int_equal(call(f, "CreateSandbox", &request.base, NULL), WIRE_INVALID_ARGUMENT);
	assert_int_equal(create_sandbox(f, "pod"), 0);
}

struct storage_row {
	char *driver, *source, *fstype, *mount_point, *options[3];
};

static Grpc__Storage make_storage(struct storage_row *row)
{
	Grpc__Storage s = GRPC__STORAGE__INIT;

	s.driver = row->driver;
	s.source = row->source;
	s.fstype = row->fstype;
	s.mount_point = row->mount_point;
	s.options = row->options;
	while (s.n_options < ARRAY_SIZE(row->options) && row->options[s.n_options])
		s.n_options++;
	return s;
}

static char ephemeral[] = "ephemeral", shm[] = "shm", tmpfs[] = "tmpfs", fs_option[] = "size=1m",
	    mode_option[] = "mode=0750", gid_option[] = "fsgid=4321";

static void bad_storages_fail_the_sandbox_and_leave_nothing(void **state)
{
	static char virtio_fs[] = "virtio-fs", unknown[] = "floppy", virtiofs[] = "virtiofs",
		    tag[] = "no-such-tag", up[] = "/tmp/../x", root[] = "/", relative[] = "x",
		    loop_option[] = "loop", bad_gid[] = "fsgid=-1", bad_option[] = "size=nonsense";
	char good[2 * PATH_SIZE], second[2 * PATH_SIZE];
	struct fixture *f = *state;
	struct storage_row first = {ephemeral, shm, tmpfs, good, {fs_option}};
	struct {
		struct storage_row row;
		const char *text;
	} rows[] = {
		{{unknown, shm, tmpfs, second, {NULL}},
			"Failed to find the storage handler floppy"},
		{{ephemeral, shm, tmpfs, up, {NULL}}, "mount point"},
		{{ephemeral, shm, tmpfs, root, {NULL}}, "mount point"},
		{{ephemeral, shm, tmpfs, relative, {NULL}}, "mount point"},
		{{ephemeral, NULL, tmpfs, second, {NULL}}, "source"},
		{{ephemeral, shm, tmpfs, second, {loop_option}}, "loop"},
		{{ephemeral, shm, tmpfs, second, {bad_gid}}, "fsgid=-1"},
		{{ephemeral, shm, tmpfs, second, {bad_option}}, "mount shm"},
		{{virtio_fs, tag, virtiofs, second, {NULL}}, "no-such-tag"},
	};

	snprintf(good, sizeof(good), "%s/good", f->dir);
	snprintf(second, sizeof(second), "%s/second", f->dir);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		Grpc__CreateSandboxRequest request = GRPC__CREATE_SANDBOX_REQUEST__INIT;
		Grpc__Storage a = make_storage(&first), b = make_storage(&rows[i].row);
		Grpc__Storage *list[] = {&a, &b};
		struct err err = ERR_INIT;

		request.storages = list;
		request.n_storages = 2;
		assert_int_not_equal(call(f, "CreateSandbox", &request.base, &err), 0);
		if (!strstr(err.msg, rows[i].text))
			fail_msg("row %zu: %s", i, err.msg);
		assert_int_not_equal(access(good, F_OK), 0);
	}
	assert_int_equal(create_sandbox(f, "pod"), 0);
}

static void ephemeral_storage_has_its_options(void **state)
{
	Grpc__CreateSandboxRequest request = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	char path[2 * PATH_SIZE], inside[3 * PATH_SIZE];
	struct storage_row row = {
		ephemeral, shm, tmpfs, path, {fs_option, mode_option, gid_option}};
	struct fixture *f = *state;
	Grpc__Storage storage, *list[] = {&storage};
	struct statfs fs;
	struct stat st;

	snprintf(path, sizeof(path), "%s/sandbox/shm", f->run_dir);
	/* The agent has our mounts, and we its. */
	snprintf(inside, sizeof(inside), "/proc/%d/root%s", (int)f->agent_pid, path);
	storage = make_storage(&row);
	request.storages = list;
	request.n_storages = 1;
	assert_int_equal(call(f, "CreateSandbox", &request.base, NULL), 0);
	assert_int_equal(statfs(inside, &fs), 0);
	assert_int_equal(fs.f_blocks * (uint64_t)fs.f_bsize, 1 << 20);
	assert_int_equal(stat(inside, &st), 0);
	assert_int_equal(st.st_mode & 07777, 02750);
	assert_int_equal(st.st_gid, 4321);
}

static void a_storage_lives_as_long_as_its_users(void **state)
{
	/* Mounts whatever type it is told. */
	static char overlayfs[] = "overlayfs";
	char path[2 * PATH_SIZE], file[3 * PATH_SIZE];
	struct storage_row row = {overlayfs, shm, tmpfs, path, {NULL}};
	struct fixture *f = *state;
	Grpc__Storage storage, *list[] = {&storage, &storage};
	struct container_options one = {
		.id = "c1", .script = "exit", .storages = list, .n_storages = 2};
	struct container_options two = {
		.id = "c2", .script = "exit", .storages = list, .n_storages = 1};
	struct container_options bad = {.id = "c3",
		.script = "exit",
		.storages = list,
		.n_storages = 1,
		.root = "/no/such/root"};
	int fd;

	snprintf(path, sizeof(path), "%s/volume", f->dir);
	snprintf(file, sizeof(file), "%s/file", path);
	storage = make_storage(&row);
	assert_int_equal(create_container(f, &one, NULL), 0);
	fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close_fd(fd);
	assert_int_equal(create_container(f, &two, NULL), 0);
	assert_int_equal(create_container(f, &bad, NULL), WIRE_INTERNAL);
	assert_int_equal(access(file, F_OK), 0);
	assert_int_equal(remove_container(f, "c1"), 0);
	assert_int_equal(access(file, F_OK), 0);
	assert_int_equal(remove_container(f, "c2"), 0);
	assert_int_not_equal(access(path, F_OK), 0);
	assert_int_equal(create_container(f, &bad, NULL), WIRE_INTERNAL);
	assert_int_not_equal(access(path, F_OK), 0);
}

static void destroying_ends_everything_and_the_agent(void **state)
{
	Grpc__DestroySandboxRequest request = GRPC__DESTROY_SANDBOX_REQUEST__INIT;
	struct container_options created = {.id = "c3", .script = "exit"};
	struct reply destroy, waits[2];
	struct fixture *f = *state;
	siginfo_t info;

	assert_int_equal(create_sandbox(f, "pod"), 0);
	run_container(f, "c1", "exec sleep 1000");
	run_container(f, "c2", "trap '' TERM; sleep 1000 & wait");
	assert_int_equal(create_container(f, &created, NULL), 0);
	wait_start(f, "c1", "", &waits[0]);
	wait_start(f, "c2", "", &waits[1]);
	call_start(f, "DestroySandbox", &request.base, NULL, &destroy);
	call_wait(f, &destroy);
	assert_false(err_is_set(&destroy.err));
	for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
		call_wait(f, &waits[i]);
		assert_int_equal(wait_code(&waits[i]), 137);
		reply_fini(&waits[i]);
	}
	assert_int_equal(waitid(P_PID, (id_t)f->agent_pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(info.si_code, CLD_EXITED);
	assert_int_equal(info.si_status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		agent_test(health_answers),
		agent_test(guest_details_are_given_as_asked),
		agent_test(nonsense_for_clock_and_random_pool_is_refused),
		agent_test(what_is_still_to_come_is_unimplemented_by_name),
		agent_test(shared_mounts_are_looked_at),
		agent_test(containers_share_ipc_and_hostname),
		agent_test(the_agent_stays_in_its_own_namespaces),
		agent_test(the_pid_namespace_is_shared_on_request_only),
		agent_test(a_pid_namespace_that_is_not_there_cannot_be_shared),
		agent_test(a_pid_namespace_that_has_ended_is_not_replaced),
		agent_test(who_waits_for_its_start_is_out_of_a_neighbours_reach),
		agent_test(a_sandbox_comes_first_and_once),
		agent_test(kernel_modules_must_be_there),
		agent_test(bad_storages_fail_the_sandbox_and_leave_nothing),
		agent_test(ephemeral_storage_has_its_options),
		agent_test(a_storage_lives_as_long_as_its_users),
		agent_test(destroying_ends_everything_and_the_agent),
	};

	fixture_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
