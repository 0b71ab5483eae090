/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/log.h"
#include "oci/spec.h"
#include "oci/validate.h"
#include "shim/shim.h"
#include "task.pb-c.h"
#include "wire/status.h"

/* The name that containerd registers the JSON's type by. */
#define RESOURCES_TYPE "LinuxResources"

static bool is_resources(const char *type_url)
{
	const char *slash = strrchr(type_url, '/');

	return strcmp(slash ? slash + 1 : type_url, RESOURCES_TYPE) == 0;
}

static int parse_resources(
	const Google__Protobuf__Any *any, Grpc__LinuxResources **ret, struct err *err)
{
	auto_buf struct buf dropped = BUF_INIT;
	Grpc__LinuxResources *resources = NULL;
	int r;

	if (!any || !any->has_value)
		return err_set(err, EINVAL, "update: the resources are missing");
	if (!is_resources(shim_text(any->type_url)))
		return err_set(err, EINVAL,
			"update: resources of the type \"%s\" are not " RESOURCES_TYPE,
			shim_text(any->type_url));
	r = oci_resources_parse(
		(const char *)any->value.data, any->value.len, &resources, &dropped, err);
	if (r < 0)
		return r;
	r = oci_resources_validate(resources, "resources", "", err);
	if (r < 0) {
		oci_resources_free(resources);
		return r;
	}
	if (buf_len(&dropped) > 0)
		log_write(LOG_WARN, "update", "not supported yet, ignored", "members",
			buf_str(&dropped), NULL);
	*ret = resources;
	return 0;
}

/* The container may go at any time: it is looked up again in each step. */
struct update {
	struct shim *shim;		 /* borrowed */
	struct ttrpc_call *call;	 /* owned: to be answered */
	char *id;			 /* owned */
	Grpc__LinuxResources *resources; /* owned */
};

static void end_update(struct update *u, const struct err *err)
{
	struct container *c = err ? shim_find_container(u->shim, u->id, NULL) : NULL;

	if (c)
		container_unfit(c);
	shim_answer(u->call, err);
	oci_resources_free(u->resources);
	free(u->id);
	free(u);
}

static void on_updated(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	(void)reply;
	end_update(data, err);
}

/* The machine is large enough: now the container may use more of it. */
static void on_fitted(void *data, const struct err *err)
{
	struct update *u = data;
	struct err failed = ERR_INIT;
	struct container *c;

	if (err) {
		end_update(u, err);
		return;
	}
	c = shim_find_container(u->shim, u->id, &failed);
	if (!c || container_update(c, u->resources, on_updated, u, &failed) < 0)
		end_update(u, &failed);
}

/* Takes over resources if it returns 0. */
static int begin_update(struct shim *shim, struct container *c, Grpc__LinuxResources *resources,
	struct ttrpc_call *call, struct err *err)
{
	struct update *u = calloc(1, sizeof(*u));
	int r;

	if (!u)
		return err_sys(err, ENOMEM, "update");
	*u = (struct update){
		.shim = shim, .call = call, .id = strdup(c->id), .resources = resources};
	r = u->id ? container_fit(c, resources, on_fitted, u, err) : err_sys(err, ENOMEM, "update");
	if (r < 0) {
		free(u->id);
		free(u);
	}
	return r;
}

void task_update(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Containerd__Task__V2__UpdateTaskRequest *request = (const void *)message;
	Grpc__LinuxResources *resources = NULL;
	struct err err = ERR_INIT;
	struct container *c = shim_find_container(user, shim_text(request->id), &err);
	int r = c ? parse_resources(request->resources, &resources, &err) : -ENOENT;

	if (r == 0)
		r = begin_update(user, c, resources, call, &err);
	if (r < 0) {
		oci_resources_free(resources);
		ttrpc_call_fail(call, &err);
	}
}
