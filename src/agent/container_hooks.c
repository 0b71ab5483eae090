/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/container_hooks.h"

#include "wire/message.h"

void container_hooks_note(struct container *c, const Grpc__Spec *spec)
{
	const struct hooks hooks = {.spec = spec, .guest_dir = c->agent->sandbox.guest_hooks};

	c->has_poststart = hooks_any(&hooks, HOOKS_POSTSTART);
	c->has_poststop = hooks_any(&hooks, HOOKS_POSTSTOP);
}

bool container_hooks_any(const struct container *c, enum hooks_kind kind)
{
	return kind == HOOKS_POSTSTART ? c->has_poststart : c->has_poststop;
}

static void warn(void *data, const char *text)
{
	job_report_warning(data, text);
}

int container_hooks_run(
	const struct container *c, enum hooks_kind kind, struct job_report *report, struct err *err)
{
	struct message_budget budget = {.limit = CONTAINER_SPEC_BUDGET};
	struct hooks hooks = {.container_id = c->id,
		.bundle = c->bundle,
		.guest_dir = c->agent->sandbox.guest_hooks,
		.log = warn,
		.data = report};
	ProtobufCMessage *spec = NULL;
	int r;

	if (!container_hooks_any(c, kind))
		return 0;
	r = message_decode(&grpc__spec__descriptor, buf_slice(&c->spec), &budget, &spec, err);
	if (r < 0)
		return err_wrap(err, "container %s: its spec", c->id);
	hooks.spec = (const Grpc__Spec *)spec;
	r = hooks_run(&hooks, kind, kind == HOOKS_POSTSTART && c->init ? c->init->pid : 0, err);
	message_free(spec, &budget);
	return r;
}
