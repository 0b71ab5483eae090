/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CreateContainer: from the request to a container whose init waits to be released.
 *
 *	streams -> check -> container_new -> attach: its devices are waited for -> on_attached
 *	-> job: prepare() -> on_prepared -> launch -> on_launched -> reply
 *
 * Whatever fails, and a client that gives up or leaves, ends in container_remove(), which undoes
 * what was done so far and then fails the call with the reason noted in the container.
 */
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>

#include "agent/container_hooks.h"
#include "agent/device/pci_env.h"
#include "agent/device/spec.h"
#include "agent/rpc.h"
#include "agent/shared_mounts.h"
#include "agent/span.h"
#include "base/io.h"
#include "base/log.h"
#include "base/path.h"
#include "linux/mountfd.h"
#include "wire/message.h"
#include "wire/status.h"

/* The request's spec with the agent's changes, made without copying what is not changed. */
struct launch_spec {
	Grpc__Spec spec;
	Grpc__Linux linux_part;
	Grpc__LinuxNamespace **namespaces; /* owned; borrows its entries */
	Grpc__LinuxNamespace pid_namespace;
	struct device_spec devices;
	Grpc__Process process;
	struct pci_env env;
};

static const Grpc__CreateContainerRequest *request_of(const struct container *c)
{
	return (const Grpc__CreateContainerRequest *)ttrpc_call_request(c->create_call);
}

static int check_request(
	const struct agent *agent, const Grpc__CreateContainerRequest *request, struct err *err)
{
	int r;

	if (agent->sandbox.state == SANDBOX_CREATING || agent->sandbox.state == SANDBOX_DESTROYING)
		return err_status(err, EBUSY, WIRE_FAILED_PRECONDITION, "the sandbox is being %s",
			agent->sandbox.state == SANDBOX_CREATING ? "created" : "destroyed");
	if (!request->oci)
		return err_set(
			err, EINVAL, "container %s: no OCI spec", rpc_str(request->container_id));
	r = launch_check_spec(request->oci, err);
	if (r == 0)
		r = shared_mounts_check(request, err);
	return r < 0 ? r
		     : device_requests_check(
			       request->devices, request->n_devices, request->oci->linux, err);
}

/* The root as the spec names it, which must not lead elsewhere by a link. */
static int open_root(const char *path, struct err *err)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS,
	};
	long fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

	return fd < 0 ? err_sys(err, errno, "root.path %s", path) : (int)fd;
}

static int bind_root(const struct container *c, const char *path, struct err *err)
{
	auto_fd int root = open_root(path, err), mount_fd = -1, target = -1;
	int r;

	if (root < 0)
		return root;
	/* Not readable for the users of other containers, but to be walked by root in a user
	 * namespace. */
	r = path_mkdir(c->rootfs, 0711);
	if (r < 0)
		return err_sys(err, -r, "mkdir %s", c->rootfs);
	target = open(c->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (target < 0)
		return err_sys(err, errno, "open %s", c->rootfs);
	mount_fd = mountfd_clone(root, "", true);
	if (mount_fd < 0)
		return err_sys(err, -mount_fd, "copy the mount of %s", path);
	r = mountfd_attach(mount_fd, target);
	return r < 0 ? err_sys(err, -r, "mount %s", c->rootfs) : 0;
}

/* In a job. */
static int prepare(void *data, struct job_report *report, struct err *err)
{
	const struct container *c = data;
	const Grpc__CreateContainerRequest *request = request_of(c);
	int r = storages_mount(&c->storages, request->storages, report, err);

	return r < 0 ? r : bind_root(c, rpc_str(request->oci->root->path), err);
}

static bool is_type(const Grpc__LinuxNamespace *ns, const char *type)
{
	return strcmp(rpc_str(ns->type), type) == 0;
}

/*
 * Which of the sandbox's namespaces the container's init enters, and the spec without paths: those
 * that a host sends are its own. A pid namespace there is always.
 */
static int build_namespaces(const struct container *c, struct launch_spec *s,
	int ns_fds[LAUNCH_NS_COUNT], struct err *err)
{
	const struct sandbox *sandbox = &c->agent->sandbox;
	bool shared_pid = request_of(c)->sandbox_pidns, has_pid = false;
	size_t n = s->linux_part.n_namespaces;

	s->namespaces = calloc(n + 1, sizeof(*s->namespaces));
	if (!s->namespaces)
		return err_sys(err, ENOMEM, "container %s", c->id);
	for (size_t i = 0; i < n; i++) {
		s->namespaces[i] = s->linux_part.namespaces[i];
		has_pid |= is_type(s->namespaces[i], "pid");
		if (is_type(s->namespaces[i], "ipc"))
			ns_fds[LAUNCH_NS_IPC] = sandbox->ipc_ns_fd;
		if (is_type(s->namespaces[i], "uts"))
			ns_fds[LAUNCH_NS_UTS] = sandbox->uts_ns_fd;
	}
	if (shared_pid && sandbox->pid_ns_fd < 0 && sandbox->containers.n_entries > 1)
		return err_set(err, ENOENT, "Sandbox does not have sandbox_pidns");
	if (shared_pid)
		ns_fds[LAUNCH_NS_PID] = sandbox->pid_ns_fd;
	if (!has_pid)
		s->namespaces[n++] = &s->pid_namespace;
	s->linux_part.namespaces = s->namespaces;
	s->linux_part.n_namespaces = n;
	return 0;
}

static int build_spec(const struct container *c, struct launch_spec *s, int ns_fds[LAUNCH_NS_COUNT],
	struct err *err)
{
	static char pid[] = "pid";

	*s = (struct launch_spec){
		.spec = *request_of(c)->oci,
		.linux_part = *request_of(c)->oci->linux,
		.pid_namespace = GRPC__LINUX_NAMESPACE__INIT,
	};
	s->pid_namespace.type = pid;
	s->spec.linux = &s->linux_part;
	for (size_t i = 0; i < LAUNCH_NS_COUNT; i++)
		ns_fds[i] = -1;
	return build_namespaces(c, s, ns_fds, err);
}

/* The sandbox's pid namespace is that of its first container, also when that has ended. */
static void keep_pid_namespace(struct container *c)
{
	struct sandbox *sandbox = &c->agent->sandbox;

	if (sandbox->pid_ns_fd < 0 && c->ns_fds[LAUNCH_NS_PID] >= 0)
		sandbox->pid_ns_fd = io_dup(c->ns_fds[LAUNCH_NS_PID]);
}

static void finish_create(struct container *c)
{
	c->state = CONTAINER_CREATED;
	log_write(LOG_INFO, "container", "container created", "cid", c->id, NULL);
	span_call("create container", c->id, c->create_call);
	ttrpc_call_on_cancel(c->create_call, NULL, NULL);
	ttrpc_call_reply(take_ptr(&c->create_call), NULL);
}

/* In a job. */
static int share_mounts(void *data, struct job_report *report, struct err *err)
{
	const struct container *c = data;

	return shared_mounts_make(c, request_of(c), report, err);
}

static void on_mounts_shared(void *data, const struct err *err, uint32_t n_skipped)
{
	struct container *c = data;

	c->job = NULL;
	if (err && !err_is_set(&c->failure))
		c->failure = *err;
	if (err || c->is_to_be_removed) {
		c->is_to_be_removed = false;
		c->state = CONTAINER_CREATED;
		container_remove(c, NULL);
		return;
	}
	if (n_skipped > 0)
		log_write(
			LOG_WARN, "container", "a shared mount was not found", "cid", c->id, NULL);
	finish_create(c);
}

static void start_sharing(struct container *c)
{
	struct job_config job = {
		.name = "share mounts", .run = share_mounts, .done = on_mounts_shared, .data = c};
	struct err err = ERR_INIT;

	c->state = CONTAINER_SHARING;
	if (job_start(c->agent->reaper, &job, &c->job, &err) < 0)
		on_mounts_shared(c, &err, 0);
}

static void on_launched(void *data, const struct launch_result *result, const struct err *err)
{
	struct container *c = data;

	if (err) {
		/* It has undone what it made and is no more: as before it. */
		c->launch = NULL;
		c->state = CONTAINER_PREPARING;
		reaper_drop(c->agent->reaper);
		c->failure = *err;
		container_remove(c, NULL);
		return;
	}
	process_launched(c->init, result->pid);
	reaper_drop(c->agent->reaper);
	memcpy(c->ns_fds, result->ns_fds, sizeof(c->ns_fds));
	c->has_cgroup = true;
	keep_pid_namespace(c);
	c->oom = oom_watch_new(c->agent, c);
	if (request_of(c)->n_shared_mounts > 0)
		start_sharing(c);
	else
		finish_create(c);
}

static int start_launch(struct container *c, const struct launch_spec *s,
	const int ns_fds[LAUNCH_NS_COUNT], struct err *err)
{
	struct launch_request request = {
		.container_id = c->id,
		.is_init = true,
		.spec = &s->spec,
		.process = s->spec.process,
		.rootfs = c->rootfs,
		.bundle = c->bundle,
		.guest_hooks = c->agent->sandbox.guest_hooks,
		.cgroup = c->cgroup,
		.is_unit = c->is_unit,
		.deadline_ns = agent_launch_deadline_ns(c->agent, c->create_call),
	};
	int r = message_encode(&s->spec.base, &c->spec);

	if (r < 0)
		return err_sys(err, -r, "container %s: keep the spec", c->id);
	container_hooks_note(c, &s->spec);
	memcpy(request.ns_fds, ns_fds, sizeof(request.ns_fds));
	memcpy(request.stdio, c->init->child_stdio, sizeof(request.stdio));
	reaper_hold(c->agent->reaper);
	r = launch_start(c->agent->loop, &request, on_launched, c, &c->launch, err);
	if (r < 0)
		reaper_drop(c->agent->reaper);
	else
		c->state = CONTAINER_LAUNCHING;
	return r;
}

/* The devices that were found, by the guest's names for them. */
static int build_devices(struct container *c, struct launch_spec *s, struct err *err)
{
	int r = device_spec_apply(&c->devices, &s->linux_part, &s->devices, err);

	c->n_renumbered = s->devices.n_map;
	c->renumbered = take_ptr(&s->devices.map);
	s->process = *s->spec.process;
	if (r == 0)
		r = pci_env_translate(s->process.env, s->process.n_env, &c->devices, &s->env, err);
	if (r == 0 && s->env.vars)
		s->process.env = s->env.vars;
	s->spec.process = &s->process;
	return r;
}

static int launch(struct container *c, struct err *err)
{
	struct launch_spec s;
	int ns_fds[LAUNCH_NS_COUNT];
	int r = build_spec(c, &s, ns_fds, err);

	if (r == 0)
		r = build_devices(c, &s, err);
	if (r == 0)
		r = start_launch(c, &s, ns_fds, err);
	device_set_forget_updates(&c->devices);
	device_spec_fini(&s.devices);
	pci_env_fini(&s.env);
	free(s.namespaces);
	return r;
}

static void on_prepared(void *data, const struct err *err, uint32_t n_steps)
{
	struct container *c = data;

	c->job = NULL;
	c->n_begun = n_steps;
	if (err) {
		/* Not over the reason why it was killed. */
		if (!err_is_set(&c->failure))
			c->failure = *err;
		container_remove(c, NULL);
		return;
	}
	if (!err_is_set(&c->failure))
		(void)!storages_watch(c->agent, &c->storages, request_of(c)->storages, &c->failure);
	storages_settle(&c->storages);
	span_call("prepare container", c->id, c->create_call);
	c->n_begun = UINT32_MAX;
	/* Killed when it had just finished, or what follows fails at once. */
	if (err_is_set(&c->failure) || !list_is_empty(&c->removals) || launch(c, &c->failure) < 0)
		container_remove(c, NULL);
}

static int start_preparing(struct container *c, struct err *err)
{
	struct job_config job = {
		.name = "prepare container", .run = prepare, .done = on_prepared, .data = c};

	return job_start(c->agent->reaper, &job, &c->job, err);
}

static void on_attached(void *data, struct device_set *found, const struct err *err)
{
	struct container *c = data;

	c->attach = NULL;
	if (found)
		c->devices = *found;
	if (err)
		c->failure = *err;
	else
		span_call("wait for devices", c->id, c->create_call);
	if (err || start_preparing(c, &c->failure) < 0)
		container_remove(c, NULL);
}

/* Most containers have none to wait for. */
static int attach_and_prepare(
	struct container *c, const Grpc__CreateContainerRequest *request, struct err *err)
{
	struct attach_config config = {
		.hotplug = &c->agent->hotplug,
		.reaper = c->agent->reaper,
		.devices = request->devices,
		.n_devices = request->n_devices,
		.storages = request->storages,
		.set = &c->storages,
		.done = on_attached,
		.data = c,
	};
	int r = attach_start(&config, &c->attach, err);

	return r < 0 || c->attach ? r : start_preparing(c, err);
}

static void on_cancel(void *data)
{
	struct container *c = data;

	/* Its time may have run out for the launch first. */
	if (!err_is_set(&c->failure))
		err_status(&c->failure, ECANCELED, WIRE_CANCELLED,
			"container %s: creation was cancelled", c->id);
	container_remove(c, NULL);
}

static void on_init_waited(void *data, struct process *process)
{
	struct container *c = data;

	process_free(process);
	c->init = NULL;
}

static int start(struct container *c, const Grpc__CreateContainerRequest *request,
	struct passfd_streams *streams, struct err *err)
{
	struct agent *agent = c->agent;
	struct process_config init = {
		.id = c->id,
		.terminal = request->oci->process->terminal,
		.pipe_size = agent->options->container_pipe_size,
		.streams = streams,
		.on_waited = on_init_waited,
		.on_ending = container_process_ending,
		.on_exited = container_process_exited,
		.data = c,
		.owner = c,
	};
	struct storage_owner owner = {.run_dir = agent->options->run_dir, .container_id = c->id};
	int r = process_new(agent->loop, agent->reaper, &init, &c->init, err);

	if (r == 0)
		r = storages_acquire(&agent->sandbox.storages, request->storages,
			request->n_storages, &owner, &c->storages, err);
	return r < 0 ? r : attach_and_prepare(c, request, err);
}

static void create(struct ttrpc_call *call, struct passfd_streams *streams, void *user)
{
	const Grpc__CreateContainerRequest *request =
		(const Grpc__CreateContainerRequest *)ttrpc_call_request(call);
	struct agent *agent = user;
	struct container *c = NULL;
	struct err err = ERR_INIT;
	int r = check_request(agent, request, &err);

	if (r == 0)
		r = container_new(agent, rpc_str(request->container_id),
			request->oci->linux->cgroupspath, &c, &err);
	if (r < 0) {
		rpc_fail(call, &err);
		return;
	}
	c->create_call = call;
	r = start(c, request, streams, &err);
	if (r < 0) {
		container_free(c);
		rpc_fail(call, &err);
		return;
	}
	ttrpc_call_on_cancel(call, on_cancel, c);
}

void rpc_create_container(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Grpc__CreateContainerRequest *request = (const Grpc__CreateContainerRequest *)message;
	const uint32_t ports[] = {request->stdin_port, request->stdout_port, request->stderr_port};
	struct agent *agent = user;

	/* First of all, so that they end with whatever fails. */
	passfd_claim(agent->passfd, call, ports, create, agent);
}
