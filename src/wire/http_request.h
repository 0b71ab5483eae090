/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * HTTP/1.1 requests (RFC 9112), for endpoints on local sockets: what tools send that ask one thing of
 * one server. A head of at most HTTP_HEAD_MAX bytes, and a body of which Content-Length tells how long
 * it is. Everything that two readers could take for two different requests is refused: transfer
 * codings, folded lines, blanks before a colon, lines that end in LF alone, lengths that differ.
 */
#include "base/slice.h"

enum { HTTP_HEAD_MAX = 8 << 10 };

enum http_method { HTTP_GET, HTTP_PUT, HTTP_POST, HTTP_OTHER };

/* Slices of the text that was parsed. */
struct http_request {
	enum http_method method;
	struct slice path;  /* "/iptables", as it was sent: nothing is decoded */
	struct slice query; /* what stands behind the '?' */
	struct slice body;
	bool keep_alive; /* the client may send another one */
};

enum http_state {
	HTTP_PARTIAL, /* there is more to come */
	HTTP_WHOLE,
	HTTP_REFUSED,
};

struct http_parse {
	struct http_request request; /* of HTTP_WHOLE */
	size_t len;		     /* its bytes */
	bool expects_continue;	     /* of HTTP_PARTIAL: its client sends the body when told so */
	unsigned int status;	     /* of HTTP_REFUSED: what to answer, as 413 */
	const char *why;	     /* static */
};

/* What text begins with. max_body: bytes. */
enum http_state http_request_parse(struct slice text, size_t max_body, struct http_parse *ret);

/*
 * The value of a parameter of a query ("a=1&path=%2Fvol"), percent-decoded, as a new string. -ENOENT: it
 * is not there; -EINVAL: it is not well encoded, or holds a NUL; -ENOMEM. A '+' stands for itself.
 */
int http_query_get(struct slice query, const char *name, char **ret) must_check;

/* "Not Found"; "Error" for a status that is not known. */
const char *http_status_text(unsigned int status);
