/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Create: the bundle is read and checked, and the container is created in the guest of its sandbox,
 * which the container that has its id brings along. The steps, each of which goes on in a callback:
 *
 *	check, network (jobs)*, mount (job), start the sandbox*, create in the guest, answer
 *
 * those with a star only for a container that makes the sandbox. A failure anywhere, or the client's
 * leaving, ends in roll_back(), which undoes all of it before the call is answered. With a new
 * sandbox it does not wait for the step under way, for all goes with the sandbox; in a running one
 * it does, and then takes back what this container has made. Callbacks of steps that were under way
 * find is_failing set.
 */
#include <malloc.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "oci/spec.h"
#include "oci/validate.h"
#include "runtime/netns.h"
#include "runtime/network/network.h"
#include "runtime/timeline.h"
#include "shim/create_options.h"
#include "shim/shim_end.h"
#include "task.pb-c.h"
#include "wire/message.h"
#include "wire/status.h"

struct create {
	struct shim *shim;					/* borrowed */
	char *id;						/* owned */
	struct ttrpc_call *call;				/* owned: to be answered */
	const Containerd__Task__V2__CreateTaskRequest *request; /* borrowed from call */
	Grpc__Spec *spec;					/* owned */
	struct container_rootfs *rootfs;			/* owned array */
	struct container *container;				/* owned */
	struct shim_stop_waiter stopped;
	const char *netns;		 /* borrowed from spec; NULL: a new one */
	bool makes_sandbox, has_sandbox; /* has_sandbox: it has made it */
	bool is_busy; /* a job or a call to the agent is under way that a roll-back waits for */
	bool has_mounts, may_be_in_guest;
	bool is_failing;
	struct err err; /* why it fails */
};

/* Out of the daemon's books; what was not moved out of it goes with it. */
static void create_free(struct create *c)
{
	struct shim *shim = c->shim;

	map_remove(&shim->creates, c->id);
	container_free(c->container);
	oci_spec_free(c->spec);
	free(c->rootfs);
	free(c->id);
	free(c);
	shim_let_go(shim);
}

static void end_roll_back(struct create *c)
{
	ttrpc_call_on_cancel(c->call, NULL, NULL);
	ttrpc_call_fail(c->call, &c->err);
	create_free(c);
}

static void on_sandbox_stopped(struct shim_stop_waiter *w)
{
	end_roll_back(container_of(w, struct create, stopped));
}

static void on_unmounted(void *data, const struct err *err)
{
	struct create *c = data;

	if (err)
		log_write(LOG_ERROR, "create", "not everything could be removed", "error", err->msg,
			NULL);
	end_roll_back(c);
}

static void undo_mounts(struct create *c)
{
	struct err err = ERR_INIT;

	if (sandbox_is_stopping(c->shim->sandbox))
		shim_stop_sandbox(c->shim, &c->stopped);
	else if (!c->has_mounts)
		end_roll_back(c);
	else if (container_unmount(c->container, on_unmounted, c, &err) < 0)
		on_unmounted(c, &err);
}

static void on_removed(void *data, const struct err *err)
{
	struct create *c = data;

	if (err)
		log_write(LOG_DEBUG, "create", "remove the container in the guest", "error",
			err->msg, NULL);
	undo_mounts(c);
}

/* In a sandbox that goes on. */
static void undo_container(struct create *c)
{
	struct err err = ERR_INIT;

	if (!c->may_be_in_guest || sandbox_get_state(c->shim->sandbox) != SANDBOX_RUNNING)
		undo_mounts(c);
	else if (container_remove(c->container, on_removed, c, &err) < 0)
		on_removed(c, &err);
}

static void roll_back(struct create *c, const struct err *why)
{
	if (c->is_failing)
		return;
	c->is_failing = true;
	err_copy(&c->err, why);
	log_write(LOG_ERROR, "create", c->err.msg, "cid", c->id, NULL);
	if (c->is_busy)
		return;
	if (c->has_sandbox)
		shim_stop_sandbox(c->shim, &c->stopped);
	else if (!c->makes_sandbox && c->container)
		undo_container(c);
	else
		end_roll_back(c);
}

void shim_cancel_create(struct create *c, const struct err *why)
{
	roll_back(c, why);
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
	int r = map_add(&shim->containers, c->id, c->container);

	if (r < 0) {
		err_sys(&err, -r, "keep the container");
		roll_back(c, &err);
		return;
	}
	c->container = NULL;
	if (c->makes_sandbox) {
		sandbox_set_lost(shim->sandbox, shim_on_lost, shim);
		watch_oom(shim);
	}
	MESSAGE_SET(&reply, pid, shim_pid(shim));
	events_create(shim->events, c->request, shim_pid(shim));
	timeline_end("create", c->id, ttrpc_call_received_ns(c->call));
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

/* What a roll-back has waited for has ended. */
static bool is_given_up(struct create *c)
{
	c->is_busy = false;
	if (c->is_failing && !c->makes_sandbox)
		undo_container(c);
	return c->is_failing;
}

static void on_created(void *data, const struct err *err)
{
	struct create *c = data;

	/* When the agent of a new sandbox has hung up, on_lost() hears why. */
	if (is_given_up(c) || (c->makes_sandbox && err && err->code == ECONNRESET))
		return;
	if (err)
		roll_back(c, err);
	else
		finish(c);
}

static void create_in_guest(struct create *c)
{
	struct err err = ERR_INIT;

	c->may_be_in_guest = true;
	if (container_create(c->container, on_created, c, &err) < 0)
		roll_back(c, &err);
	else
		c->is_busy = !c->makes_sandbox;
}

static void on_sandbox_started(void *data, const struct err *err)
{
	struct create *c = data;

	if (c->is_failing)
		return;
	if (err)
		roll_back(c, err);
	else
		create_in_guest(c);
}

static void start_sandbox(struct create *c)
{
	struct err err = ERR_INIT;

	if (sandbox_start(c->shim->sandbox, ttrpc_call_deadline_ns(c->call), on_sandbox_started, c,
		    &err) < 0)
		roll_back(c, &err);
}

static void on_mounted(void *data, const struct err *err)
{
	struct create *c = data;

	if (is_given_up(c))
		return;
	if (err)
		roll_back(c, err);
	else if (c->makes_sandbox)
		start_sandbox(c);
	else
		create_in_guest(c);
}

static void mount_container(struct create *c)
{
	struct err err = ERR_INIT;

	c->has_mounts = true;
	if (sandbox_mount(c->shim->sandbox, container_mounts(c->container), on_mounted, c, &err) <
		0)
		roll_back(c, &err);
	else
		c->is_busy = !c->makes_sandbox;
}

/* A start that was given up meanwhile is answered by the sandbox's stop, which waits for this. */
static void on_network(void *data, const struct err *err)
{
	struct create *c = data;

	if (c->is_failing)
		return;
	if (err)
		roll_back(c, err);
	else
		mount_container(c);
}

static void make_sandbox(struct create *c)
{
	struct err err = ERR_INIT;
	bool has_network = c->netns && network_is_wanted(sandbox_get_config(c->shim->sandbox));
	int r = sandbox_prepare(c->shim->sandbox, &err);

	if (r == 0 && has_network)
		r = sandbox_set_network(c->shim->sandbox, c->netns, netns_resolv_conf(c->spec),
			on_network, c, &err);
	if (r < 0)
		roll_back(c, &err);
	else if (!has_network)
		mount_container(c);
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
	c->makes_sandbox = type != GUEST_SPEC_POD_CONTAINER;
	if (buf_len(&dropped) > 0)
		log_write(LOG_WARN, "create", "not supported yet, ignored", "members",
			buf_str(&dropped), NULL);
	c->spec->process->has_terminal = 1;
	c->spec->process->terminal = c->request->terminal;
	return netns_of_spec(c->spec, &c->netns, err);
}

/* A container of a pod: its sandbox is the one we serve, and it runs. */
static int find_sandbox(const struct create *c, struct err *err)
{
	const char *wanted = guest_spec_sandbox_id(c->spec);
	const struct sandbox *sb = c->shim->sandbox;

	if (!wanted)
		return err_set(err, EINVAL,
			"config.json: annotations: a container of a pod without a sandbox id");
	if (!sb || strcmp(wanted, sandbox_get_id(sb)) != 0)
		return err_status(err, ENOENT, WIRE_NOT_FOUND, "sandbox %s: not found", wanted);
	if (sandbox_get_state(sb) != SANDBOX_RUNNING)
		return err_status(
			err, EINVAL, WIRE_FAILED_PRECONDITION, "sandbox %s is not running", wanted);
	return 0;
}

static int new_sandbox(struct create *c, struct err *err)
{
	struct sandbox_config config = {.loop = c->shim->loop,
		.id = c->id,
		.owner = c->shim->socket_path,
		.root = c->shim->run_root,
		.hostname = shim_text(c->spec->hostname),
		.lost = on_lost,
		.data = c};
	int r;

	if (c->shim->sandbox)
		return err_status(err, EEXIST, WIRE_ALREADY_EXISTS,
			"this shim serves sandbox %s already", sandbox_get_id(c->shim->sandbox));
	r = create_options_load_config(
		c->request->options, c->spec, c->shim->cli->debug, &config.config, err);
	if (r < 0)
		return r;
	r = sandbox_size_config(config.config, c->spec, err);
	if (r == 0)
		r = sandbox_new(&config, &c->shim->sandbox, err);
	if (r < 0)
		config_free(config.config);
	c->has_sandbox = r == 0;
	return r;
}

static int new_container(struct create *c, struct err *err)
{
	const Containerd__Task__V2__CreateTaskRequest *request = c->request;
	struct container_config config = {.process = {.loop = c->shim->loop,
						  .cid = c->id,
						  .eid = "",
						  .terminal = request->terminal,
						  .in = shim_text(request->stdin),
						  .out = shim_text(request->stdout),
						  .err = shim_text(request->stderr),
						  .on_exit = shim_on_exit,
						  .name_space = c->shim->cli->name_space,
						  .note = shim_note_logger,
						  .forget = shim_forget_logger,
						  .data = c->shim},
		.bundle = request->bundle,
		.n_rootfs = request->n_rootfs,
		.spec = c->spec,
		.sandbox = c->shim->sandbox};

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
	int r = load_spec(c, err);

	if (r == 0)
		r = c->makes_sandbox ? new_sandbox(c, err) : find_sandbox(c, err);
	if (r == 0)
		r = new_container(c, err);
	return r;
}

static int create_new(struct shim *shim, struct ttrpc_call *call,
	const Containerd__Task__V2__CreateTaskRequest *request, struct create **ret,
	struct err *err)
{
	struct create *c = calloc(1, sizeof(*c));
	int r = -ENOMEM;

	if (c)
		*c = (struct create){.shim = shim,
			.id = strdup(request->id),
			.call = call,
			.request = request,
			.stopped.told = on_sandbox_stopped};
	if (c && c->id)
		r = map_add(&shim->creates, c->id, c);
	if (r == 0) {
		*ret = c;
		return 0;
	}
	if (c)
		free(c->id);
	free(c);
	return err_sys(err, -r, "create the container");
}

static int check_request(const struct shim *shim,
	const Containerd__Task__V2__CreateTaskRequest *request, struct err *err)
{
	const char *id = shim_text(request->id);

	if (!path_is_valid_id(id))
		return err_set(err, EINVAL, "\"%s\" is not a valid container id", id);
	if (map_find(&shim->containers, id) || map_find(&shim->creates, id))
		return err_status(
			err, EEXIST, WIRE_ALREADY_EXISTS, "container %s exists already", id);
	if (shim_text(request->bundle)[0] != '/')
		return err_set(err, EINVAL, "bundle \"%s\" is not an absolute path",
			shim_text(request->bundle));
	if (shim_text(request->checkpoint)[0])
		return err_status(err, ENOTSUP, WIRE_UNIMPLEMENTED,
			"starting from a checkpoint is not supported yet");
	return 0;
}

void task_create(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Containerd__Task__V2__CreateTaskRequest *request = (const void *)message;
	struct shim *shim = user;
	struct err err = ERR_INIT;
	struct create *c;

	if (check_request(shim, request, &err) < 0 ||
		create_new(shim, call, request, &c, &err) < 0) {
		ttrpc_call_fail(call, &err);
		return;
	}
	ttrpc_call_on_cancel(call, on_cancel, c);
	if (check(c, &err) < 0) {
		roll_back(c, &err);
		return;
	}
	if (c->makes_sandbox)
		timeline_span(
			"wait for create", c->id, shim->ready_ns, ttrpc_call_received_ns(call));
	timeline_end("check", c->id, ttrpc_call_received_ns(call));
	if (!c->makes_sandbox)
		mount_container(c);
	else
		make_sandbox(c);
}
