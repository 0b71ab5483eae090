/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Private to src/wire: the server's connections and calls.
 *
 * A connection lives as long as its socket is open or a call of it is held by a handler, whichever
 * is longer; it counts against max_connections until then, so that a peer cannot leave work behind
 * and come back for more. A call belongs to the handler that it was given to.
 */
#include "base/list.h"
#include "wire/deadlines.h"
#include "wire/frames.h"
#include "wire/message.h"
#include "wire/ttrpc_server.h"

struct ttrpc_server {
	struct loop *loop;		   /* borrowed */
	struct ttrpc_server_config config; /* its zeros replaced by the defaults */
	int listen_fd;			   /* owned; -1: not accepting */
	struct source *listen;		   /* owned */
	struct list conns;		   /* struct ttrpc_conn */
	struct message_budget budget;	   /* of all of them */
	size_t n_conns;
	struct deadlines deadlines;
	struct deadline accept_again;
	/* ttrpc_server_on_flushed */
	struct deadline flushed;
	void (*flushed_fn)(void *data);
	void *flushed_data;
	size_t n_unflushed; /* connections that have not sent what was queued then */
};

enum conn_state {
	CONN_OPEN,
	CONN_ENDING, /* the peer sends no more; what was answered is still being sent */
	CONN_CLOSED, /* no socket; only calls are left */
};

struct ttrpc_conn {
	struct list link;	     /* in server->conns */
	struct ttrpc_server *server; /* borrowed; NULL once it has been freed */
	enum conn_state state;
	unsigned refs; /* one while not closed, one per call, one per function using it */
	struct frames frames;
	struct source *io;	      /* owned */
	bool is_busy;		      /* reading: replies are sent together afterwards */
	bool is_stalled;	      /* frames wait in the buffer until the peer reads */
	struct list calls, cancelled; /* struct ttrpc_call */
	size_t n_calls;		      /* in both lists */
	struct message_budget budget; /* of what is decoded, the calls, and frames */
	size_t frames_charged;	      /* for the memory that frames has */
	struct deadline broken;	      /* set: the loop is to close it */
	struct deadline trim;	      /* set: buffers have memory */
	uint64_t flush_mark; /* frames.n_sent at which server->n_unflushed falls; 0: none */
};

struct ttrpc_call {
	struct list link; /* in conn->calls or conn->cancelled */
	struct ttrpc_conn *conn;
	const struct ttrpc_method *method; /* borrowed from the configuration */
	uint32_t stream;
	bool is_cancelled;
	struct message_budget budget;
	ProtobufCMessage *request;  /* owned, charged to budget */
	ProtobufCMessage *envelope; /* owned, charged to budget; NULL: there was no metadata */
	int64_t received_ns, deadline_ns;
	struct deadline deadline;
	ttrpc_cancel_fn *cancel;
	void *cancel_data;
};

/* Takes fd over, also on failure. */
int ttrpc_conn_new(struct ttrpc_server *server, int fd) must_check;
/* Closes the socket and cancels every call. conn may be gone afterwards. */
void ttrpc_conn_close(struct ttrpc_conn *conn);
void ttrpc_conn_unref(struct ttrpc_conn *conn);

/* Queues a response: body NULL and a status that is not 0, or a body and status 0. */
void ttrpc_conn_respond(struct ttrpc_conn *conn, uint32_t stream, uint8_t status, const char *text,
	const ProtobufCMessage *body);
/* Sends what it can now, unless the connection is reading: then that does it. */
void ttrpc_conn_kick(struct ttrpc_conn *conn);

/* Decodes the request frame and hands it to its handler, or answers why not. */
void ttrpc_call_start(struct ttrpc_conn *conn, uint32_t stream, struct slice payload);
/* Ends every call's claim to be answered and tells the handlers. */
void ttrpc_call_cancel_all(struct ttrpc_conn *conn);
