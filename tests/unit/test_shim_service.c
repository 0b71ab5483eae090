/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The task API from a client's end, with stand-ins for QEMU, virtiofsd and the guest. Needs root
 * for its mounts, and a host without /dev/vhost-vsock (there the kernel would be the way to the
 * guest).
 */
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/path.h"
#include "fake_agent.h"
#include "fake_qemu.h"
#include "linux/mountfd.h"
#include "shim/shim.h"
#include "shim/shim_end.h"
#include "task.pb-c.h"
#include "wire/dial.h"
#include "wire/message.h"
#include "wire/status.h"
#include "wire/ttrpc_client.h"

enum { LIMIT_S = 30, SKIPPED = 77, MAX_CHILDREN = 16 };

struct fixture {
	char dir[40], run_root[64], bundle[64], config[64], address[64],
		script[FAKE_AGENT_SCRIPT_SIZE];
	struct cli cli;
	struct shim shim;
	struct ttrpc_client *client;
	int64_t stopped_code;
};

/* One call's answer. */
struct answer {
	bool has_come;
	int status; /* 0: fine */
	char msg[256];
	uint32_t pid, exit_status;
	size_t n_processes;
	int task_status;
};

#define INIT(type) CONTAINERD__TASK__V2__##type##__INIT

static void note_reply(struct answer *a, const ProtobufCMessage *reply)
{
	const ProtobufCMessageDescriptor *d = reply->descriptor;

	if (d == &containerd__task__v2__create_task_response__descriptor)
		a->pid = ((const Containerd__Task__V2__CreateTaskResponse *)reply)->pid;
	if (d == &containerd__task__v2__start_response__descriptor)
		a->pid = ((const Containerd__Task__V2__StartResponse *)reply)->pid;
	if (d == &containerd__task__v2__wait_response__descriptor)
		a->exit_status = ((const Containerd__Task__V2__WaitResponse *)reply)->exit_status;
	if (d == &containerd__task__v2__delete_response__descriptor)
		a->exit_status = ((const Containerd__Task__V2__DeleteResponse *)reply)->exit_status;
	if (d == &containerd__task__v2__state_response__descriptor)
		a->task_status = (int)((const Containerd__Task__V2__StateResponse *)reply)->status;
	if (d == &containerd__task__v2__pids_response__descriptor)
		a->n_processes = ((const Containerd__Task__V2__PidsResponse *)reply)->n_processes;
}

static void on_answer(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct answer *a = data;

	assert_false(a->has_come);
	a->has_come = true;
	if (err) {
		a->status = err->status ? err->status : -1;
		snprintf(a->msg, sizeof(a->msg), "%.*s", (int)sizeof(a->msg) - 1, err->msg);
	} else if (reply) {
		note_reply(a, reply);
	}
}

static void run_until(struct fixture *f, const bool *flag)
{
	int64_t deadline_ns = clock_now_ns() + LIMIT_S * NS_PER_S;

	while (!*flag && clock_now_ns() < deadline_ns)
		assert_int_equal(loop_run_once(f->shim.loop, 10 * NS_PER_MS), 0);
	assert_true(*flag);
}

static void begin(struct fixture *f, struct answer *a, const char *method,
	const ProtobufCMessage *request, const ProtobufCMessageDescriptor *reply)
{
	*a = (struct answer){0};
	assert_int_equal(ttrpc_client_call(f->client, "containerd.task.v2.Task", method, request, 0,
				 reply, on_answer, a, NULL),
		0);
}

static struct answer call(struct fixture *f, const char *method, const ProtobufCMessage *request,
	const ProtobufCMessageDescriptor *reply)
{
	struct answer a;

	begin(f, &a, method, request, reply);
	run_until(f, &a.has_come);
	return a;
}

/* ---- Calls ---- */

static char c1[] = "c1";

static void begin_create(struct fixture *f, struct answer *a)
{
	Containerd__Task__V2__CreateTaskRequest request = INIT(CREATE_TASK_REQUEST);

	request.id = c1;
	request.bundle = f->bundle;
	begin(f, a, "Create", &request.base,
		&containerd__task__v2__create_task_response__descriptor);
}

static struct answer create(struct fixture *f)
{
	struct answer a;

	begin_create(f, &a);
	run_until(f, &a.has_come);
	return a;
}

static struct answer start(struct fixture *f, char *exec_id)
{
	Containerd__Task__V2__StartRequest request = INIT(START_REQUEST);

	request.id = c1;
	request.exec_id = exec_id;
	return call(f, "Start", &request.base, &containerd__task__v2__start_response__descriptor);
}

static void begin_wait(struct fixture *f, struct answer *a, char *exec_id)
{
	Containerd__Task__V2__WaitRequest request = INIT(WAIT_REQUEST);

	request.id = c1;
	request.exec_id = exec_id;
	begin(f, a, "Wait", &request.base, &containerd__task__v2__wait_response__descriptor);
}

static struct answer state(struct fixture *f)
{
	Containerd__Task__V2__StateRequest request = INIT(STATE_REQUEST);

	request.id = c1;
	return call(f, "State", &request.base, &containerd__task__v2__state_response__descriptor);
}

static struct answer kill_task(struct fixture *f, char *exec_id, uint32_t signo)
{
	Containerd__Task__V2__KillRequest request = INIT(KILL_REQUEST);

	request.id = c1;
	request.exec_id = exec_id;
	MESSAGE_SET(&request, signal, signo);
	return call(f, "Kill", &request.base, NULL);
}

static struct answer delete_task(struct fixture *f, char *exec_id)
{
	Containerd__Task__V2__DeleteRequest request = INIT(DELETE_REQUEST);

	request.id = c1;
	request.exec_id = exec_id;
	return call(f, "Delete", &request.base, &containerd__task__v2__delete_response__descriptor);
}

static struct answer exec(struct fixture *f, char *exec_id)
{
	static char json[] = "{\"args\":[\"x\"],\"cwd\":\"/\",\"user\":{\"uid\":0,\"gid\":0}}";
	static char type[] = "types.containerd.io/opencontainers/runtime-spec/1/Process";
	Containerd__Task__V2__ExecProcessRequest request = INIT(EXEC_PROCESS_REQUEST);
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;

	any.type_url = type;
	any.has_value = 1;
	any.value.data = (uint8_t *)json;
	any.value.len = strlen(json);
	request.id = c1;
	request.exec_id = exec_id;
	request.spec = &any;
	return call(f, "Exec", &request.base, NULL);
}

/* ---- The fixture ---- */

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[160];

	snprintf(path, sizeof(path), "%s%s%s", dir, name[0] ? "/" : "", name);
	assert_int_equal(io_replace_file(AT_FDCWD, path, 0600, text, strlen(text)), 0);
}

static void script(struct fixture *f, const char *words)
{
	write_file(f->script, "", words);
}

static void configure(struct fixture *f, const char *qemu_word)
{
	auto_buf struct buf b = BUF_INIT;

	assert_int_equal(buf_printf(&b,
				 "[hypervisor.qemu]\npath = \"/proc/self/exe\"\n"
				 "kernel = \"/proc/self/exe\"\ninitrd = \"/proc/self/exe\"\n"
				 "virtio_fs_daemon = \"/proc/self/exe\"\n"
				 "kernel_params = \"%s\"\n[runtime]\nhypervisor_name = \"qemu\"\n",
				 qemu_word),
		0);
	write_file(f->config, "", buf_str(&b));
}

static int set_up(void **data)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct ttrpc_server_config server = {.methods = shim_methods,
		.user = &f->shim,
		.unknown_service_status = WIRE_UNIMPLEMENTED};
	int pair[2];

	snprintf(f->dir, sizeof(f->dir), "/tmp/test_service.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->run_root, sizeof(f->run_root), "%s/run", f->dir);
	snprintf(f->bundle, sizeof(f->bundle), "%s/bundle", f->dir);
	snprintf(f->config, sizeof(f->config), "%s/configuration.toml", f->dir);
	fake_agent_script(getpid(), f->script);
	assert_int_equal(path_mkdir(f->bundle, 0700), 0);
	write_file(f->bundle, "config.json",
		"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"rootfs\"},\"process\":{\"cwd\":\"/"
		"\","
		"\"args\":[\"x\"],\"user\":{\"uid\":0,\"gid\":0}},\"linux\":{\"namespaces\":["
		"{\"type\":\"mount\"},{\"type\":\"network\"}]}}");
	snprintf(f->address, sizeof(f->address), "%s/bundle/rootfs", f->dir);
	assert_int_equal(path_mkdir(f->address, 0755), 0);
	assert_int_equal(setenv("KATA_CONF_FILE", f->config, 1), 0);
	configure(f, "quiet");
	script(f, "");

	f->shim = (struct shim){.cli = &f->cli, .socket_path = "/none", .run_root = f->run_root};
	assert_int_equal(loop_new(&f->shim.loop), 0);
	assert_int_equal(events_new(f->shim.loop, NULL, "default", &f->shim.events), 0);
	server.n_methods = shim_n_methods;
	assert_int_equal(ttrpc_server_new(f->shim.loop, -1, &server, &f->shim.server), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(ttrpc_server_add(f->shim.server, pair[0]), 0);
	assert_int_equal(ttrpc_client_new(f->shim.loop, pair[1], NULL, NULL, &f->client), 0);
	*data = f;
	return 0;
}

/* Nothing is left of any sandbox: no process of ours, no directory. */
static void assert_nothing_left(struct fixture *f)
{
	char path[160];

	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	assert_null(f->shim.sandbox);
	snprintf(path, sizeof(path), "%s/kata/c1", f->run_root);
	assert_int_equal(access(path, F_OK), -1);
	snprintf(path, sizeof(path), "%s/kata-containers/shared/sandboxes/c1", f->run_root);
	assert_int_equal(access(path, F_OK), -1);
}

static int tear_down(void **data)
{
	struct fixture *f = *data;

	assert_nothing_left(f);
	assert_int_equal(f->shim.containers.n_entries, 0);
	ttrpc_client_free(f->client);
	ttrpc_server_free(f->shim.server);
	events_free(f->shim.events);
	map_fini(&f->shim.containers);
	loop_free(f->shim.loop);
	unlink(f->script);
	assert_int_equal(path_remove_tree(AT_FDCWD, f->dir), 0);
	free(f);
	return 0;
}

/* ---- Tests ---- */

static void an_unknown_task_is_not_found(void **data)
{
	struct fixture *f = *data;
	Containerd__Task__V2__PidsRequest pids = INIT(PIDS_REQUEST);
	struct answer wait;

	pids.id = c1;
	assert_int_equal(state(f).status, WIRE_NOT_FOUND);
	assert_non_null(strstr(state(f).msg, "not found"));
	assert_int_equal(start(f, NULL).status, WIRE_NOT_FOUND);
	assert_int_equal(exec(f, c1).status, WIRE_NOT_FOUND);
	assert_int_equal(delete_task(f, NULL).status, WIRE_NOT_FOUND);
	assert_int_equal(call(f, "Pids", &pids.base, NULL).status, WIRE_NOT_FOUND);
	begin_wait(f, &wait, NULL);
	run_until(f, &wait.has_come);
	assert_int_equal(wait.status, WIRE_NOT_FOUND);
	/* Who wanted it dead has what he wanted. */
	assert_int_equal(kill_task(f, NULL, SIGKILL).status, 0);
	assert_int_equal(kill_task(f, NULL, SIGTERM).status, 0);
	assert_int_equal(kill_task(f, NULL, SIGHUP).status, WIRE_NOT_FOUND);
}

static void what_is_not_done_yet_says_so_by_name(void **data)
{
	static const char *const names[] = {"Pause", "Resume", "Checkpoint", "Update", "Stats"};
	struct fixture *f = *data;
	Containerd__Task__V2__PauseRequest request = INIT(PAUSE_REQUEST);

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct answer a = call(f, names[i], &request.base, NULL);

		assert_int_equal(a.status, WIRE_UNIMPLEMENTED);
		assert_non_null(strstr(a.msg, names[i]));
	}
	assert_int_equal(call(f, "Nonsense", &request.base, NULL).status, WIRE_UNIMPLEMENTED);
}

static void a_container_lives(void **data)
{
	struct fixture *f = *data;
	Containerd__Task__V2__PidsRequest pids = INIT(PIDS_REQUEST);
	struct answer a, wait;
	uint32_t pid;

	pids.id = c1;
	a = create(f);
	assert_string_equal(a.msg, "");
	pid = a.pid;
	assert_int_equal(kill((pid_t)pid, 0), 0);
	assert_int_equal(state(f).task_status, CONTAINERD__TASK__V2__STATUS__CREATED);
	begin_wait(f, &wait, NULL);
	a = start(f, NULL);
	assert_int_equal(a.status, 0);
	assert_int_equal(a.pid, pid);
	assert_int_equal(state(f).task_status, CONTAINERD__TASK__V2__STATUS__RUNNING);
	a = call(f, "Pids", &pids.base, &containerd__task__v2__pids_response__descriptor);
	assert_int_equal(a.n_processes, 1);
	assert_int_equal(start(f, NULL).status, WIRE_FAILED_PRECONDITION);
	assert_int_equal(create(f).status, WIRE_ALREADY_EXISTS);
	assert_false(wait.has_come);
	assert_int_equal(kill_task(f, NULL, SIGTERM).status, 0);
	run_until(f, &wait.has_come);
	assert_int_equal(wait.exit_status, 143);
	assert_int_equal(state(f).task_status, CONTAINERD__TASK__V2__STATUS__STOPPED);
	assert_int_equal(kill_task(f, NULL, SIGKILL).status, 0);
	assert_int_equal(kill_task(f, NULL, SIGHUP).status, WIRE_NOT_FOUND);
	/* A Wait that comes late is answered too. */
	begin_wait(f, &wait, NULL);
	run_until(f, &wait.has_come);
	assert_int_equal(wait.exit_status, 143);
	a = delete_task(f, NULL);
	assert_int_equal(a.status, 0);
	assert_int_equal(a.exit_status, 143);
	assert_nothing_left(f);
	/* The id is free again. */
	assert_int_equal(create(f).status, 0);
	assert_int_equal(delete_task(f, NULL).status, 0);
}

static void execs_come_and_go(void **data)
{
	struct fixture *f = *data;
	Containerd__Task__V2__PidsRequest pids = INIT(PIDS_REQUEST);
	char e1[] = "e1", e[] = "e", bad[] = "../e";
	struct answer a, wait;

	pids.id = c1;
	assert_int_equal(create(f).status, 0);
	assert_int_equal(exec(f, e1).status, 0);
	assert_int_equal(exec(f, e1).status, WIRE_ALREADY_EXISTS);
	assert_int_equal(exec(f, c1).status, WIRE_ALREADY_EXISTS);
	assert_int_equal(exec(f, bad).status, WIRE_INVALID_ARGUMENT);
	/* Not before the container. */
	assert_int_equal(start(f, e1).status, WIRE_FAILED_PRECONDITION);
	assert_int_equal(start(f, NULL).status, 0);
	assert_int_equal(kill_task(f, e1, SIGKILL).status, WIRE_FAILED_PRECONDITION);
	begin_wait(f, &wait, e1);
	assert_int_equal(start(f, e1).status, 0);
	assert_int_equal(exec(f, e).status, 0);
	a = call(f, "Pids", &pids.base, &containerd__task__v2__pids_response__descriptor);
	assert_int_equal(a.n_processes, 2);
	assert_int_equal(delete_task(f, e1).status, WIRE_FAILED_PRECONDITION);
	assert_int_equal(kill_task(f, e1, SIGINT).status, 0);
	run_until(f, &wait.has_come);
	assert_int_equal(wait.exit_status, 130);
	a = delete_task(f, e1);
	assert_int_equal(a.exit_status, 130);
	assert_int_equal(delete_task(f, e1).status, WIRE_NOT_FOUND);
	/* One that was never started; whoever waits for it hears of its end. */
	begin_wait(f, &wait, e);
	assert_int_equal(delete_task(f, e).status, 0);
	run_until(f, &wait.has_come);
	assert_int_equal(wait.status, 0);
	/* A running container is killed first. */
	begin_wait(f, &wait, NULL);
	a = delete_task(f, NULL);
	assert_int_equal(a.exit_status, 137);
	assert_true(wait.has_come);
	assert_int_equal(wait.exit_status, 137);
}

static void a_start_that_fails_is_rolled_back(void **data)
{
	static const struct {
		const char *qemu, *guest, *part;
	} rows[] = {
		{"refuse", "", "could not load kernel"},
		{"panic", "create_container_hangs", "Kernel panic"},
		{"garbage-later", "create_container_hangs", "QMP"},
		{"quiet", "create_sandbox_fails", "as told: create_sandbox_fails"},
		{"quiet", "create_container_fails", "as told: create_container_fails"},
	};
	struct fixture *f = *data;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct answer a;

		configure(f, rows[i].qemu);
		script(f, rows[i].guest);
		a = create(f);
		assert_true(a.status != 0);
		assert_non_null(strstr(a.msg, rows[i].part));
		assert_nothing_left(f);
		assert_int_equal(state(f).status, WIRE_NOT_FOUND);
	}
}

static void bad_bundles_make_nothing(void **data)
{
	static const struct {
		const char *json, *part;
	} rows[] = {
		{"{", "config.json"},
		{"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"r\"},\"linux\":{}}", "process"},
		{"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"rootfs\"},\"process\":{\"cwd\":"
		 "\"/\",\"args\":[\"x\"]},\"linux\":{\"namespaces\":[{\"type\":\"mount\"}]}}",
			"not supported yet"},
		{"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"missing\"},\"process\":{\"cwd\":"
		 "\"/\",\"args\":[\"x\"]},\"linux\":{\"namespaces\":[{\"type\":\"mount\"},"
		 "{\"type\":\"network\"}]}}",
			"missing"},
		{"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"rootfs\"},\"process\":{\"cwd\":"
		 "\"/\",\"args\":[\"x\"]},\"linux\":{\"namespaces\":[{\"type\":\"mount\"},"
		 "{\"type\":\"network\"}]},\"annotations\":{"
		 "\"io.kubernetes.cri.container-type\":\"container\"}}",
			"not supported yet"},
	};
	struct fixture *f = *data;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct answer a;

		write_file(f->bundle, "config.json", rows[i].json);
		a = create(f);
		assert_true(a.status != 0);
		assert_non_null(strstr(a.msg, rows[i].part));
		assert_nothing_left(f);
	}
}

static void a_client_that_leaves_takes_its_container_along(void **data)
{
	struct fixture *f = *data;
	struct answer a;
	int64_t deadline_ns = clock_now_ns() + LIMIT_S * NS_PER_S;

	script(f, "create_container_hangs");
	begin_create(f, &a);
	for (int i = 0; i < 50; i++)
		assert_int_equal(loop_run_once(f->shim.loop, 10 * NS_PER_MS), 0);
	assert_true(f->shim.is_creating);
	ttrpc_client_free(f->client);
	f->client = NULL;
	while (f->shim.is_creating && clock_now_ns() < deadline_ns)
		assert_int_equal(loop_run_once(f->shim.loop, 10 * NS_PER_MS), 0);
	assert_false(f->shim.is_creating);
	assert_false(a.has_come);
}

static void a_vm_that_dies_ends_its_processes_with_255(void **data)
{
	struct fixture *f = *data;
	char e1[] = "e1";
	struct answer a, wait, wait_exec;

	a = create(f);
	assert_int_equal(start(f, NULL).status, 0);
	assert_int_equal(exec(f, e1).status, 0);
	assert_int_equal(start(f, e1).status, 0);
	begin_wait(f, &wait, NULL);
	begin_wait(f, &wait_exec, e1);
	assert_int_equal(kill((pid_t)a.pid, SIGKILL), 0);
	run_until(f, &wait.has_come);
	run_until(f, &wait_exec.has_come);
	assert_int_equal(wait.exit_status, 255);
	assert_int_equal(wait_exec.exit_status, 255);
	assert_int_equal(state(f).task_status, CONTAINERD__TASK__V2__STATUS__STOPPED);
	assert_int_equal(kill_task(f, NULL, SIGKILL).status, 0);
	a = delete_task(f, NULL);
	assert_int_equal(a.status, 0);
	assert_int_equal(a.exit_status, 255);
}

static void a_container_whose_start_fails_can_be_deleted(void **data)
{
	struct fixture *f = *data;
	struct answer a;

	script(f, "start_fails");
	assert_int_equal(create(f).status, 0);
	a = start(f, NULL);
	assert_non_null(strstr(a.msg, "as told: start_fails"));
	assert_int_equal(delete_task(f, NULL).status, 0);
}

static void a_program_that_ends_by_itself_has_its_own_status(void **data)
{
	struct fixture *f = *data;
	struct answer wait;

	script(f, "ends");
	assert_int_equal(create(f).status, 0);
	begin_wait(f, &wait, NULL);
	assert_int_equal(start(f, NULL).status, 0);
	run_until(f, &wait.has_come);
	assert_int_equal(wait.exit_status, 7);
	assert_int_equal(delete_task(f, NULL).exit_status, 7);
}

static struct answer shutdown_task(struct fixture *f, bool now)
{
	Containerd__Task__V2__ShutdownRequest request = INIT(SHUTDOWN_REQUEST);

	request.id = c1;
	MESSAGE_SET(&request, now, now);
	return call(f, "Shutdown", &request.base, NULL);
}

static void shutdown_ends_the_daemon_without_containers(void **data)
{
	struct fixture *f = *data;

	assert_int_equal(create(f).status, 0);
	assert_int_equal(shutdown_task(f, false).status, 0);
	assert_false(f->shim.is_ending);
	assert_int_equal(delete_task(f, NULL).status, 0);
	assert_int_equal(shutdown_task(f, false).status, 0);
	assert_int_equal(loop_run(f->shim.loop), 0);
	assert_true(f->shim.has_ended);
}

static void shutdown_now_takes_everything_along(void **data)
{
	struct fixture *f = *data;
	struct answer wait;

	assert_int_equal(create(f).status, 0);
	assert_int_equal(start(f, NULL).status, 0);
	begin_wait(f, &wait, NULL);
	assert_int_equal(shutdown_task(f, true).status, 0);
	run_until(f, &wait.has_come);
	assert_int_equal(wait.exit_status, 137);
	assert_int_equal(loop_run(f->shim.loop), 0);
}

/* The daemon's own mount namespace (shim/daemon.c). */
static bool set_up_mounts(void)
{
	return unshare(CLONE_NEWNS) == 0 && mountfd_set_propagation("/", MS_REC | MS_SLAVE) == 0 &&
	       mountfd_set_propagation("/", MS_REC | MS_SHARED) == 0;
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(an_unknown_task_is_not_found),
		TEST(what_is_not_done_yet_says_so_by_name),
		TEST(a_container_lives),
		TEST(execs_come_and_go),
		TEST(a_start_that_fails_is_rolled_back),
		TEST(bad_bundles_make_nothing),
		TEST(a_client_that_leaves_takes_its_container_along),
		TEST(a_vm_that_dies_ends_its_processes_with_255),
		TEST(a_container_whose_start_fails_can_be_deleted),
		TEST(a_program_that_ends_by_itself_has_its_own_status),
		TEST(shutdown_ends_the_daemon_without_containers),
		TEST(shutdown_now_takes_everything_along),
	};
	int status = fake_agent_main(argc, argv);

	if (status < 0)
		status = fake_qemu_main(argc, argv);
	if (status >= 0)
		return status;
	if (geteuid() != 0 || access("/dev/vhost-vsock", F_OK) == 0 || !set_up_mounts()) {
		fprintf(stderr, "needs root, and a host without /dev/vhost-vsock\n");
		return SKIPPED;
	}
	(void)sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
