/* SPDX-License-Identifier: Apache-2.0 */
/* Pause and Resume. */
#include "shim/shim.h"
#include "task.pb-c.h"

/* One of either; answered while its container still is there. */
struct step {
	struct shim *shim;		   /* borrowed */
	const struct container *container; /* borrowed */
	struct ttrpc_call *call;	   /* owned: to be answered */
	void (*publish)(struct events *events, const char *cid);
};

typedef int begin_fn(struct container *c, sandbox_done_fn *done, void *data, struct err *err);

static void on_done(void *data, const struct err *err)
{
	auto_free struct step *step = data;

	if (!err)
		step->publish(step->shim->events, step->container->id);
	shim_answer(step->call, err);
}

static int try_step(const struct step *template, const char *id, begin_fn *begin, struct err *err)
{
	struct container *c = shim_find_container(template->shim, id, err);
	struct step *step;
	int r;

	if (!c)
		return -ENOENT;
	step = malloc(sizeof(*step));
	if (!step)
		return err_sys(err, ENOMEM, "pause or resume the container");
	*step = *template;
	step->container = c;
	r = begin(c, on_done, step, err);
	if (r < 0)
		free(step);
	return r;
}

void task_pause(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Containerd__Task__V2__PauseRequest *request = (const void *)message;
	struct step step = {.shim = user, .call = call, .publish = events_paused};
	struct err err = ERR_INIT;

	if (try_step(&step, shim_text(request->id), container_pause, &err) < 0)
		ttrpc_call_fail(call, &err);
}

void task_resume(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Containerd__Task__V2__ResumeRequest *request = (const void *)message;
	struct step step = {.shim = user, .call = call, .publish = events_resumed};
	struct err err = ERR_INIT;

	if (try_step(&step, shim_text(request->id), container_resume, &err) < 0)
		ttrpc_call_fail(call, &err);
}
