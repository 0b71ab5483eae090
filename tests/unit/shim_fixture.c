/* SPDX-License-Identifier: Apache-2.0 */
#include "shim_fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/path.h"
#include "events.pb-c.h"
#include "fake_qemu.h"
#include "forward.pb-c.h"
#include "linux/mountfd.h"
#include "loop_until.h"
#include "wire/dial.h"
#include "wire/message.h"
#include "wire/status.h"
#include "wire/ttrpc_server.h"

enum { SKIPPED = 77 };

static void note_stats(struct answer *a, const Google__Protobuf__Any *stats)
{
	static uint8_t bytes[1024];

	snprintf(a->stats_type, sizeof(a->stats_type), "%s", stats->type_url);
	assert_true(stats->value.len <= sizeof(bytes));
	memcpy(bytes, stats->value.data, stats->value.len);
	a->stats = slice_of(bytes, stats->value.len);
}

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
	if (d == &containerd__task__v2__stats_response__descriptor)
		note_stats(a, ((const Containerd__Task__V2__StatsResponse *)reply)->stats);
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

void run_until(struct fixture *f, const bool *flag)
{
	loop_until(f->shim.loop, *flag);
}

void run_until_event(struct fixture *f, const char *event)
{
	auto_free char *line = NULL;

	assert_true(asprintf(&line, "%s\n", event) > 0);
	loop_until(f->shim.loop, strstr(buf_str(&f->events), line));
}

void begin(struct fixture *f, struct answer *a, const char *method, const ProtobufCMessage *request,
	const ProtobufCMessageDescriptor *reply)
{
	*a = (struct answer){0};
	assert_int_equal(ttrpc_client_call(f->client, "containerd.task.v2.Task", method, request, 0,
				 reply, on_answer, a, NULL),
		0);
}

struct answer call(struct fixture *f, const char *method, const ProtobufCMessage *request,
	const ProtobufCMessageDescriptor *reply)
{
	struct answer a;

	begin(f, &a, method, request, reply);
	run_until(f, &a.has_come);
	return a;
}

/* ---- Calls ---- */

char c1[] = "c1";
char *task_id = c1;

void begin_create(struct fixture *f, struct answer *a)
{
	Containerd__Task__V2__CreateTaskRequest request = INIT(CREATE_TASK_REQUEST);

	request.id = task_id;
	request.bundle = f->bundle;
	request.stdin = f->input;
	request.stdout = request.stderr = f->output;
	MESSAGE_SET(&request, terminal, f->terminal);
	begin(f, a, "Create", &request.base,
		&containerd__task__v2__create_task_response__descriptor);
}

struct answer create(struct fixture *f)
{
	struct answer a;

	begin_create(f, &a);
	run_until(f, &a.has_come);
	return a;
}

struct answer start(struct fixture *f, char *exec_id)
{
	Containerd__Task__V2__StartRequest request = INIT(START_REQUEST);

	request.id = task_id;
	request.exec_id = exec_id;
	return call(f, "Start", &request.base, &containerd__task__v2__start_response__descriptor);
}

void begin_wait(struct fixture *f, struct answer *a, char *exec_id)
{
	Containerd__Task__V2__WaitRequest request = INIT(WAIT_REQUEST);

	request.id = task_id;
	request.exec_id = exec_id;
	begin(f, a, "Wait", &request.base, &containerd__task__v2__wait_response__descriptor);
}

struct answer state(struct fixture *f)
{
	Containerd__Task__V2__StateRequest request = INIT(STATE_REQUEST);

	request.id = task_id;
	return call(f, "State", &request.base, &containerd__task__v2__state_response__descriptor);
}

struct answer kill_task(struct fixture *f, char *exec_id, uint32_t signo)
{
	Containerd__Task__V2__KillRequest request = INIT(KILL_REQUEST);

	request.id = task_id;
	request.exec_id = exec_id;
	MESSAGE_SET(&request, signal, signo);
	return call(f, "Kill", &request.base, NULL);
}

struct answer delete_task(struct fixture *f, char *exec_id)
{
	Containerd__Task__V2__DeleteRequest request = INIT(DELETE_REQUEST);

	request.id = task_id;
	request.exec_id = exec_id;
	return call(f, "Delete", &request.base, &containerd__task__v2__delete_response__descriptor);
}

void begin_pause(struct fixture *f, struct answer *a)
{
	Containerd__Task__V2__PauseRequest request = INIT(PAUSE_REQUEST);

	request.id = task_id;
	begin(f, a, "Pause", &request.base, NULL);
}

struct answer pause_task(struct fixture *f)
{
	struct answer a;

	begin_pause(f, &a);
	run_until(f, &a.has_come);
	return a;
}

struct answer resume_task(struct fixture *f)
{
	Containerd__Task__V2__ResumeRequest request = INIT(RESUME_REQUEST);

	request.id = task_id;
	return call(f, "Resume", &request.base, NULL);
}

struct answer resize(struct fixture *f, char *exec_id)
{
	Containerd__Task__V2__ResizePtyRequest request = INIT(RESIZE_PTY_REQUEST);

	request.id = task_id;
	request.exec_id = exec_id;
	MESSAGE_SET(&request, width, 80);
	MESSAGE_SET(&request, height, 24);
	return call(f, "ResizePty", &request.base, NULL);
}

struct answer exec(struct fixture *f, char *exec_id)
{
	static char json[] = "{\"args\":[\"x\"],\"cwd\":\"/\",\"user\":{\"uid\":0,\"gid\":0}}";
	static char type[] = "types.containerd.io/opencontainers/runtime-spec/1/Process";
	Containerd__Task__V2__ExecProcessRequest request = INIT(EXEC_PROCESS_REQUEST);
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;

	any.type_url = type;
	any.has_value = 1;
	any.value.data = (uint8_t *)json;
	any.value.len = strlen(json);
	request.id = task_id;
	request.exec_id = exec_id;
	request.spec = &any;
	request.stdin = f->input;
	request.stdout = request.stderr = f->output;
	MESSAGE_SET(&request, terminal, f->terminal);
	return call(f, "Exec", &request.base, NULL);
}

/* ---- The fixture ---- */

void write_file(const char *dir, const char *name, const char *text)
{
	char path[160];

	snprintf(path, sizeof(path), "%s%s%s", dir, name[0] ? "/" : "", name);
	assert_int_equal(io_replace_file(AT_FDCWD, path, 0600, text, strlen(text)), 0);
}

void fixture_write_bundle(struct fixture *f, const char *annotations, const char *rootfs)
{
	auto_buf struct buf b = BUF_INIT;

	assert_int_equal(
		buf_printf(&b,
			"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"%s\"},\"process\":{\"cwd\":"
			"\"/\",\"args\":[\"x\"],\"user\":{\"uid\":0,\"gid\":0}},\"linux\":{"
			"\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"network\"}]},"
			"\"annotations\":{%s}}",
			rootfs, annotations),
		0);
	write_file(f->bundle, "config.json", buf_str(&b));
}

void script(struct fixture *f, const char *words)
{
	write_file(f->script, "", words);
}

void configure(struct fixture *f, const char *qemu_word)
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

/* The container's id is the first field of every event. */
static void on_forward(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Containerd__Services__Events__Ttrpc__V1__ForwardRequest *request =
		(const void *)message;
	const Containerd__Services__Events__Ttrpc__V1__Envelope *e = request->envelope;
	const ProtobufCBinaryData *event = &e->event->value;
	struct fixture *f = user;

	assert_true(event->len > 2 && event->data[0] == (1 << 3 | 2) && event->data[1] < 128);
	assert_true(event->len >= 2u + event->data[1]);
	assert_int_equal(buf_printf(&f->events, "%s %.*s\n", e->topic, event->data[1],
				 (const char *)event->data + 2),
		0);
	ttrpc_call_reply(call, NULL);
}

static const struct ttrpc_method containerd_methods[] = {
	{"containerd.services.events.ttrpc.v1.Events", "Forward",
		&containerd__services__events__ttrpc__v1__forward_request__descriptor, on_forward},
};

static void start_containerd(struct fixture *f)
{
	struct ttrpc_server_config config = {.methods = containerd_methods,
		.n_methods = ARRAY_SIZE(containerd_methods),
		.user = f};

	snprintf(f->events_address, sizeof(f->events_address), "unix://%s/containerd", f->dir);
	assert_int_equal(ttrpc_server_new(f->shim.loop, dial_listen(f->events_address, NULL),
				 &config, &f->containerd),
		0);
	assert_int_equal(events_new(f->shim.loop, f->events_address + strlen("unix://"), "default",
				 &f->shim.events),
		0);
}

void fixture_reconnect(struct fixture *f)
{
	int pair[2];

	ttrpc_client_free(f->client);
	f->client = NULL;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(ttrpc_server_add(f->shim.server, pair[0]), 0);
	assert_int_equal(ttrpc_client_new(f->shim.loop, pair[1], NULL, NULL, &f->client), 0);
}

int fixture_set_up(void **data)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct ttrpc_server_config server = {.methods = shim_methods,
		.user = &f->shim,
		.unknown_service_status = WIRE_UNIMPLEMENTED};

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
	task_id = c1;

	f->cli.name_space = "default";
	f->shim = (struct shim){.cli = &f->cli, .socket_path = "/none", .run_root = f->run_root};
	assert_int_equal(loop_new(&f->shim.loop), 0);
	start_containerd(f);
	server.n_methods = shim_n_methods;
	assert_int_equal(ttrpc_server_new(f->shim.loop, -1, &server, &f->shim.server), 0);
	fixture_reconnect(f);
	*data = f;
	return 0;
}

/* Nothing is left of any sandbox: no process of ours, no directory. */
void assert_nothing_left(struct fixture *f)
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

int fixture_tear_down(void **data)
{
	struct fixture *f = *data;

	assert_nothing_left(f);
	assert_int_equal(f->shim.containers.n_entries, 0);
	ttrpc_client_free(f->client);
	ttrpc_server_free(f->shim.server);
	events_free(f->shim.events);
	ttrpc_server_free(f->containerd);
	buf_fini(&f->events);
	map_fini(&f->shim.containers);
	map_fini(&f->shim.creates);
	map_fini(&f->shim.deletions);
	loop_free(f->shim.loop);
	unlink(f->script);
	assert_int_equal(path_remove_tree(AT_FDCWD, f->dir), 0);
	free(f);
	return 0;
}

/* The daemon's own mount namespace (shim/daemon.c). */
static bool set_up_mounts(void)
{
	return unshare(CLONE_NEWNS) == 0 && mountfd_set_propagation("/", MS_REC | MS_SLAVE) == 0 &&
	       mountfd_set_propagation("/", MS_REC | MS_SHARED) == 0;
}

int fixture_main(int argc, char **argv)
{
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
	return -1;
}
