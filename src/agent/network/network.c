/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/network/network.h"

#include <string.h>
#include <sys/mman.h>

#include "agent/job.h"
#include "agent/network/link_watch.h"
#include "agent/rpc.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "wire/message.h"

/* What a frame holds (4 MiB), without what goes around a message. */
enum { REPLY_SIZE = (4 << 20) - 4096 };

/* Memory that the job shares with us. Only what is touched takes room. */
struct network_reply {
	size_t len; /* 0: an empty message */
	uint8_t bytes[REPLY_SIZE];
};

struct network {
	struct loop *loop;
	struct reaper *reaper;
	int64_t hotplug_timeout_ns;
	struct list lanes[NETWORK_LANE_COUNT]; /* struct operation: the first is at work */
	struct list waiting;		       /* struct operation: for their links */
	struct link_watch *watch; /* while an operation wants to be told of links, else NULL */
	size_t n_watchers;
};

struct operation {
	struct list link; /* in its lane, or in waiting */
	struct network *network;
	const struct network_method *method;
	struct ttrpc_call *call;
	struct job *job;	     /* NULL: it waits */
	struct network_reply *reply; /* mapped, as long as the job */
	/* Of a method that waits for a link: */
	struct mac_address mac; /* none: any link may be it */
	int64_t deadline_ns;
	struct source *timer; /* while it waits */
	bool is_announced;    /* the link has come since the job was started */
};

static void start_next(struct network *network, enum network_lane lane);

static bool watches(const struct operation *op)
{
	return op->method->get_awaited != NULL;
}

static void unmap_reply(struct operation *op)
{
	struct network_reply *reply = take_ptr(&op->reply);

	if (reply)
		(void)munmap(reply, sizeof(*reply));
}

static void operation_free(struct operation *op)
{
	struct network *network = op->network;

	ttrpc_call_on_cancel(op->call, NULL, NULL);
	list_remove(&op->link);
	source_free(op->timer);
	unmap_reply(op);
	if (watches(op) && --network->n_watchers == 0)
		link_watch_free(take_ptr(&network->watch));
	free(op);
}

static void fail(struct operation *op, const struct err *err)
{
	struct ttrpc_call *call = op->call;

	operation_free(op);
	rpc_fail(call, err);
}

static void answer(struct operation *op)
{
	const ProtobufCMessageDescriptor *desc = op->method->reply;
	struct ttrpc_call *call = op->call;
	ProtobufCMessage *message = NULL;
	struct err err = ERR_INIT;
	int r = 0;

	if (desc)
		r = message_decode(
			desc, slice_of(op->reply->bytes, op->reply->len), NULL, &message, &err);
	operation_free(op);
	if (r < 0)
		rpc_fail(call, &err);
	else
		ttrpc_call_reply(call, message);
	message_free(message, NULL);
}

int network_reply_set(struct network_reply *reply, const ProtobufCMessage *message, struct err *err)
{
	size_t size = protobuf_c_message_get_packed_size(message);

	if (size > sizeof(reply->bytes))
		return err_set(err, EMSGSIZE, "an answer of %zu bytes is too long", size);
	reply->len = protobuf_c_message_pack(message, reply->bytes);
	return 0;
}

/* In the child. */
static int run(void *data, struct job_report *report, struct err *err)
{
	const struct operation *op = data;

	(void)report;
	return op->method->run(ttrpc_call_request(op->call), op->reply, err);
}

static void on_too_late(void *data)
{
	struct operation *op = data;
	struct err err = ERR_INIT;

	op->method->say_missing(ttrpc_call_request(op->call), &err);
	fail(op, &err);
}

/* Out of its lane, until its link comes. False: there is no time left. */
static bool wait_for_link(struct operation *op)
{
	struct network *network = op->network;

	if (clock_now_ns() >= op->deadline_ns ||
		loop_add_timer(network->loop, op->deadline_ns, on_too_late, op, &op->timer) < 0)
		return false;
	unmap_reply(op);
	list_remove(&op->link);
	list_add(&network->waiting, &op->link);
	return true;
}

static void on_done(void *data, const struct err *err, uint32_t n_steps)
{
	struct operation *op = data;
	struct network *network = op->network;
	enum network_lane lane = op->method->lane;

	(void)n_steps;
	op->job = NULL;
	if (!err)
		answer(op);
	else if (err->code != ENODEV || !watches(op) || ttrpc_call_is_cancelled(op->call))
		fail(op, err);
	else if (!op->is_announced && !wait_for_link(op))
		fail(op, err);
	start_next(network, lane);
}

static int start(struct operation *op, struct err *err)
{
	struct job_config config = {
		.name = op->method->name, .run = run, .done = on_done, .data = op};

	op->is_announced = false;
	if (!op->reply) {
		op->reply = mmap(NULL, sizeof(*op->reply), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (op->reply == MAP_FAILED) {
			op->reply = NULL;
			return err_sys(err, errno, "%s: shared memory", op->method->name);
		}
	}
	return job_start(op->network->reaper, &config, &op->job, err);
}

static void start_next(struct network *network, enum network_lane lane)
{
	struct list *head = &network->lanes[lane];

	while (!list_is_empty(head)) {
		struct operation *op = container_of(head->next, struct operation, link);
		struct err err = ERR_INIT;

		if (op->job || start(op, &err) == 0)
			return;
		fail(op, &err);
	}
}

/* A job is left to its end: half a change is worse than a whole one that nobody waits for. */
static void on_cancel(void *data)
{
	struct operation *op = data;
	struct ttrpc_call *call = op->call;

	if (op->job)
		return;
	operation_free(op);
	ttrpc_call_drop(call);
}

/* mac NULL: perhaps any. */
static bool may_be_awaited(const struct operation *op, const struct mac_address *mac)
{
	return !mac || op->mac.len == 0 || mac_address_is_same(mac, &op->mac);
}

static void on_link(void *data, const struct mac_address *mac)
{
	struct network *network = data;

	LIST_FOREACH_SAFE (op, &network->waiting, struct operation, link) {
		if (!may_be_awaited(op, mac))
			continue;
		source_free(take_ptr(&op->timer));
		list_remove(&op->link);
		list_add(&network->lanes[op->method->lane], &op->link);
	}
	LIST_FOREACH (op, &network->lanes[NETWORK_LANE_KERNEL], struct operation, link)
		if (watches(op) && may_be_awaited(op, mac))
			op->is_announced = true;
	start_next(network, NETWORK_LANE_KERNEL);
}

/* Before the job looks, so that a link cannot come unseen in between. */
static int watch_links(struct operation *op, struct err *err)
{
	struct network *network = op->network;
	int r;

	op->method->get_awaited(ttrpc_call_request(op->call), &op->mac);
	op->deadline_ns = ttrpc_call_received_ns(op->call) + network->hotplug_timeout_ns;
	if (network->watch)
		return 0;
	r = link_watch_new(network->loop, on_link, network, &network->watch);
	return r < 0 ? err_sys(err, -r, "%s: watch links", op->method->name) : 0;
}

static int prepare(struct operation *op, struct err *err)
{
	const ProtobufCMessage *request = ttrpc_call_request(op->call);
	int r = op->method->check ? op->method->check(request, err) : 0;

	if (r == 0 && watches(op))
		r = watch_links(op, err);
	return r;
}

void network_start(
	struct network *network, const struct network_method *method, struct ttrpc_call *call)
{
	struct operation *op = calloc(1, sizeof(*op));
	struct err err = ERR_INIT;

	if (!op) {
		err_sys(&err, ENOMEM, "%s", method->name);
		rpc_fail(call, &err);
		return;
	}
	*op = (struct operation){.network = network, .method = method, .call = call};
	list_init(&op->link);
	network->n_watchers += watches(op);
	if (prepare(op, &err) < 0) {
		fail(op, &err);
		return;
	}
	list_add(&network->lanes[method->lane], &op->link);
	ttrpc_call_on_cancel(call, on_cancel, op);
	start_next(network, method->lane);
}

int network_new(
	struct loop *loop, struct reaper *reaper, int64_t hotplug_timeout_ns, struct network **ret)
{
	struct network *network = calloc(1, sizeof(*network));

	if (!network)
		return -ENOMEM;
	*network = (struct network){
		.loop = loop, .reaper = reaper, .hotplug_timeout_ns = hotplug_timeout_ns};
	list_init(&network->waiting);
	for (size_t i = 0; i < NETWORK_LANE_COUNT; i++)
		list_init(&network->lanes[i]);
	*ret = network;
	return 0;
}

static void drop_all(struct list *head)
{
	LIST_FOREACH_SAFE (op, head, struct operation, link) {
		struct ttrpc_call *call = op->call;

		operation_free(op);
		ttrpc_call_drop(call);
	}
}

void network_free(struct network *network)
{
	if (!network)
		return;
	drop_all(&network->waiting);
	for (size_t i = 0; i < NETWORK_LANE_COUNT; i++)
		drop_all(&network->lanes[i]);
	free(network);
}
