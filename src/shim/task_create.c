/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Create: the bundle is read and checked, a sandbox is made for it, and the container is created in
 * its guest. The steps, each of which goes on in a callback:
 *
 *	check, netns (job), mount (job), start the sandbox, create in the guest, answer
 *
 * A failure anywhere, or the client's leaving, ends in roll_back(), which undoes all of it before
 * the call is answered; callbacks of steps that were under way then find is_failing set and do
 * nothing.
 */
#include <malloc.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "oci/spec.h"
#include "oci/validate.h"
#include "options.pb-c.h"
#include "runtime/job.h"
#include "runtime/netns.h"
#include "runtime/timeline.h"
#include "shim/shim_end.h"
#include "task.pb-c.h"
#include "wire/message.h"
#include "wire/status.h"

enum { NETNS_LIMIT_S = 10, OPTIONS_BUDGET = 64 << 10 };

struct create {
	struct shim *shim;					/* borrowed */
	struct ttrpc_call *call;				/* owned: to be answered */
	const Containerd__Task__V2__CreateTaskRequest *request; /* borrowed from call */
	Grpc__Spec *spec;					/* owned */
	struct container_rootfs *rootfs;			/* owned array */
	struct sandbox *sandbox;				/* owned */
	struct container *container;				/* owned */
	const char *netns; /* borrowed from spec; NULL: a new one */
	bool netns_job_runs, is_failing;
	struct err err;	 /* why it fails */
	int64_t from_ns; /* of the step */
};

static void create_free(struct create *c)
{
	container_free(c->container);
	sandbox_free(c->sandbox);
	oci_spec_free(c->spec);
	free(c->rootfs);
	free(c);
}

static void on_rolled_back(void *data, const struct err *err)
{
	struct create *c = data;
	struct shim *shim = c->shim;

	if (err)
		log_write(LOG_ERROR, "create", "not everything could be removed", "error", err->msg,
			NULL);
	ttrpc_call_on_cancel(c->call, NULL, NULL);
	ttrpc_call_fail(c->call, &c->err);
	create_free(c);
	shim->is_creating = false;
	shim_end_if_wanted(shim);
}

static void roll_back(struct create *c, const struct err *why)
{
	if (c->is_failing)
		return;
	c->is_failing = true;
	err_copy(&c->err, why);
	log_write(LOG_ERROR, "create", c->err.msg, "cid", shim_text(c->request->id), NULL);
	if (c->netns_job_runs)
		return;
	if (c->sandbox)
		sandbox_stop(c->sandbox, on_rolled_back, c);
	else
		on_rolled_back(c, NULL);
}

static void on_cancel(void *data)
{
	struct err err = ERR_INIT;

	err_status(&err, ECANCELED, WIRE_CANCELLED, "the client has left, or its time is up");
	roll_back(data, &err);
}

static void watch_oom(struct shim *shim)
{
	int r = sandbox_watch_oom(shim->sandbox, shim_on_oom, shim);

	if (r < 0)
		log_write(LOG_WARN, "create", "no news of containers out of memory", "error",
			strerror(-r), NULL);
}

static void finish(struct create *c)
{
	Containerd__Task__V2__CreateTaskResponse reply =
		CONTAINERD__TASK__V2__CREATE_TASK_RESPONSE__INIT;
	struct shim *shim = c->shim;
	struct err err = ERR_INIT;
	int r = map_add(&shim->containers, c->container->id, c->container);

	if (r < 0) {
		err_sys(&err, -r, "keep the container");
		roll_back(c, &err);
		return;
	}
	c->container = NULL;
	sandbox_set_lost(c->sandbox, shim_on_lost, shim);
	shim->sandbox = take_ptr(&c->sandbox);
	watch_oom(shim);
	shim->is_creating = false;
	MESSAGE_SET(&reply, pid, shim_pid(shim));
	events_create(shim->events, c->request, shim_pid(shim));
	timeline_end("create", c->request->id, ttrpc_call_received_ns(c->call));
	ttrpc_call_on_cancel(c->call, NULL, NULL);
	ttrpc_call_reply(c->call, &reply.base);
	create_free(c);
	/* The start's peak (spec, requests) goes back to the system: this process stays for long.
	 */
	malloc_trim(0);
}

static void on_lost(void *data, const struct err *why)
{
	roll_back(data, why);
}

static void on_created(void *data, const struct err *err)
{
	struct create *c = data;

	/* When the agent has hung up, on_lost() hears why. */
	if (c->is_failing || (err && err->code == ECONNRESET))
		return;
	if (err)
		roll_back(c, err);
	else
		finish(c);
}

static void on_sandbox_started(void *data, const struct err *err)
{
	struct create *c = data;
	struct err failed = ERR_INIT;

	if (c->is_failing)
		return;
	if (err)
		roll_back(c, err);
	else if (container_create(c->container, on_created, c, &failed) < 0)
		roll_back(c, &failed);
}

static void on_mounted(void *data, const struct err *err)
{
	struct create *c = data;
	struct err failed = ERR_INIT;

	if (c->is_failing)
		return;
	if (err)
		roll_back(c, err);
	else if (sandbox_start(c->sandbox, ttrpc_call_deadline_ns(c->call), on_sandbox_started, c,
			 &failed) < 0)
		roll_back(c, &failed);
}

static void make_sandbox(struct create *c)
{
	struct err err = ERR_INIT;
	int r = sandbox_prepare(c->sandbox, &err);

	if (r == 0)
		r = sandbox_mount(c->sandbox, container_mounts(c->container), on_mounted, c, &err);
	if (r < 0)
		roll_back(c, &err);
}

static int look_into_netns(void *data, struct err *err)
{
	const struct create *c = data;

	return netns_check(c->netns, err);
}

static void on_netns(void *data, const struct err *err)
{
	struct create *c = data;

	c->netns_job_runs = false;
	timeline_end("look into the network namespace", NULL, c->from_ns);
	if (c->is_failing)
		sandbox_stop(c->sandbox, on_rolled_back, c);
	else if (err)
		roll_back(c, err);
	else
		make_sandbox(c);
}

static bool is_type(const char *type_url, const char *name)
{
	const char *slash = strrchr(type_url, '/');

	return strcmp(slash ? slash + 1 : type_url, name) == 0;
}

/* The configuration file that the Create options name, if they do: *ret is owned by the caller. */
static int read_options(const Google__Protobuf__Any *any, char **ret, struct err *err)
{
	struct message_budget budget = {.limit = OPTIONS_BUDGET};
	const Runtimeoptions__V1__Options *options;
	ProtobufCMessage *message;
	int r;

	*ret = NULL;
	if (!any || !any->has_value || any->value.len == 0)
		return 0;
	if (!any->type_url || !is_type(any->type_url, "runtimeoptions.v1.Options")) {
		log_write(LOG_INFO, "create", "options of another runtime are ignored", "type",
			shim_text(any->type_url), NULL);
		return 0;
	}
	r = message_decode(&runtimeoptions__v1__options__descriptor,
		slice_of(any->value.data, any->value.len), &budget, &message, err);
	if (r < 0)
		return r;
	options = (const void *)message;
	if (options->config_path && options->config_path[0]) {
		*ret = strdup(options->config_path);
		if (!*ret)
			r = err_sys(err, ENOMEM, "read the options");
	}
	message_free(message, &budget);
	return r;
}

static int load_config(const struct create *c, struct config **ret, struct err *err)
{
	auto_free char *path = NULL;
	int r = read_options(c->request->options, &path, err);

	if (r == 0)
		r = config_load(path, ret, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < (*ret)->n_warnings; i++)
		log_write(LOG_WARN, "config", (*ret)->warnings[i], NULL);
	if ((*ret)->runtime.enable_debug || c->shim->cli->debug)
		log_set_level(LOG_DEBUG);
	return 0;
}

static int check_request(const struct create *c, struct err *err)
{
	const Containerd__Task__V2__CreateTaskRequest *request = c->request;
	const char *id = shim_text(request->id);

	if (!path_is_valid_id(id))
		return err_set(err, EINVAL, "\"%s\" is not a valid container id", id);
	if (shim_text(request->bundle)[0] != '/')
		return err_set(err, EINVAL, "bundle \"%s\" is not an absolute path",
			shim_text(request->bundle));
	if (shim_text(request->checkpoint)[0])
		return err_status(err, ENOTSUP, WIRE_UNIMPLEMENTED,
			"starting from a checkpoint is not supported yet");
	return 0;
}

static int load_spec(struct create *c, struct err *err)
{
	auto_buf struct buf dropped = BUF_INIT;
	enum guest_spec_type type;
	int r = oci_spec_load(c->request->bundle, &c->spec, &dropped, err);

	if (r == 0)
		r = oci_spec_validate(c->spec, "config.json", err);
	if (r == 0)
		r = guest_spec_type_of(c->spec, &type, err);
	if (r < 0)
		return r;
	if (type == GUEST_SPEC_POD_CONTAINER)
		return err_set(err, ENOTSUP, "pods of several containers are not supported yet");
	if (buf_len(&dropped) > 0)
		log_write(LOG_WARN, "create", "not supported yet, ignored", "members",
			buf_str(&dropped), NULL);
	c->spec->process->has_terminal = 1;
	c->spec->process->terminal = c->request->terminal;
	return netns_of_spec(c->spec, &c->netns, err);
}

static int new_sandbox(struct create *c, struct err *err)
{
	struct sandbox_config config = {.loop = c->shim->loop,
		.id = c->request->id,
		.owner = c->shim->socket_path,
		.root = c->shim->run_root,
		.hostname = shim_text(c->spec->hostname),
		.lost = on_lost,
		.data = c};
	int r = load_config(c, &config.config, err);

	if (r < 0)
		return r;
	r = sandbox_new(&config, &c->sandbox, err);
	if (r < 0)
		config_free(config.config);
	return r;
}

static int new_container(struct create *c, struct err *err)
{
	const Containerd__Task__V2__CreateTaskRequest *request = c->request;
	struct container_config config = {.process = {.loop = c->shim->loop,
						  .cid = request->id,
						  .eid = "",
						  .terminal = request->terminal,
						  .in = shim_text(request->stdin),
						  .out = shim_text(request->stdout),
						  .err = shim_text(request->stderr),
						  .on_exit = shim_on_exit,
						  .data = c->shim},
		.bundle = request->bundle,
		.n_rootfs = request->n_rootfs,
		.spec = c->spec,
		.sandbox = c->sandbox};

	c->rootfs = calloc(request->n_rootfs + 1, sizeof(*c->rootfs));
	if (!c->rootfs)
		return err_sys(err, ENOMEM, "make the container");
	for (size_t i = 0; i < request->n_rootfs; i++) {
		const Containerd__Task__V2__Mount *m = request->rootfs[i];

		c->rootfs[i] = (struct container_rootfs){.type = shim_text(m->type),
			.source = shim_text(m->source),
			.options = m->options,
			.n_options = m->n_options};
	}
	config.rootfs = c->rootfs;
	return container_new(&config, &c->container, err);
}

/* Everything that makes nothing. */
static int check(struct create *c, struct err *err)
{
	int r = check_request(c, err);

	if (r == 0)
		r = load_spec(c, err);
	if (r == 0)
		r = new_sandbox(c, err);
	if (r == 0)
		r = new_container(c, err);
	return r;
}

void task_create(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Containerd__Task__V2__CreateTaskRequest *request = (const void *)message;
	struct shim *shim = user;
	struct create *c = calloc(1, sizeof(*c));
	struct err err = ERR_INIT;
	int r;

	if (!c)
		err_sys(&err, ENOMEM, "create the container");
	else if (map_find(&shim->containers, shim_text(request->id)))
		err_status(&err, EEXIST, WIRE_ALREADY_EXISTS, "container %s exists already",
			request->id);
	else if (shim->sandbox || shim->is_creating)
		err_set(&err, ENOTSUP, "pods of several containers are not supported yet");
	if (err_is_set(&err)) {
		free(c);
		ttrpc_call_fail(call, &err);
		return;
	}
	*c = (struct create){.shim = shim, .call = call, .request = request};
	shim->is_creating = true;
	timeline_span("wait for create", request->id, shim->ready_ns, ttrpc_call_received_ns(call));
	ttrpc_call_on_cancel(call, on_cancel, c);
	r = check(c, &err);
	if (r == 0)
		timeline_end("check", request->id, ttrpc_call_received_ns(call));
	if (r == 0 && c->netns) {
		c->from_ns = clock_now_ns();
		r = job_start(shim->loop, "look into the network namespace",
			NETNS_LIMIT_S * NS_PER_S, look_into_netns, c, on_netns, c, &err);
		c->netns_job_runs = r == 0;
	} else if (r == 0) {
		make_sandbox(c);
	}
	if (r < 0)
		roll_back(c, &err);
}
