/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/oom_watch.h"

#include <string.h>

#include "agent.pb-c.h"
#include "base/clock.h"
#include "base/log.h"
#include "wire/status.h"

enum { PACE_MS = 100, MIN_RETRY_S = 1, MAX_RETRY_S = 60 };

struct oom_watch {
	struct agent *agent; /* borrowed */
	oom_watch_fn *fn;
	void *data;
	struct agent_pending *pending; /* owned; NULL: none waits in the guest */
	struct source *timer;	       /* owned: when to ask again */
	int64_t retry_s;
};

static void ask_in(struct oom_watch *w, int64_t delay_ns)
{
	source_set_deadline(w->timer, clock_now_ns() + delay_ns);
}

static void on_failure(struct oom_watch *w, const struct err *err)
{
	if (err->code == ECONNRESET || err->code == ENOTCONN)
		return;
	if (err->status == WIRE_UNIMPLEMENTED) {
		log_write(LOG_INFO, "oom", "the agent does not tell of containers out of memory",
			NULL);
		return;
	}
	log_write(LOG_WARN, "oom", "the agent cannot tell of containers out of memory", "error",
		err->msg, NULL);
	ask_in(w, w->retry_s * NS_PER_S);
	w->retry_s = w->retry_s < MAX_RETRY_S / 2 ? 2 * w->retry_s : MAX_RETRY_S;
}

static void on_answer(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct oom_watch *w = data;
	const Grpc__OOMEvent *event = (const void *)reply;

	w->pending = NULL;
	if (err) {
		on_failure(w, err);
		return;
	}
	w->retry_s = MIN_RETRY_S;
	ask_in(w, PACE_MS * NS_PER_MS);
	w->fn(w->data, event->container_id ? event->container_id : "");
}

static int ask(struct oom_watch *w)
{
	Grpc__GetOOMEventRequest request = GRPC__GET_OOMEVENT_REQUEST__INIT;

	return agent_call(w->agent, AGENT_GET_OOM_EVENT, &request.base, on_answer, w, &w->pending);
}

static void on_timer(void *data)
{
	struct oom_watch *w = data;
	struct err err = ERR_INIT;
	int r = ask(w);

	if (r < 0) {
		err_sys(&err, -r, "call the agent");
		on_failure(w, &err);
	}
}

int oom_watch_new(struct loop *loop, struct agent *agent, oom_watch_fn *fn, void *data,
	struct oom_watch **ret)
{
	struct oom_watch *w = malloc(sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	*w = (struct oom_watch){.agent = agent, .fn = fn, .data = data, .retry_s = MIN_RETRY_S};
	r = loop_add_timer(loop, INT64_MAX, on_timer, w, &w->timer);
	if (r == 0)
		r = ask(w);
	if (r < 0) {
		oom_watch_free(w);
		return r;
	}
	*ret = w;
	return 0;
}

void oom_watch_free(struct oom_watch *w)
{
	if (!w)
		return;
	if (w->pending)
		agent_pending_cancel(w->pending);
	source_free(w->timer);
	free(w);
}
