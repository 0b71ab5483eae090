/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One span as the trace forwarder of Kata Containers takes it: 8 bytes of length (big-endian), then
 * the span as JSON, with the names and the forms of OpenTelemetry 0.17's SpanData for Rust
 * (identifiers are numbers, times are seconds and nanoseconds of the epoch). And the context in
 * which a caller says that its call is a part of his trace.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct trace_id {
	uint64_t high, low; /* of 128 bits; 0: none */
};

struct trace_attribute {
	const char *key, *value; /* value is UTF-8 */
};

enum { TRACE_SPAN_ATTRIBUTES = 2 };

struct trace_span {
	struct trace_id trace;
	uint64_t id, parent; /* 0: it has no parent */
	const char *kind;    /* "Server", "Internal" */
	const char *name;
	int64_t from_ns, to_ns;					  /* CLOCK_REALTIME */
	struct trace_attribute attributes[TRACE_SPAN_ATTRIBUTES]; /* key NULL: none */
	const char *error; /* why what it spans has failed; NULL: it has not */
};

/* Appends it; on an error (-ENOMEM, -EILSEQ) out is as before. */
int trace_span_encode(const struct trace_span *span, struct buf *out) must_check;

struct trace_context {
	struct trace_id trace;
	uint64_t parent;
	bool is_sampled;
};

/* The value of a traceparent header (W3C Trace Context, version 00, later ones as it says). False
 * for anything else: who got it starts a trace of his own. */
bool trace_context_parse(const char *text, struct trace_context *ret) must_check;
