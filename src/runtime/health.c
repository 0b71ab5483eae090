/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/health.h"

#include "base/clock.h"
#include "base/log.h"
#include "health.pb-c.h"

/*
 * Who notices a time limit this late was stopped himself (a frozen cgroup, a suspended machine, a
 * debugger), and the guest may have been stopped with him.
 */
static const int64_t LATE_NS = NS_PER_S, PERIOD_MAX_NS = 30 * NS_PER_S;
enum { PERIODS_PER_LIMIT = 3 };

struct health {
	struct agent *agent; /* borrowed */
	int64_t limit_ns, period_ns;
	health_failed_fn *failed;
	void *data;		    /* borrowed from the owner */
	struct source *timer;	    /* owned: the next check */
	struct agent_pending *call; /* owned; NULL: none in flight */
	int64_t asked_ns;
};

static bool was_asleep(const struct health *h)
{
	return clock_now_ns() - h->asked_ns > h->limit_ns + LATE_NS;
}

static void on_checked(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct health *h = data;
	struct err why = ERR_INIT;

	(void)reply;
	h->call = NULL;
	if (!err) {
		source_set_deadline(h->timer, clock_now_ns() + h->period_ns);
		return;
	}
	/* A hang-up has its own way to be told: agent_lost_fn. */
	if (err->code == ECONNRESET)
		return;
	if (err->code == ETIMEDOUT && was_asleep(h)) {
		log_write(LOG_WARN, "health", "we have been asleep: asking the agent again", NULL);
		source_set_deadline(h->timer, 0);
		return;
	}
	err_copy(&why, err);
	err_wrap(&why, "the agent fails its health check");
	h->failed(h->data, &why);
}

static void on_timer(void *data)
{
	struct health *h = data;
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;
	struct err why = ERR_INIT;
	int r = agent_call(h->agent, AGENT_CHECK, &request.base, on_checked, h, &h->call);

	h->asked_ns = clock_now_ns();
	if (r == 0)
		return;
	/* No memory for it now says nothing about the guest. */
	if (r == -ENOMEM) {
		source_set_deadline(h->timer, clock_now_ns() + h->period_ns);
		return;
	}
	err_sys(&why, -r, "check the agent");
	h->failed(h->data, &why);
}

int health_new(struct loop *loop, struct agent *agent, const struct config_agent *config,
	health_failed_fn *failed, void *data, struct health **ret)
{
	struct health *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return -ENOMEM;
	*h = (struct health){.agent = agent,
		.limit_ns = config->health_check_request_timeout_ms * NS_PER_MS,
		.failed = failed,
		.data = data};
	h->period_ns = h->limit_ns / PERIODS_PER_LIMIT;
	if (h->period_ns > PERIOD_MAX_NS)
		h->period_ns = PERIOD_MAX_NS;
	r = loop_add_timer(loop, clock_now_ns() + h->period_ns, on_timer, h, &h->timer);
	if (r < 0) {
		free(h);
		return r;
	}
	*ret = h;
	return 0;
}

void health_free(struct health *health)
{
	if (!health)
		return;
	if (health->call)
		agent_pending_cancel(health->call);
	source_free(health->timer);
	free(health);
}
