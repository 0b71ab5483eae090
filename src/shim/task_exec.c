/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/log.h"
#include "base/path.h"
#include "oci/spec.h"
#include "oci/validate.h"
#include "runtime/guest_spec.h"
#include "runtime/timeline.h"
#include "shim/shim.h"
#include "task.pb-c.h"
#include "wire/status.h"

static int parse_spec(const Containerd__Task__V2__ExecProcessRequest *request, Grpc__Process **ret,
	struct err *err)
{
	const Google__Protobuf__Any *spec = request->spec;
	auto_buf struct buf dropped = BUF_INIT;
	Grpc__Process *process = NULL;
	int r;

	if (!spec || !spec->has_value || !spec->type_url || !spec->type_url[0])
		return err_set(err, EINVAL, "exec: the process is missing");
	r = oci_process_parse(
		(const char *)spec->value.data, spec->value.len, &process, &dropped, err);
	if (r < 0)
		return r;
	r = oci_process_validate(process, "process", "", err);
	if (r < 0) {
		oci_process_free(process);
		return r;
	}
	if (buf_len(&dropped) > 0)
		log_write(LOG_WARN, "exec", "not supported yet, ignored", "members",
			buf_str(&dropped), NULL);
	/* The request's own field wins, as with every shim; the guest goes by the process'. */
	process->has_terminal = 1;
	process->terminal = request->terminal;
	*ret = process;
	return 0;
}

static int add_exec(
	struct shim *shim, const Containerd__Task__V2__ExecProcessRequest *request, struct err *err)
{
	struct container *c = shim_find_container(shim, shim_text(request->id), err);
	struct guest_process_config config = {.loop = shim->loop,
		.cid = request->id,
		.eid = shim_text(request->exec_id),
		.terminal = request->terminal,
		.in = shim_text(request->stdin),
		.out = shim_text(request->stdout),
		.err = shim_text(request->stderr),
		.on_exit = shim_on_exit,
		.name_space = shim->cli->name_space,
		.note = shim_note_logger,
		.forget = shim_forget_logger,
		.data = shim};
	struct guest_process *p = NULL;
	Grpc__Process *spec = NULL;
	int r;

	if (!c)
		return -ENOENT;
	if (!path_is_valid_exec_id(config.eid))
		return err_set(err, EINVAL, "exec: \"%s\" is not a valid id", config.eid);
	if (container_find_process(c, config.eid))
		return err_status(err, EEXIST, WIRE_ALREADY_EXISTS,
			"container %s: process %s exists already", c->id, config.eid);
	if (c->init->state == GUEST_PROCESS_STOPPED)
		return err_status(
			err, EINVAL, WIRE_FAILED_PRECONDITION, "container %s has stopped", c->id);
	r = container_check_runnable(c, err);
	if (r == 0)
		r = parse_spec(request, &spec, err);
	if (r < 0)
		return r;
	r = guest_spec_fit_process(spec, sandbox_extensions(c->sandbox), err);
	if (r == 0)
		r = guest_process_new(&config, &p, err);
	if (r < 0) {
		oci_process_free(spec);
		return r;
	}
	guest_process_set_spec(p, spec);
	r = container_add_exec(c, p);
	if (r < 0) {
		guest_process_free(p);
		return err_sys(err, -r, "add the exec");
	}
	events_exec_added(shim->events, c->id, p->eid);
	return 0;
}

void task_exec(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Containerd__Task__V2__ExecProcessRequest *request = (const void *)message;
	struct err err = ERR_INIT;
	int r = add_exec(user, request, &err);

	if (r == 0)
		timeline_end("add exec", request->exec_id, ttrpc_call_received_ns(call));
	shim_answer(call, r < 0 ? &err : NULL);
}
