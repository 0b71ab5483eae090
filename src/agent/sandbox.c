/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CreateSandbox: check -> attach: its storages' devices are waited for -> job: prepare()
 * -> on_prepared -> reply. What fails is undone by a second job, and the agent is as before.
 *
 * DestroySandbox: container_remove() for all at once; the last to be gone starts a job that undoes
 * what CreateSandbox did; then the reply, and the agent stops. Nobody comes after it, so what cannot
 * be removed is tried once more.
 */
#include "agent/sandbox.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/container.h"
#include "agent/modprobe.h"
#include "agent/resolv_conf.h"
#include "agent/rpc.h"
#include "agent/span.h"
#include "base/log.h"
#include "base/path.h"
#include "linux/mountfd.h"
#include "linux/namespace.h"
#include "wire/status.h"

enum { MAX_NS_PATH = OPTIONS_PATH_SIZE + 16 };

void sandbox_init(struct sandbox *s)
{
	*s = (struct sandbox){.ipc_ns_fd = -1, .uts_ns_fd = -1, .pid_ns_fd = -1};
	oom_queue_init(&s->oom);
	watches_init(&s->watches);
}

static void close_namespaces(struct sandbox *s)
{
	close_fd(take_fd(&s->ipc_ns_fd));
	close_fd(take_fd(&s->uts_ns_fd));
	close_fd(take_fd(&s->pid_ns_fd));
}

void sandbox_fini(struct sandbox *s)
{
	while (s->containers.n_entries > 0)
		container_free(s->containers.entries[0].value);
	attach_cancel(s->attach);
	map_fini(&s->containers);
	oom_queue_fini(&s->oom);
	storages_forget(&s->storages, &s->own_storages);
	storages_fini(&s->storages);
	watches_fini(&s->watches);
	close_namespaces(s);
	free(s->removals);
	free(s->id);
	free(s->guest_hooks);
}

static const Grpc__CreateSandboxRequest *request_of(const struct agent *agent)
{
	return (const Grpc__CreateSandboxRequest *)ttrpc_call_request(agent->sandbox.call);
}

static int check_create(
	const struct agent *agent, const Grpc__CreateSandboxRequest *request, struct err *err)
{
	if (agent->sandbox.state != SANDBOX_NONE)
		return err_status(err, EEXIST, WIRE_ALREADY_EXISTS, "there is a sandbox already");
	/* The run directory is about to be emptied. */
	if (agent->sandbox.containers.n_entries > 0)
		return err_status(err, EBUSY, WIRE_FAILED_PRECONDITION,
			"there are containers already: the sandbox comes first");
	if (*rpc_str(request->guest_hook_path) && request->guest_hook_path[0] != '/')
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"guest_hook_path \"%.256s\" is not absolute", request->guest_hook_path);
	return modprobe_check(request->kernel_modules, request->n_kernel_modules, err);
}

/* Makes a file that holds the calling process's namespace. */
static int pin_namespace(const char *run_dir, const char *name, struct err *err)
{
	char path[MAX_NS_PATH], ns[32];
	auto_fd int target = -1, mount_fd = -1;
	int r;

	snprintf(path, sizeof(path), "%s/ns-%s", run_dir, name);
	snprintf(ns, sizeof(ns), "/proc/self/ns/%s", name);
	target = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (target < 0)
		return err_sys(err, errno, "create %s", path);
	mount_fd = mountfd_clone(AT_FDCWD, ns, false);
	if (mount_fd < 0)
		return err_sys(err, -mount_fd, "copy the mount of %s", ns);
	r = mountfd_attach(mount_fd, target);
	return r < 0 ? err_sys(err, -r, "mount %s", path) : 0;
}

static int make_namespaces(const char *run_dir, const char *hostname, struct err *err)
{
	int r = namespace_unshare(CLONE_NEWIPC | CLONE_NEWUTS);

	if (r < 0)
		return err_sys(err, -r, "new ipc and uts namespaces");
	if (*hostname && sethostname(hostname, strlen(hostname)) < 0)
		return err_sys(err, errno, "set hostname %s", hostname);
	r = pin_namespace(run_dir, "ipc", err);
	return r < 0 ? r : pin_namespace(run_dir, "uts", err);
}

/* In a job, whose process the namespaces are made in: they cannot leak into the agent. */
static int prepare(void *data, struct job_report *report, struct err *err)
{
	const struct agent *agent = data;
	const Grpc__CreateSandboxRequest *request = request_of(agent);
	const char *run_dir = agent->options->run_dir;
	int r;

	/* What cannot be removed is mounted: the share, by the guest's image. */
	(void)!path_remove_tree(AT_FDCWD, run_dir);
	r = path_mkdir(run_dir, 0711);
	if (r < 0)
		return err_sys(err, -r, "mkdir %s", run_dir);
	r = modprobe_load(request->kernel_modules, request->n_kernel_modules, err);
	if (r < 0)
		return r;
	r = make_namespaces(run_dir, rpc_str(request->hostname), err);
	if (r < 0)
		return r;
	r = storages_mount(&agent->sandbox.own_storages, request->storages, report, err);
	return r < 0 ? r : resolv_conf_mount(run_dir, request->dns, request->n_dns, err);
}

/* Moves the namespace from its file to an fd. */
static int take_namespace(const struct agent *agent, const char *name, struct err *err)
{
	char path[MAX_NS_PATH];
	int fd;

	snprintf(path, sizeof(path), "%s/ns-%s", agent->options->run_dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, errno, "open %s", path);
	(void)!mountfd_detach(path);
	(void)unlink(path);
	return fd;
}

static int take_namespaces(struct agent *agent, struct err *err)
{
	agent->sandbox.ipc_ns_fd = take_namespace(agent, "ipc", err);
	if (agent->sandbox.ipc_ns_fd < 0)
		return agent->sandbox.ipc_ns_fd;
	agent->sandbox.uts_ns_fd = take_namespace(agent, "uts", err);
	return agent->sandbox.uts_ns_fd < 0 ? agent->sandbox.uts_ns_fd : 0;
}

/* In a job. Undoes prepare(). */
static int tear_down(void *data, struct job_report *report, struct err *err)
{
	static const char *const names[] = {"ipc", "uts"};
	const struct agent *agent = data;
	char path[MAX_NS_PATH];
	int r;

	(void)report;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/ns-%s", agent->options->run_dir, names[i]);
		(void)!mountfd_detach(path);
	}
	resolv_conf_unmount(agent->options->run_dir);
	r = storages_unmount(&agent->sandbox.own_storages, agent->sandbox.n_begun, err);
	if (r == 0)
		r = storages_unmount_rest(&agent->sandbox.storages, err);
	if (r < 0)
		return r;
	r = path_remove_tree(AT_FDCWD, agent->options->run_dir);
	return r < 0 ? err_sys(err, -r, "remove %s", agent->options->run_dir) : 0;
}

/* Only the first failure is told to the host, all are logged. */
static void note_failure(struct sandbox *s, const struct err *err)
{
	if (!err)
		return;
	log_write(LOG_ERROR, "sandbox", err->msg, NULL);
	if (!err_is_set(&s->failure))
		s->failure = *err;
}

static void answer(struct sandbox *s)
{
	struct ttrpc_call *call = take_ptr(&s->call);

	if (!call)
		return;
	if (err_is_set(&s->failure))
		rpc_fail(call, &s->failure);
	else
		ttrpc_call_reply(call, NULL);
	s->failure = (struct err)ERR_INIT;
}

static void tear_down_by_job(struct agent *agent);

static void on_torn_down(void *data, const struct err *err, uint32_t n_steps)
{
	struct agent *agent = data;
	struct sandbox *s = &agent->sandbox;
	bool creating = s->state == SANDBOX_CREATING;

	(void)n_steps;
	s->job = NULL;
	if (err && !s->has_failed_once) {
		s->has_failed_once = true;
		log_write(LOG_WARN, "sandbox", "once more", "error", err->msg, NULL);
		tear_down_by_job(agent);
		return;
	}
	s->has_failed_once = false;
	note_failure(s, err);
	storages_forget(&s->storages, &s->own_storages);
	if (!err)
		storages_forget_rest(&s->storages);
	close_namespaces(s);
	free(take_ptr(&s->id));
	free(take_ptr(&s->guest_hooks));
	answer(s);
	if (creating)
		s->state = SANDBOX_NONE;
	else
		agent_stop(agent);
}

static void tear_down_by_job(struct agent *agent)
{
	struct job_config job = {
		.name = "remove sandbox", .run = tear_down, .done = on_torn_down, .data = agent};
	struct err err = ERR_INIT;

	if (job_start(agent->reaper, &job, &agent->sandbox.job, &err) < 0)
		on_torn_down(agent, &err, 0);
}

static void start_tear_down(struct agent *agent)
{
	storages_leave(&agent->sandbox.own_storages);
	tear_down_by_job(agent);
}

static void on_prepared(void *data, const struct err *err, uint32_t n_steps)
{
	struct agent *agent = data;
	struct sandbox *s = &agent->sandbox;
	struct err failure = ERR_INIT;

	s->job = NULL;
	s->n_begun = n_steps;
	if (!err)
		storages_settle(&s->own_storages);
	if (!err && take_namespaces(agent, &failure) < 0)
		err = &failure;
	if (err) {
		note_failure(s, err);
		start_tear_down(agent);
		return;
	}
	s->n_begun = UINT32_MAX;
	s->state = SANDBOX_READY;
	log_write(LOG_INFO, "sandbox", "sandbox created", "sandbox", s->id ? s->id : "", NULL);
	span_call("create sandbox", NULL, s->call);
	answer(s);
}

static int keep_names(struct sandbox *s, const Grpc__CreateSandboxRequest *request, struct err *err)
{
	if (*rpc_str(request->sandbox_id)) {
		s->id = strdup(request->sandbox_id);
		if (!s->id)
			return err_sys(err, ENOMEM, "create sandbox");
	}
	if (*rpc_str(request->guest_hook_path)) {
		s->guest_hooks = strdup(request->guest_hook_path);
		if (!s->guest_hooks)
			return err_sys(err, ENOMEM, "create sandbox");
	}
	return 0;
}

static int start_preparing(struct agent *agent, struct err *err)
{
	struct job_config job = {
		.name = "create sandbox", .run = prepare, .done = on_prepared, .data = agent};

	return job_start(agent->reaper, &job, &agent->sandbox.job, err);
}

static void on_attached(void *data, struct device_set *found, const struct err *err)
{
	struct agent *agent = data;
	struct err failure = ERR_INIT;

	agent->sandbox.attach = NULL;
	if (found)
		device_set_fini(found);
	if (!err && start_preparing(agent, &failure) < 0)
		err = &failure;
	if (!err)
		return;
	note_failure(&agent->sandbox, err);
	start_tear_down(agent);
}

static int attach_and_prepare(
	struct agent *agent, const Grpc__CreateSandboxRequest *request, struct err *err)
{
	struct attach_config config = {
		.hotplug = &agent->hotplug,
		.reaper = agent->reaper,
		.storages = request->storages,
		.set = &agent->sandbox.own_storages,
		.done = on_attached,
		.data = agent,
	};
	int r = attach_start(&config, &agent->sandbox.attach, err);

	return r < 0 || agent->sandbox.attach ? r : start_preparing(agent, err);
}

static int start_create(
	struct agent *agent, const Grpc__CreateSandboxRequest *request, struct err *err)
{
	struct storage_owner owner = {.run_dir = agent->options->run_dir};
	struct sandbox *s = &agent->sandbox;
	int r = check_create(agent, request, err);

	if (r < 0)
		return r;
	r = keep_names(s, request, err);
	if (r == 0)
		r = storages_acquire(&s->storages, request->storages, request->n_storages, &owner,
			&s->own_storages, err);
	if (r == 0)
		r = attach_and_prepare(agent, request, err);
	if (r == 0)
		return 0;
	storages_leave(&s->own_storages);
	storages_forget(&s->storages, &s->own_storages);
	free(take_ptr(&s->id));
	free(take_ptr(&s->guest_hooks));
	return r;
}

void rpc_create_sandbox(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Grpc__CreateSandboxRequest *request = (const Grpc__CreateSandboxRequest *)message;
	struct agent *agent = user;
	struct err err = ERR_INIT;

	if (agent->sandbox.state == SANDBOX_NONE)
		agent->sandbox.call = call;
	if (start_create(agent, request, &err) < 0) {
		if (agent->sandbox.call == call)
			agent->sandbox.call = NULL;
		rpc_fail(call, &err);
		return;
	}
	agent->sandbox.state = SANDBOX_CREATING;
}

struct sandbox_removal {
	struct container_removal base;
	struct agent *agent;
	struct container *c; /* gone when there is no error */
	bool has_failed_once;
};

static void end_removals(struct agent *agent)
{
	if (--agent->sandbox.n_removing > 0)
		return;
	free(take_ptr(&agent->sandbox.removals));
	start_tear_down(agent);
}

static void on_removed(struct container_removal *base, const struct err *err)
{
	struct sandbox_removal *removal = container_of(base, struct sandbox_removal, base);

	if (err && !removal->has_failed_once) {
		removal->has_failed_once = true;
		container_remove(removal->c, base);
		return;
	}
	note_failure(&removal->agent->sandbox, err);
	end_removals(removal->agent);
}

/* A removal can end at once and take its container out of the map. */
static struct container *find_next(struct agent *agent, const char *after)
{
	MAP_FOREACH (e, &agent->sandbox.containers)
		if (!after || strcmp(e->key, after) > 0)
			return e->value;
	return NULL;
}

int sandbox_destroy(struct agent *agent, struct ttrpc_call *call)
{
	struct sandbox *s = &agent->sandbox;
	char last[OPTIONS_PATH_SIZE + 128] = "";
	struct sandbox_removal *removal;
	struct container *c;

	if (s->state == SANDBOX_CREATING || s->state == SANDBOX_DESTROYING)
		return -EBUSY;
	removal = s->removals = calloc(s->containers.n_entries + 1, sizeof(*removal));
	if (!removal)
		return -ENOMEM;
	s->state = SANDBOX_DESTROYING;
	s->call = call;
	/* They would keep the server from stopping. */
	oom_queue_close(&s->oom);
	/* One more than there are: the sandbox goes last. */
	s->n_removing = 1;
	while ((c = find_next(agent, last))) {
		snprintf(last, sizeof(last), "%s", c->id);
		*removal =
			(struct sandbox_removal){.base.done = on_removed, .agent = agent, .c = c};
		s->n_removing++;
		container_remove(c, &removal++->base);
	}
	end_removals(agent);
	return 0;
}

void rpc_destroy_sandbox(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	struct err err = ERR_INIT;
	int r = sandbox_destroy(user, call);

	(void)message;
	if (r == 0)
		return;
	if (r == -EBUSY)
		err_status(&err, EBUSY, WIRE_INTERNAL, "the sandbox is being created or destroyed");
	else
		err_sys(&err, -r, "destroy the sandbox");
	rpc_fail(call, &err);
}
