/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A server of HTTP/1.1 requests on a local socket, for the few tools that ask a sandbox something.
 *
 * A connection has one request at a time: what comes behind it waits for the answer. At most
 * HTTP_CONNECTIONS_MAX are served, others wait to be accepted. One that brings no whole request, or
 * takes no answer, within HTTP_PATIENCE_S is closed; how long a handler may take is its own business.
 */
#include "loop/loop.h"
#include "wire/http_request.h"

enum { HTTP_CONNECTIONS_MAX = 8, HTTP_PATIENCE_S = 30 };

struct http_server;
/* A request that is to be answered, once. */
struct http_call;

/* Answers call, now or later. */
typedef void http_handler_fn(void *user, struct http_call *call);
/* The client has gone: call is not to be answered, nor used, any more. */
typedef void http_cancel_fn(void *data);

struct http_server_config {
	http_handler_fn *handler;
	void *user;	 /* borrowed */
	size_t max_body; /* bytes */
};

/* listen_fd (a stream socket, listening, non-blocking) is taken over, also on failure. */
int http_server_new(struct loop *loop, int listen_fd, const struct http_server_config *config,
	struct http_server **ret) must_check;
/* Closes everything; calls that are not answered yet are cancelled. NULL is fine. */
void http_server_free(struct http_server *server);

/* Good until the call is answered or cancelled. */
const struct http_request *http_call_request(const struct http_call *call);
/* fn is called unless the call is answered first; NULL: nobody wants to know any more. */
void http_call_on_cancel(struct http_call *call, http_cancel_fn *fn, void *data);
/* type: "text/plain; charset=utf-8"; body is copied. call is over. */
void http_call_reply(
	struct http_call *call, unsigned int status, const char *type, struct slice body);
/* The same with a line of text. */
void http_call_reply_text(struct http_call *call, unsigned int status, const char *text);
