/* SPDX-License-Identifier: Apache-2.0 */
/* The requests that tests send, with the parts of a spec that every container needs. */
#include <stdio.h>

#include "fixture.h"

static void fill_process(Grpc__Process *process, char **args, bool terminal)
{
	static Grpc__User user;
	static char *env[] = {NULL, NULL};

	env[0] = text("PATH=/bin");
	env[1] = text("TERM=xterm");
	grpc__process__init(process);
	grpc__user__init(&user);
	process->user = &user;
	process->args = args;
	while (args[process->n_args])
		process->n_args++;
	process->env = env;
	process->n_env = 2;
	process->cwd = text("/");
	process->has_terminal = 1;
	process->terminal = terminal;
}

static char **shell(const char *script)
{
	static char *args[4];

	args[0] = text("sh");
	args[1] = text("-c");
	args[2] = text(script);
	return args;
}

static Grpc__Mount make_mount(const char *destination, const char *type)
{
	Grpc__Mount m = GRPC__MOUNT__INIT;

	m.destination = text(destination);
	m.type = m.source = text(type);
	return m;
}

static int send_create(struct fixture *f, const struct container_options *o,
	const Grpc__CreateContainerRequest *request, struct err *err)
{
	struct reply own, *reply = o->reply ? o->reply : &own;

	call_start_on(f, o->client ? o->client : f->client, "CreateContainer", &request->base,
		o->timeout_ns, NULL, reply);
	if (o->reply)
		return 0;
	call_wait(f, reply);
	if (err)
		*err = reply->err;
	return err_is_set(&reply->err) ? (int)wire_status_of(&reply->err) : 0;
}

int create_container(struct fixture *f, const struct container_options *o, struct err *err)
{
	Grpc__CreateContainerRequest request = GRPC__CREATE_CONTAINER_REQUEST__INIT;
	Grpc__Spec spec = GRPC__SPEC__INIT;
	Grpc__Process process;
	Grpc__Root root = GRPC__ROOT__INIT;
	Grpc__Linux linux_part = GRPC__LINUX__INIT;
	Grpc__LinuxNamespace ns[3], *namespaces[] = {&ns[0], &ns[1], &ns[2]};
	const char *const types[] = {"mount", "ipc", "uts"};
	Grpc__Mount mounts[] = {make_mount("/proc", "proc"), make_mount("/tmp", "tmpfs")};
	Grpc__Mount *mount_list[] = {&mounts[0], &mounts[1]};
	char cgroup[2 * PATH_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(ns); i++) {
		grpc__linux_namespace__init(&ns[i]);
		ns[i].type = text(types[i]);
	}
	fill_process(&process, o->script ? shell(o->script) : o->args, o->terminal);
	root.path = text(o->root ? o->root : f->rootfs);
	snprintf(cgroup, sizeof(cgroup), "%s/%.64s", f->cgroup, o->id);
	linux_part.namespaces = namespaces;
	linux_part.n_namespaces = ARRAY_SIZE(ns);
	linux_part.cgroupspath = o->cgroups_path ? text(o->cgroups_path) : cgroup;
	spec.process = &process;
	spec.root = &root;
	spec.linux = &linux_part;
	spec.mounts = mount_list;
	spec.n_mounts = ARRAY_SIZE(mounts);
	request.container_id = text(o->id);
	request.oci = &spec;
	request.has_sandbox_pidns = 1;
	request.sandbox_pidns = o->shared_pid;
	request.storages = o->storages;
	request.n_storages = o->n_storages;
	request.has_stdin_port = request.has_stdout_port = request.has_stderr_port = 1;
	request.stdin_port = o->ports[0];
	request.stdout_port = o->ports[1];
	request.stderr_port = o->ports[2];
	if (o->amend)
		o->amend(&request, o->data);
	return send_create(f, o, &request, err);
}

int start_container(struct fixture *f, const char *id)
{
	Grpc__StartContainerRequest request = GRPC__START_CONTAINER_REQUEST__INIT;

	request.container_id = text(id);
	return call(f, "StartContainer", &request.base, NULL);
}

void run_container(struct fixture *f, const char *id, const char *script)
{
	struct container_options o = {.id = id, .script = script};
	struct err err = ERR_INIT;

	if (create_container(f, &o, &err) != 0)
		fail_msg("create %s: %s", id, err.msg);
	assert_int_equal(start_container(f, id), 0);
}

int remove_container(struct fixture *f, const char *id)
{
	Grpc__RemoveContainerRequest request = GRPC__REMOVE_CONTAINER_REQUEST__INIT;

	request.container_id = text(id);
	return call(f, "RemoveContainer", &request.base, NULL);
}

int create_sandbox(struct fixture *f, const char *hostname)
{
	Grpc__CreateSandboxRequest request = GRPC__CREATE_SANDBOX_REQUEST__INIT;

	request.hostname = text(hostname);
	request.sandbox_id = text("test-sandbox");
	return call(f, "CreateSandbox", &request.base, NULL);
}

static void send_exec(struct fixture *f, const char *id, const char *exec_id, char **args,
	bool terminal, const uint32_t ports[3], int64_t timeout_ns, struct reply *reply)
{
	Grpc__ExecProcessRequest request = GRPC__EXEC_PROCESS_REQUEST__INIT;
	Grpc__Process process;

	fill_process(&process, args, terminal);
	request.container_id = text(id);
	request.exec_id = text(exec_id);
	request.process = &process;
	request.has_stdin_port = request.has_stdout_port = request.has_stderr_port = 1;
	request.stdin_port = ports[0];
	request.stdout_port = ports[1];
	request.stderr_port = ports[2];
	call_start_on(f, f->client, "ExecProcess", &request.base, timeout_ns, NULL, reply);
}

static const uint32_t no_ports[3];

static int finish(struct fixture *f, struct reply *reply, struct err *err)
{
	call_wait(f, reply);
	if (err)
		*err = reply->err;
	return err_is_set(&reply->err) ? (int)wire_status_of(&reply->err) : 0;
}

int exec_process(struct fixture *f, const char *id, const char *exec_id, const char *script,
	bool terminal, struct err *err)
{
	struct reply reply;

	send_exec(f, id, exec_id, shell(script), terminal, no_ports, 0, &reply);
	return finish(f, &reply, err);
}

int exec_args(struct fixture *f, const char *id, const char *exec_id, char **args, struct err *err)
{
	struct reply reply;

	send_exec(f, id, exec_id, args, false, no_ports, 0, &reply);
	return finish(f, &reply, err);
}

void exec_start(struct fixture *f, const char *id, const char *exec_id, const char *script,
	int64_t timeout_ns, struct reply *reply)
{
	send_exec(f, id, exec_id, shell(script), false, no_ports, timeout_ns, reply);
}

void exec_start_ports(struct fixture *f, const char *id, const char *exec_id, const char *script,
	bool terminal, const uint32_t ports[3], struct reply *reply)
{
	send_exec(f, id, exec_id, shell(script), terminal, ports, 0, reply);
}

int signal_process(
	struct fixture *f, const char *id, const char *exec_id, uint32_t signo, struct err *err)
{
	Grpc__SignalProcessRequest request = GRPC__SIGNAL_PROCESS_REQUEST__INIT;

	request.container_id = text(id);
	request.exec_id = text(exec_id);
	request.has_signal = 1;
	request.signal = signo;
	return call(f, "SignalProcess", &request.base, err);
}

void wait_start_on(struct fixture *f, struct ttrpc_client *client, const char *id,
	const char *exec_id, struct reply *reply)
{
	Grpc__WaitProcessRequest request = GRPC__WAIT_PROCESS_REQUEST__INIT;

	request.container_id = text(id);
	request.exec_id = text(exec_id);
	call_start_on(f, client, "WaitProcess", &request.base, 0,
		&grpc__wait_process_response__descriptor, reply);
}

void wait_start(struct fixture *f, const char *id, const char *exec_id, struct reply *reply)
{
	wait_start_on(f, f->client, id, exec_id, reply);
}

int wait_code(const struct reply *reply)
{
	const Grpc__WaitProcessResponse *response =
		(const Grpc__WaitProcessResponse *)reply->message;

	return response ? response->status : -(int)wire_status_of(&reply->err);
}

int wait_process(struct fixture *f, const char *id, const char *exec_id)
{
	struct reply reply;
	int code;

	wait_start(f, id, exec_id, &reply);
	call_wait(f, &reply);
	code = wait_code(&reply);
	reply_fini(&reply);
	return code;
}

void read_start(struct fixture *f, const char *method, const char *id, const char *exec_id,
	uint32_t len, struct reply *reply)
{
	Grpc__ReadStreamRequest request = GRPC__READ_STREAM_REQUEST__INIT;

	request.container_id = text(id);
	request.exec_id = text(exec_id);
	request.has_len = 1;
	request.len = len;
	call_start(f, method, &request.base, &grpc__read_stream_response__descriptor, reply);
}

void read_start_on(struct fixture *f, struct ttrpc_client *client, const char *id,
	int64_t timeout_ns, struct reply *reply)
{
	Grpc__ReadStreamRequest request = GRPC__READ_STREAM_REQUEST__INIT;

	request.container_id = text(id);
	request.has_len = 1;
	request.len = 100;
	call_start_on(f, client, "ReadStdout", &request.base, timeout_ns,
		&grpc__read_stream_response__descriptor, reply);
}

int read_result(struct reply *reply, struct buf *out)
{
	const Grpc__ReadStreamResponse *response;
	int n;

	if (err_is_set(&reply->err))
		return -(int)wire_status_of(&reply->err);
	response = (const Grpc__ReadStreamResponse *)reply->message;
	n = (int)response->data.len;
	assert_int_equal(buf_append(out, response->data.data, response->data.len), 0);
	reply_fini(reply);
	return n;
}

int read_once(
	struct fixture *f, const char *method, const char *id, const char *exec_id, struct buf *out)
{
	struct reply reply;

	read_start(f, method, id, exec_id, 32 << 10, &reply);
	call_wait(f, &reply);
	return read_result(&reply, out);
}

void read_all(struct fixture *f, const char *id, const char *exec_id, struct buf *out)
{
	int n;

	while ((n = read_once(f, "ReadStdout", id, exec_id, out)) > 0)
		;
	assert_int_equal(n, 0);
}

void write_start(struct fixture *f, const char *id, const char *exec_id, struct slice data,
	struct reply *reply)
{
	Grpc__WriteStreamRequest request = GRPC__WRITE_STREAM_REQUEST__INIT;
	union {
		const uint8_t *in;
		uint8_t *out;
	} u = {.in = data.p};

	request.container_id = text(id);
	request.exec_id = text(exec_id);
	request.has_data = 1;
	request.data = (ProtobufCBinaryData){.data = u.out, .len = data.len};
	call_start(f, "WriteStdin", &request.base, &grpc__write_stream_response__descriptor, reply);
}

int write_stdin(struct fixture *f, const char *id, const char *exec_id, struct slice data)
{
	struct reply reply;

	write_start(f, id, exec_id, data, &reply);
	call_wait(f, &reply);
	reply_fini(&reply);
	return err_is_set(&reply.err) ? (int)wire_status_of(&reply.err) : 0;
}

int close_stdin(struct fixture *f, const char *id, const char *exec_id)
{
	Grpc__CloseStdinRequest request = GRPC__CLOSE_STDIN_REQUEST__INIT;

	request.container_id = text(id);
	request.exec_id = text(exec_id);
	return call(f, "CloseStdin", &request.base, NULL);
}
