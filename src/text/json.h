/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * JSON (RFC 8259): a strict reader into values, and a writer.
 *
 * The reader is for texts of other programs. It refuses, with name:line:column: anything behind the
 * one value, a key twice in an object, invalid UTF-8, NUL characters (also as \u0000) and lone
 * surrogates in strings, integers outside [-2^63, 2^64-1], nesting past VALUE_MAX_DEPTH and more
 * than VALUE_MAX_COUNT values. Integers keep their 64 bits: 18446744073709551615 is exact.
 */
#include "base/buf.h"
#include "text/value.h"

/*
 * name: what messages call the text ("config.json", "qmp"). -EINVAL: malformed, -EFBIG: longer than
 * max_size bytes, -E2BIG: too many values, -ENOMEM. text may be freed afterwards.
 */
int json_parse(const char *name, struct slice text, size_t max_size, struct document **ret,
	struct err *err) must_check;

/*
 * Writes compact JSON to the end of a buf. Errors stick, so only json_finish() need be looked at:
 *
 *	struct json_writer w = {.out = &b};
 *
 *	json_begin_object(&w, NULL);
 *	json_put_string(&w, "execute", "device_add");
 *	json_begin_object(&w, "arguments");
 *	json_put_u64(&w, "bus", 2);
 *	json_end_object(&w);
 *	json_end_object(&w);
 *	r = json_finish(&w);
 *
 * key is the member's name inside an object and NULL inside an array and for the outermost value.
 */
struct json_writer {
	struct buf *out; /* borrowed */
	int error;
	int depth;
	bool need_comma;
};

void json_begin_object(struct json_writer *w, const char *key);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w, const char *key);
void json_end_array(struct json_writer *w);
/* s NULL writes null. A string that is not UTF-8 fails the document with -EILSEQ. */
void json_put_string(struct json_writer *w, const char *key, const char *s);
void json_put_u64(struct json_writer *w, const char *key, uint64_t n);
/* Our own reader, as many others, does not take what is past 2^64. */
void json_put_u128(struct json_writer *w, const char *key, uint64_t high, uint64_t low);
void json_put_i64(struct json_writer *w, const char *key, int64_t n);
void json_put_bool(struct json_writer *w, const char *key, bool b);
/* 0, or what went wrong first: -ENOMEM, -EILSEQ. What is in the buf is then no JSON. */
int json_finish(struct json_writer *w) must_check;
