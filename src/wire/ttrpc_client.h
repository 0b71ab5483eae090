/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A ttRPC client on the loop: many calls in flight on one connection, each answered by a callback.
 *
 * The peer is hostile (for the shim it is the guest): replies with a wrong stream id, a length over
 * the limit, an undecodable body or an unknown type close the connection, which fails every call in
 * flight with ECONNRESET. What the peer makes us keep is bounded by the calls we made.
 */
#include <protobuf-c/protobuf-c.h>

#include "base/err.h"
#include "loop/loop.h"

struct ttrpc_client;
struct ttrpc_pending;

/*
 * Exactly one call of it per ttrpc_client_call that returned 0, unless cancelled, and never from
 * inside ttrpc_client_call. On success err is NULL and reply is valid during the call only. On
 * failure reply is NULL and err says why: err->status is the peer's status when it sent one (else
 * 0).
 */
typedef void ttrpc_reply_fn(void *data, const ProtobufCMessage *reply, const struct err *err);
/* The connection is gone (peer closed, protocol error); called once, after every pending call has
 * failed. The client is still to be freed. */
typedef void ttrpc_closed_fn(void *data, const struct err *why);

/* fd: a connected stream socket, taken over, also on failure, and made non-blocking. closed may be
 * NULL. */
int ttrpc_client_new(struct loop *loop, int fd, ttrpc_closed_fn *closed, void *data,
	struct ttrpc_client **ret) must_check;
/* Drops pending calls without calling them back. May be called from any callback of the client.
 * NULL is fine. */
void ttrpc_client_free(struct ttrpc_client *client);

/* A reply over max_size bytes closes the connection, as does one that would take four times that
 * when it is decoded. TTRPC_MAX_PAYLOAD (wire/ttrpc.h) at first; to be called before the first call.
 */
void ttrpc_client_limit_replies(struct ttrpc_client *client, uint32_t max_size);

/*
 * request is borrowed during the call. timeout_ns 0: none, else it is both sent to the peer and
 * kept here (a late reply is then ignored). reply_desc NULL: the reply's content is ignored
 * (Empty). ret_pending may be NULL; it is good until the callback has run. -ECONNRESET: the
 * connection is gone; -EMSGSIZE: the request is over 4 MiB; -ENOMEM.
 */
int ttrpc_client_call(struct ttrpc_client *client, const char *service, const char *method,
	const ProtobufCMessage *request, int64_t timeout_ns,
	const ProtobufCMessageDescriptor *reply_desc, ttrpc_reply_fn *fn, void *data,
	struct ttrpc_pending **ret_pending) must_check;
/* The callback will not run; a reply is ignored. NULL is fine. */
void ttrpc_pending_cancel(struct ttrpc_pending *pending);
