/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A ttRPC server on the loop.
 *
 * Every request becomes a struct ttrpc_call and is handed to the handler of its method. The handler
 * may answer at once, or keep the call and answer later (parked), in any order. Each call ends by
 * exactly one of ttrpc_call_reply, ttrpc_call_fail and ttrpc_call_drop; the call and its request
 * message are gone after it.
 *
 * When the deadline of a call passes, or its peer leaves, the server has answered (or there is
 * nobody to answer) and calls the function set by ttrpc_call_on_cancel, once. The handler may then
 * drop the call, or let its work run to the end and reply as usual: such a reply goes nowhere. A
 * call without that function runs to its end unseen.
 *
 * Peers are bounded: by connections, by calls in flight per connection, by unsent replies (a
 * connection whose peer does not read is not read from until it does), and by memory: per call, per
 * connection, and of all connections together. Memory is what requests take decoded, what a call in
 * flight takes, and the frames that have arrived in part or wait to be sent. What would take more is
 * refused with RESOURCE_EXHAUSTED; where that does not help, because peers do not read their
 * answers, the connection that has the most is closed. A part of each connection's memory is its
 * own whatever others take, so that small requests are always served.
 */
#include <protobuf-c/protobuf-c.h>

#include "base/err.h"
#include "loop/loop.h"

struct ttrpc_server;
struct ttrpc_call;

typedef void ttrpc_handler_fn(struct ttrpc_call *call, const ProtobufCMessage *request, void *user);
typedef void ttrpc_cancel_fn(void *data);

struct ttrpc_method {
	const char *service; /* "grpc.AgentService" */
	const char *method;  /* "CreateContainer" */
	const ProtobufCMessageDescriptor *request;
	ttrpc_handler_fn *handle; /* NULL: known, answered UNIMPLEMENTED by name */
};

struct ttrpc_server_config {
	const struct ttrpc_method *methods; /* borrowed for the server's life */
	size_t n_methods;
	void *user; /* handed to handlers */
	/* NULL, or told of each call of a known method at its end, before the call goes. text: why
	 * it failed; NULL: it has not. */
	void (*on_call_end)(const struct ttrpc_call *call, const char *text, void *user);
	/* Status for an unknown service: 3 for the agent, 12 for the shim (both as upstream). */
	uint8_t unknown_service_status;
	/* Above it a new connection is closed. One whose peer left counts as long as handlers hold
	 * calls of it. 0: 128. */
	size_t max_connections;
	size_t max_calls; /* in flight per connection, then RESOURCE_EXHAUSTED; 0: 16384 */
	/* Bytes. */
	size_t call_budget;	   /* decoded; 0: 16 MiB */
	size_t connection_budget;  /* 0: 64 MiB */
	size_t connection_reserve; /* of it, not shared with others; 0: 128 KiB */
	size_t shared_budget;	   /* of all connections, without their reserves; 0: 64 MiB */
	/* Bytes of replies waiting before reading stops. Calls in flight by then may still be
	 * answered; past twice this and one message the peer is disconnected. 0: 8 MiB. */
	size_t max_unsent;
};

/* listen_fd (any stream socket, listening) is taken over, also on failure, and made non-blocking;
 * -1: none, and connections come by ttrpc_server_add. */
int ttrpc_server_new(struct loop *loop, int listen_fd, const struct ttrpc_server_config *config,
	struct ttrpc_server **ret) must_check;
/* Takes over a connected socket, also on failure. -EMFILE: there are max_connections already. */
int ttrpc_server_add(struct ttrpc_server *server, int fd) must_check;
/* Stops accepting; connections stay. */
void ttrpc_server_stop_accepting(struct ttrpc_server *server);
/* Cancels every call (their cancel functions run before it returns), closes every connection. Calls
 * that their handlers still hold stay valid until answered or dropped. May be called from any
 * callback of the server. NULL is fine. */
void ttrpc_server_free(struct ttrpc_server *server);
/* True when no reply waits to be sent and no call is in flight. */
bool ttrpc_server_is_idle(const struct ttrpc_server *server);
/* Calls fn once, from the loop, when every reply queued so far has been sent (or its peer left).
 * -EBUSY: somebody waits already. */
int ttrpc_server_on_flushed(
	struct ttrpc_server *server, void (*fn)(void *data), void *data) must_check;

/* reply: any message; borrowed during the call. NULL: google.protobuf.Empty. */
void ttrpc_call_reply(struct ttrpc_call *call, const ProtobufCMessage *reply);
/* Status by wire_status_of(err), text err->msg, made printable (base/utf8.h). */
void ttrpc_call_fail(struct ttrpc_call *call, const struct err *err);
/* Ends the call without an answer: only after cancellation (the peer is told INTERNAL else). */
void ttrpc_call_drop(struct ttrpc_call *call);

/* fn runs from the loop, never inside a handler's own call; soon, if the call is cancelled already.
 * NULL removes it. */
void ttrpc_call_on_cancel(struct ttrpc_call *call, ttrpc_cancel_fn *fn, void *data);
bool ttrpc_call_is_cancelled(const struct ttrpc_call *call);
/* CLOCK_MONOTONIC: when its request had been read. */
int64_t ttrpc_call_received_ns(const struct ttrpc_call *call);
/* CLOCK_MONOTONIC; INT64_MAX: none. */
int64_t ttrpc_call_deadline_ns(const struct ttrpc_call *call);
/* The first value of the metadata key (lower case), or NULL. */
const char *ttrpc_call_metadata(const struct ttrpc_call *call, const char *key);
const struct ttrpc_method *ttrpc_call_method(const struct ttrpc_call *call);
/* The request, as long as the call lives. */
const ProtobufCMessage *ttrpc_call_request(const struct ttrpc_call *call);
