/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/management.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent.pb-c.h"
#include "base/list.h"
#include "base/log.h"
#include "csi.pb-c.h"
#include "runtime/sandbox_metrics.h"
#include "text/json.h"
#include "wire/dial.h"
#include "wire/http_server.h"
#include "wire/message.h"
#include "wire/message_json.h"

/* The rules of a guest with some hundred services. */
enum { MAX_BODY = 256 << 10, ADDRESS_SIZE = 300 };

struct management {
	struct management_config config;
	char address[ADDRESS_SIZE]; /* "unix://PATH" */
	struct http_server *server; /* owned */
};

struct question;
typedef void answer_fn(struct question *q, const ProtobufCMessage *reply);

/* A request that waits for the agent. */
struct question {
	struct http_call *call;
	struct agent_pending *pending;
	answer_fn *answer;
	struct buf out; /* of /metrics: what comes before the guest's */
};

/* ---- Answers of the agent ---- */

static void free_question(struct question *q)
{
	buf_fini(&q->out);
	free(q);
}

/* The client has gone, or all of it ends. */
static void on_cancel(void *data)
{
	struct question *q = data;

	agent_pending_cancel(q->pending);
	free_question(q);
}

static void reply_error(struct http_call *call, const struct err *err)
{
	http_call_reply_text(call, err->code == ENOTCONN ? 503 : 500, err->msg);
}

static void reply_bytes(struct http_call *call, const ProtobufCBinaryData *data)
{
	struct slice bytes = data ? slice_of(data->data, data->len) : slice_of(NULL, 0);

	http_call_reply(call, 200, "text/plain; charset=utf-8", bytes);
}

static void answer_nothing(struct question *q, const ProtobufCMessage *reply)
{
	(void)reply;
	reply_bytes(q->call, NULL);
}

static void answer_tables(struct question *q, const ProtobufCMessage *reply)
{
	reply_bytes(q->call, &((const Grpc__GetIPTablesResponse *)reply)->data);
}

static void answer_tables_set(struct question *q, const ProtobufCMessage *reply)
{
	reply_bytes(q->call, &((const Grpc__SetIPTablesResponse *)reply)->data);
}

static void answer_metrics(struct question *q, const ProtobufCMessage *reply)
{
	const Grpc__Metrics *metrics = (const void *)reply;

	if (metrics && metrics->metrics && buf_append_str(&q->out, metrics->metrics) < 0)
		log_write(LOG_WARN, "management", "no memory for the guest's metrics", NULL);
	http_call_reply(
		q->call, 200, "text/plain; version=0.0.4; charset=utf-8", buf_slice(&q->out));
}

/* The unit as a number, as Go's clients decode it. */
static void write_usage(struct json_writer *w, const Grpc__VolumeUsage *usage)
{
	json_begin_object(w, NULL);
	json_put_u64(w, "available", usage->available);
	json_put_u64(w, "total", usage->total);
	json_put_u64(w, "used", usage->used);
	json_put_i64(w, "unit", usage->unit);
	json_end_object(w);
}

static void write_condition(struct json_writer *w, const Grpc__VolumeCondition *condition)
{
	json_begin_object(w, "volume_condition");
	json_put_bool(w, "abnormal", condition->abnormal);
	json_put_string(w, "message", condition->message ? condition->message : "");
	json_end_object(w);
}

static void answer_stats(struct question *q, const ProtobufCMessage *reply)
{
	const Grpc__VolumeStatsResponse *stats = (const void *)reply;
	auto_buf struct buf out = BUF_INIT;
	struct json_writer w = {.out = &out};

	json_begin_object(&w, NULL);
	json_begin_array(&w, "usage");
	for (size_t i = 0; i < stats->n_usage; i++)
		write_usage(&w, stats->usage[i]);
	json_end_array(&w);
	if (stats->volume_condition)
		write_condition(&w, stats->volume_condition);
	json_end_object(&w);
	if (json_finish(&w) < 0)
		http_call_reply_text(q->call, 500, "what the guest tells is no JSON text");
	else
		http_call_reply(q->call, 200, "application/json", buf_slice(&out));
}

static void on_answer(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct question *q = data;

	/* The host's figures are not kept back by a guest that does not tell its own. */
	if (err && q->answer != answer_metrics) {
		reply_error(q->call, err);
	} else {
		if (err)
			log_write(LOG_WARN, "management", "the guest tells no metrics", "error",
				err->msg, NULL);
		q->answer(q, err ? NULL : reply);
	}
	free_question(q);
}

/* out: as in struct question; taken over. */
static void ask(struct management *m, struct http_call *call, enum agent_method method,
	const ProtobufCMessage *request, answer_fn *answer, struct buf *out)
{
	struct question *q = calloc(1, sizeof(*q));
	struct err err = ERR_INIT;
	int r;

	if (!q) {
		http_call_reply_text(call, 500, "out of memory");
		return;
	}
	q->call = call;
	q->answer = answer;
	if (out) {
		q->out = *out;
		*out = (struct buf)BUF_INIT;
	}
	http_call_on_cancel(call, on_cancel, q);
	r = agent_call(m->config.agent, method, request, on_answer, q, &q->pending);
	if (r < 0) {
		err_sys(&err, -r, "ask the agent");
		on_answer(q, NULL, &err);
	}
}

/* ---- Requests ---- */

typedef void route_fn(struct management *m, struct http_call *call);

static void get_agent_url(struct management *m, struct http_call *call)
{
	http_call_reply_text(call, 200, hypervisor_agent_address(m->config.hv));
}

static void get_metrics(struct management *m, struct http_call *call)
{
	Grpc__GetMetricsRequest request = GRPC__GET_METRICS_REQUEST__INIT;
	struct sandbox_metrics metrics = {
		.proc = "/proc", .shim_pid = getpid(), .vmm_pid = m->config.vmm_pid};
	auto_buf struct buf out = BUF_INIT;

	if (sandbox_metrics_write(&metrics, &out) < 0)
		http_call_reply_text(call, 500, "out of memory");
	else
		ask(m, call, AGENT_GET_METRICS, &request.base, answer_metrics, &out);
}

static bool is_ipv6(const struct http_call *call)
{
	return slice_equal(http_call_request(call)->path, slice_of_str("/ip6tables"));
}

static void get_tables(struct management *m, struct http_call *call)
{
	Grpc__GetIPTablesRequest request = GRPC__GET_IPTABLES_REQUEST__INIT;

	MESSAGE_SET(&request, is_ipv6, is_ipv6(call));
	ask(m, call, AGENT_GET_IP_TABLES, &request.base, answer_tables, NULL);
}

static void put_tables(struct management *m, struct http_call *call)
{
	Grpc__SetIPTablesRequest request = GRPC__SET_IPTABLES_REQUEST__INIT;
	struct slice body = http_call_request(call)->body;

	MESSAGE_SET(&request, is_ipv6, is_ipv6(call));
	request.has_data = 1;
	request.data.len = body.len;
	/* protobuf-c takes what it encodes by pointers to what may be changed. */
	request.data.data = (uint8_t *)(uintptr_t)body.p;
	ask(m, call, AGENT_SET_IP_TABLES, &request.base, answer_tables_set, NULL);
}

static void get_stats(struct management *m, struct http_call *call)
{
	Grpc__VolumeStatsRequest request = GRPC__VOLUME_STATS_REQUEST__INIT;
	auto_free char *path = NULL;

	if (http_query_get(http_call_request(call)->query, "path", &path) < 0) {
		http_call_reply_text(call, 400, "path=GUEST_PATH, percent-encoded, is wanted");
		return;
	}
	request.volume_guest_path = path;
	ask(m, call, AGENT_GET_VOLUME_STATS, &request.base, answer_stats, NULL);
}

static void post_resize(struct management *m, struct http_call *call)
{
	struct message_json json = {.name = "body", .max_size = MAX_BODY, .is_loose = true};
	ProtobufCMessage *request = NULL;
	struct err err = ERR_INIT;

	if (message_json_parse(&json, &grpc__resize_volume_request__descriptor,
		    http_call_request(call)->body, &request, &err) < 0) {
		http_call_reply_text(call, 400, err.msg);
		return;
	}
	ask(m, call, AGENT_RESIZE_VOLUME, request, answer_nothing, NULL);
	protobuf_c_message_free_unpacked(request, NULL);
}

/* ---- Routes ---- */

static const struct route {
	const char *path;
	route_fn *by_method[HTTP_OTHER]; /* NULL: not a method of this path */
} routes[] = {
	{"/agent-url", {[HTTP_GET] = get_agent_url}},
	{"/metrics", {[HTTP_GET] = get_metrics}},
	{"/iptables", {[HTTP_GET] = get_tables, [HTTP_PUT] = put_tables}},
	{"/ip6tables", {[HTTP_GET] = get_tables, [HTTP_PUT] = put_tables}},
	/* Upstream's Go and Rust clients differ in the method. */
	{"/direct-volume/stats", {[HTTP_GET] = get_stats, [HTTP_POST] = get_stats}},
	{"/direct-volume/resize", {[HTTP_POST] = post_resize}},
};

static void on_call(void *user, struct http_call *call)
{
	const struct http_request *request = http_call_request(call);
	route_fn *fn;
	size_t i = 0;

	while (i < ARRAY_SIZE(routes) && !slice_equal(request->path, slice_of_str(routes[i].path)))
		i++;
	if (i == ARRAY_SIZE(routes)) {
		http_call_reply_text(call, 404, "URL NOT FOUND");
		return;
	}
	fn = request->method == HTTP_OTHER ? NULL : routes[i].by_method[request->method];
	if (fn)
		fn(user, call);
	else
		http_call_reply_text(call, 405, "this is not a method of the URL");
}

int management_new(struct loop *loop, const struct management_config *config,
	struct management **ret, struct err *err)
{
	struct management *m = calloc(1, sizeof(*m));
	struct http_server_config server = {.handler = on_call, .user = m, .max_body = MAX_BODY};
	int fd, r;

	if (!m)
		return err_sys(err, ENOMEM, "make the management endpoint");
	m->config = *config;
	snprintf(m->address, sizeof(m->address), "unix://%s", config->path);
	fd = dial_listen(m->address, err);
	r = fd < 0 ? fd : http_server_new(loop, fd, &server, &m->server);
	if (fd >= 0 && r < 0) {
		err_sys(err, -r, "serve %s", config->path);
		dial_unlisten(m->address);
	}
	if (r < 0)
		free(m);
	else
		*ret = m;
	return r;
}

void management_free(struct management *m)
{
	if (!m)
		return;
	http_server_free(m->server);
	dial_unlisten(m->address);
	free(m);
}
