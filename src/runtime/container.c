/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/container.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "runtime/container_disks.h"
#include "runtime/timeline.h"
#include "wire/message.h"

static int plan_bundle_rootfs(struct container *c, const Grpc__Spec *spec, const char *name)
{
	static char rbind[] = "rbind";
	static char *const options[] = {rbind};
	const char *path = spec->root && spec->root->path ? spec->root->path : "rootfs";
	struct share_mount mount = {
		.purpose = SHARE_ROOTFS, .type = "bind", .options = options, .n_options = 1};
	int n = path[0] == '/' ? asprintf(&c->rootfs_source, "%s", path)
			       : asprintf(&c->rootfs_source, "%s/%s", c->bundle, path);

	if (n < 0) {
		c->rootfs_source = NULL;
		return -ENOMEM;
	}
	mount.source = c->rootfs_source;
	return share_plan_add(&c->plan, &mount, name);
}

/* What the devmapper and blockfile snapshotters give. Other file systems are mounted here, for the guest
 * may not know them. */
static bool is_disk_rootfs(const struct container_config *config)
{
	return config->n_rootfs == 1 && strcmp(config->rootfs[0].type, "ext4") == 0 &&
	       !sandbox_get_config(config->sandbox)->hypervisor.disable_block_device_use;
}

static int plan_rootfs(struct container *c, const struct container_config *config)
{
	auto_free char *name = NULL;
	int r = 0;

	if (asprintf(&name, "passthrough/%s/rootfs", c->id) < 0) {
		name = NULL;
		return -ENOMEM;
	}
	if (config->n_rootfs == 0)
		return plan_bundle_rootfs(c, config->spec, name);
	for (size_t i = 0; i < config->n_rootfs && r == 0; i++) {
		bool is_disk = is_disk_rootfs(config);
		struct share_mount mount = {.purpose = is_disk ? SHARE_DISK : SHARE_ROOTFS,
			.is_root = is_disk,
			.type = config->rootfs[i].type,
			.source = config->rootfs[i].source,
			.options = config->rootfs[i].options,
			.n_options = config->rootfs[i].n_options};

		r = share_plan_add(&c->plan, &mount, name);
	}
	return r;
}

/* The container that holds a pod together has no needs of its own: what its spec says is the pod's. */
static int read_need(struct container *c, const Grpc__Spec *spec, struct err *err)
{
	enum guest_spec_type type;
	int r = guest_spec_type_of(spec, &type, err);

	if (r == 0 && type != GUEST_SPEC_POD_SANDBOX)
		sizing_read(spec->linux ? spec->linux->resources : NULL, &c->need);
	return r;
}

static int fill(struct container *c, const struct container_config *config, struct err *err)
{
	struct guest_spec_config guest = {.cid = config->process.cid,
		.bundle = config->bundle,
		.disable_seccomp = sandbox_get_config(c->sandbox)->runtime.disable_guest_seccomp};
	int r;

	c->id = strdup(config->process.cid);
	c->bundle = strdup(config->bundle);
	if (!c->id || !c->bundle)
		return err_sys(err, ENOMEM, "make the container");
	c->plan.refuses_disks = sandbox_get_config(c->sandbox)->hypervisor.disable_block_device_use;
	r = read_need(c, config->spec, err);
	if (r < 0)
		return r;
	r = plan_rootfs(c, config);
	if (r < 0)
		return err_sys(err, -r, "make the container");
	r = guest_spec_new(config->spec, &guest, &c->plan, &c->spec, err);
	if (r < 0)
		return r;
	return guest_process_new(&config->process, &c->init, err);
}

int container_new(const struct container_config *config, struct container **ret, struct err *err)
{
	struct container *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_sys(err, ENOMEM, "make the container");
	c->sandbox = config->sandbox;
	share_plan_init(&c->plan, sandbox_layout(c->sandbox));
	r = fill(c, config, err);
	if (r < 0) {
		container_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

void container_free(struct container *c)
{
	if (!c)
		return;
	container_drop_pause(c);
	MAP_FOREACH (e, &c->execs)
		guest_process_free(e->value);
	map_fini(&c->execs);
	guest_process_free(c->init);
	guest_spec_free(c->spec);
	container_disks_free(c->disks);
	share_plan_fini(&c->plan);
	free(c->rootfs_source);
	free(c->bundle);
	free(c->id);
	free(c);
}

struct share_plan *container_mounts(struct container *c)
{
	return &c->plan;
}

/* It needs nothing any more; the machine follows when it can. */
static void forget_need(struct container *c)
{
	int r = sandbox_fit(c->sandbox, c->id, NULL, NULL, NULL);

	if (r < 0 && r != -ENOTCONN)
		log_write(LOG_WARN, "container", "the virtual machine keeps its size", "error",
			strerror(-r), NULL);
}

static void on_created(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct container *c = data;

	(void)reply;
	if (err)
		forget_need(c);
	if (!err) {
		c->is_in_guest = true;
		timeline_end("create container", c->id, c->step_ns);
		c->step_ns = clock_now_ns();
	}
	c->done(c->data, err);
}

static int ask_for_it(struct container *c)
{
	Grpc__CreateContainerRequest request = GRPC__CREATE_CONTAINER_REQUEST__INIT;
	const struct guest_storages *storages = guest_spec_storages(c->spec);
	const struct guest_devices *devices = guest_spec_devices(c->spec);

	request.container_id = c->id;
	request.exec_id = c->id;
	request.oci = (Grpc__Spec *)(uintptr_t)guest_spec_get(c->spec);
	request.storages = storages->list;
	request.n_storages = storages->n;
	request.devices = devices->request_list;
	request.n_devices = devices->n;
	MESSAGE_SET(&request, sandbox_pidns, guest_spec_shares_pid(c->spec));
	return agent_call(sandbox_agent(c->sandbox), AGENT_CREATE_CONTAINER, &request.base,
		on_created, c, NULL);
}

static int create_in_guest(struct container *c, struct err *err)
{
	int r = guest_spec_settle(c->spec, c->id, sandbox_get_id(c->sandbox), &c->plan, err);

	if (r < 0)
		return r;
	c->step_ns = clock_now_ns();
	r = ask_for_it(c);
	guest_spec_free(c->spec);
	c->spec = NULL;
	share_plan_fini(&c->plan);
	return r < 0 ? err_sys(err, -r, "create the container in the guest") : 0;
}

static void on_plugged(void *data, const struct err *err)
{
	struct container *c = data;
	struct err failed = ERR_INIT;

	if (!err) {
		timeline_end("plug disks", c->id, c->step_ns);
		if (create_in_guest(c, &failed) == 0)
			return;
		err = &failed;
	}
	forget_need(c);
	c->done(c->data, err);
}

static int plug_disks(struct container *c, struct err *err)
{
	int r = container_disks_new(c->sandbox, &c->plan, &c->disks, err);

	if (r > 0) {
		r = container_disks_plug(c->disks, on_plugged, c, err);
		if (r <= 0)
			return r;
	}
	return r < 0 ? r : create_in_guest(c, err);
}

static void on_fitted(void *data, const struct err *err)
{
	struct container *c = data;
	struct err failed = ERR_INIT;

	timeline_end("fit the virtual machine", c->id, c->step_ns);
	c->step_ns = clock_now_ns();
	if (!err && plug_disks(c, &failed) == 0)
		return;
	forget_need(c);
	c->done(c->data, err ? err : &failed);
}

int container_create(struct container *c, sandbox_done_fn *done, void *data, struct err *err)
{
	int r;

	if (!sandbox_has_seccomp(c->sandbox))
		guest_spec_drop_seccomp(c->spec);
	r = guest_spec_fit(c->spec, sandbox_extensions(c->sandbox), err);
	if (r < 0)
		return r;
	c->done = done;
	c->data = data;
	c->step_ns = clock_now_ns();
	r = sandbox_fit(c->sandbox, c->id, &c->need, on_fitted, c);
	return r < 0 ? err_sys(err, -r, "fit the virtual machine") : 0;
}

static void on_removed(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct container *c = data;

	(void)reply;
	c->is_in_guest = false;
	forget_need(c);
	if (!err)
		timeline_end("remove container", c->id, c->step_ns);
	c->done(c->data, err);
}

int container_remove(struct container *c, sandbox_done_fn *done, void *data, struct err *err)
{
	Grpc__RemoveContainerRequest request = GRPC__REMOVE_CONTAINER_REQUEST__INIT;
	int r;

	c->step_ns = clock_now_ns();
	c->done = done;
	c->data = data;
	request.container_id = c->id;
	MESSAGE_SET(&request, timeout, 0);
	r = agent_call(sandbox_agent(c->sandbox), AGENT_REMOVE_CONTAINER, &request.base, on_removed,
		c, NULL);
	return r < 0 ? err_sys(err, -r, "remove the container in the guest") : 0;
}

static void on_disks_released(void *data, const struct err *err)
{
	struct container *c = data;
	struct err failed = ERR_INIT;

	(void)err;
	if (sandbox_unmount(c->sandbox, c->id, c->unmounted, c->unmounted_data, &failed) < 0)
		c->unmounted(c->unmounted_data, &failed);
}

int container_unmount(struct container *c, sandbox_done_fn *done, void *data, struct err *err)
{
	c->unmounted = done;
	c->unmounted_data = data;
	if (c->disks && container_disks_release(c->disks, on_disks_released, c) == 0)
		return 0;
	return sandbox_unmount(c->sandbox, c->id, done, data, err);
}

struct guest_process *container_find_process(const struct container *c, const char *exec_id)
{
	if (exec_id[0] == '\0' || strcmp(exec_id, c->id) == 0)
		return c->init;
	return map_find(&c->execs, exec_id);
}

int container_add_exec(struct container *c, struct guest_process *p)
{
	if (c->execs.n_entries >= CONTAINER_MAX_EXECS)
		return -E2BIG;
	return map_add(&c->execs, p->eid, p);
}

void container_take_exec(struct container *c, struct guest_process *p)
{
	map_remove(&c->execs, p->eid);
}

struct guest_process *container_find_draining(const struct container *c)
{
	if (guest_process_is_draining(c->init))
		return c->init;
	MAP_FOREACH (e, &c->execs)
		if (guest_process_is_draining(e->value))
			return e->value;
	return NULL;
}

void container_abort(struct container *c, uint32_t status)
{
	MAP_FOREACH (e, &c->execs)
		guest_process_abort(e->value, status);
	guest_process_abort(c->init, status);
}
