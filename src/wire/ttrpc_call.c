/* SPDX-License-Identifier: Apache-2.0 */
#include <strings.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "ttrpc.pb-c.h"
#include "wire/budget.h"
#include "wire/status.h"
#include "wire/ttrpc_conn.h"

/* What a call in flight takes beside its request; the second half is what handlers keep to answer it
 * later. */
enum { CALL_COST = sizeof(struct ttrpc_call) + 256 };

/* ttrpc.Request.payload */
enum { REQUEST_PAYLOAD = 3 };

static struct deadlines *deadlines_of(struct ttrpc_call *call)
{
	return &call->conn->server->deadlines;
}

static void call_end(struct ttrpc_call *call)
{
	struct ttrpc_conn *conn = call->conn;

	if (conn->server)
		deadlines_clear(deadlines_of(call), &call->deadline);
	list_remove(&call->link);
	conn->n_calls--;
	message_free(call->request, &call->budget);
	message_free(call->envelope, &call->budget);
	free(call);
	budget_discharge(&conn->budget, CALL_COST);
	ttrpc_conn_unref(conn);
}

/* The handler may end the call, and others, from its cancel function. */
static void call_cancel(struct ttrpc_call *call)
{
	ttrpc_cancel_fn *fn = call->cancel;

	call->is_cancelled = true;
	call->cancel = NULL;
	list_remove(&call->link);
	list_add(&call->conn->cancelled, &call->link);
	deadlines_clear(deadlines_of(call), &call->deadline);
	if (fn)
		fn(call->cancel_data);
}

/* A call that was cancelled before its handler asked to be told, and has not been told yet. */
static struct ttrpc_call *find_untold(struct ttrpc_conn *conn)
{
	LIST_FOREACH (call, &conn->cancelled, struct ttrpc_call, link)
		if (call->cancel)
			return call;
	return NULL;
}

void ttrpc_call_cancel_all(struct ttrpc_conn *conn)
{
	struct ttrpc_call *untold;

	conn->refs++;
	while (!list_is_empty(&conn->calls))
		call_cancel(container_of(conn->calls.next, struct ttrpc_call, link));
	while ((untold = find_untold(conn)))
		call_cancel(untold);
	ttrpc_conn_unref(conn);
}

static void fire_deadline(struct deadline *deadline)
{
	struct ttrpc_call *call = container_of(deadline, struct ttrpc_call, deadline);

	if (!call->is_cancelled)
		ttrpc_conn_respond(
			call->conn, call->stream, WIRE_DEADLINE_EXCEEDED, "timeout", NULL);
	call_cancel(call);
}

static const struct ttrpc_method *find_method(const struct ttrpc_server_config *config,
	const char *service, const char *method, bool *ret_service_known)
{
	*ret_service_known = false;
	for (size_t i = 0; i < config->n_methods; i++) {
		const struct ttrpc_method *m = &config->methods[i];

		if (strcmp(m->service, service) != 0)
			continue;
		*ret_service_known = true;
		if (strcmp(m->method, method) == 0)
			return m;
	}
	return NULL;
}

/* The method that may be called, or NULL and why not. */
static const struct ttrpc_method *choose_method(
	const struct ttrpc_conn *conn, const Ttrpc__Request *request, struct err *err)
{
	const struct ttrpc_server_config *config = &conn->server->config;
	const char *service = request->service ? request->service : "";
	const char *name = request->method ? request->method : "";
	const struct ttrpc_method *method;
	bool service_known;

	method = find_method(config, service, name, &service_known);
	if (!service_known)
		err_status(err, EOPNOTSUPP, config->unknown_service_status,
			"%s service does not exist", service);
	else if (!method)
		err_set(err, EOPNOTSUPP, "%s method", name);
	else if (!method->handle)
		err_set(err, EOPNOTSUPP, "/%s/%s is not supported", service, name);
	else if (conn->n_calls > conn->server->config.max_calls)
		err_status(err, EBUSY, WIRE_RESOURCE_EXHAUSTED, "too many calls in flight");
	return err_is_set(err) ? NULL : method;
}

static int64_t deadline_after(int64_t timeout_ns)
{
	int64_t at_ns;

	/* Negative: upstream's server takes it as an unsigned number, that is never. */
	if (timeout_ns <= 0 || __builtin_add_overflow(clock_now_ns(), timeout_ns, &at_ns))
		return INT64_MAX;
	return at_ns;
}

/* Fills in what the frame says. */
static int decode(struct ttrpc_call *call, struct slice frame, struct err *err)
{
	const Ttrpc__Request *request;
	struct slice payload;
	int r = message_decode_envelope(&ttrpc__request__descriptor, frame, REQUEST_PAYLOAD,
		&call->budget, &call->envelope, &payload, err);

	if (r == -EBADMSG)
		err->status = WIRE_INVALID_ARGUMENT;
	if (r < 0)
		return r;
	request = (const Ttrpc__Request *)call->envelope;
	call->method = choose_method(call->conn, request, err);
	if (!call->method)
		return -err->code;
	r = message_decode(call->method->request, payload, &call->budget, &call->request, err);
	if (r == -EBADMSG)
		err->status = WIRE_UNKNOWN;
	if (r < 0)
		return r;
	call->deadline_ns = deadline_after(request->timeout_nano);
	if (request->n_metadata == 0)
		message_free(take_ptr(&call->envelope), &call->budget);
	return 0;
}

void ttrpc_call_start(struct ttrpc_conn *conn, uint32_t stream, struct slice payload)
{
	struct ttrpc_server *server = conn->server;
	struct ttrpc_call *call;
	struct err err = ERR_INIT;

	if (!budget_charge(&conn->budget, CALL_COST)) {
		ttrpc_conn_respond(conn, stream, WIRE_RESOURCE_EXHAUSTED,
			"the calls in flight need more memory than a peer may use", NULL);
		return;
	}
	call = calloc(1, sizeof(*call));
	if (!call) {
		budget_discharge(&conn->budget, CALL_COST);
		ttrpc_conn_respond(conn, stream, WIRE_RESOURCE_EXHAUSTED, "out of memory", NULL);
		return;
	}
	*call = (struct ttrpc_call){.conn = conn,
		.stream = stream,
		.budget = {.limit = server->config.call_budget, .parent = &conn->budget},
		.received_ns = clock_now_ns(),
		.deadline_ns = INT64_MAX,
		.deadline.fire = fire_deadline};
	list_add(&conn->calls, &call->link);
	conn->n_calls++;
	conn->refs++;
	if (decode(call, payload, &err) < 0) {
		ttrpc_call_fail(call, &err);
		return;
	}
	deadlines_set(&server->deadlines, &call->deadline, call->deadline_ns);
	call->method->handle(call, call->request, server->config.user);
}

/* Answers, unless it is too late, and ends. */
static void finish(
	struct ttrpc_call *call, uint8_t status, const char *text, const ProtobufCMessage *body)
{
	const struct ttrpc_server *server = call->conn->server;

	if (server && server->config.on_call_end && call->method)
		server->config.on_call_end(call, text, server->config.user);
	if (!call->is_cancelled)
		ttrpc_conn_respond(call->conn, call->stream, status, text, body);
	call_end(call);
}

void ttrpc_call_reply(struct ttrpc_call *call, const ProtobufCMessage *reply)
{
	finish(call, WIRE_OK, NULL, reply);
}

void ttrpc_call_fail(struct ttrpc_call *call, const struct err *err)
{
	struct err printable = *err;

	/* It may quote what a peer sent. A proto3 string must be UTF-8: clients in Go give up on a
	 * reply that is not. */
	utf8_make_printable(printable.msg);
	finish(call, (uint8_t)wire_status_of(err), printable.msg, NULL);
}

void ttrpc_call_drop(struct ttrpc_call *call)
{
	/* Our own mistake, but one that must not leave the peer waiting. */
	finish(call, WIRE_INTERNAL, "the call was dropped", NULL);
}

void ttrpc_call_on_cancel(struct ttrpc_call *call, ttrpc_cancel_fn *fn, void *data)
{
	call->cancel = fn;
	call->cancel_data = data;
	/* Cancelled before anybody asked to be told: the loop tells. */
	if (call->is_cancelled && call->conn->server)
		deadlines_set(deadlines_of(call), &call->deadline, fn ? 0 : INT64_MAX);
}

bool ttrpc_call_is_cancelled(const struct ttrpc_call *call)
{
	return call->is_cancelled;
}

int64_t ttrpc_call_received_ns(const struct ttrpc_call *call)
{
	return call->received_ns;
}

int64_t ttrpc_call_deadline_ns(const struct ttrpc_call *call)
{
	return call->deadline_ns;
}

const char *ttrpc_call_metadata(const struct ttrpc_call *call, const char *key)
{
	const Ttrpc__Request *request = (const Ttrpc__Request *)call->envelope;

	for (size_t i = 0; request && i < request->n_metadata; i++) {
		const Ttrpc__KeyValue *pair = request->metadata[i];

		if (pair->key && strcasecmp(pair->key, key) == 0)
			return pair->value ? pair->value : "";
	}
	return NULL;
}

const struct ttrpc_method *ttrpc_call_method(const struct ttrpc_call *call)
{
	return call->method;
}

const ProtobufCMessage *ttrpc_call_request(const struct ttrpc_call *call)
{
	return call->request;
}
