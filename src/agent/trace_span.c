/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/trace_span.h"

#include <string.h>

#include "base/clock.h"
#include "text/json.h"

enum {
	HEADER_SIZE = 8,
	/* What the SDK keeps of each at most; receivers read it and do nothing with it. */
	MAX_ENTRIES = 128,
	SAMPLED = 1,
};

/* "00-" trace id "-" parent id "-" flags */
enum { TRACE_AT = 3, PARENT_AT = 36, FLAGS_AT = 53, CONTEXT_LEN = 55 };

static void put_time(struct json_writer *w, const char *key, int64_t ns)
{
	uint64_t since = ns > 0 ? (uint64_t)ns : 0;

	json_begin_object(w, key);
	json_put_u64(w, "secs_since_epoch", since / NS_PER_S);
	json_put_u64(w, "nanos_since_epoch", since % NS_PER_S);
	json_end_object(w);
}

static void put_context(struct json_writer *w, const struct trace_span *span)
{
	json_begin_object(w, "span_context");
	json_put_u128(w, "trace_id", span->trace.high, span->trace.low);
	json_put_u64(w, "span_id", span->id);
	json_put_u64(w, "trace_flags", SAMPLED);
	json_put_bool(w, "is_remote", false);
	json_put_string(w, "trace_state", NULL);
	json_end_object(w);
}

static void put_value(struct json_writer *w, const char *key, const char *value)
{
	json_begin_object(w, key);
	json_put_string(w, "String", value);
	json_end_object(w);
}

static void put_bounds(struct json_writer *w)
{
	json_put_u64(w, "max_len", MAX_ENTRIES);
	json_put_u64(w, "dropped_count", 0);
	json_end_object(w);
}

static void put_attributes(struct json_writer *w, const struct trace_span *span)
{
	json_begin_object(w, "attributes");
	json_begin_object(w, "map");
	for (size_t i = 0; i < TRACE_SPAN_ATTRIBUTES && span->attributes[i].key; i++)
		put_value(w, span->attributes[i].key, span->attributes[i].value);
	json_end_object(w);
	json_begin_array(w, "evict_list");
	for (size_t i = 0; i < TRACE_SPAN_ATTRIBUTES && span->attributes[i].key; i++)
		json_put_string(w, NULL, span->attributes[i].key);
	json_end_array(w);
	put_bounds(w);
}

static void put_no_queue(struct json_writer *w, const char *key)
{
	json_begin_object(w, key);
	json_put_string(w, "queue", NULL);
	put_bounds(w);
}

static void put_resource(struct json_writer *w)
{
	json_begin_object(w, "resource");
	json_begin_object(w, "attrs");
	put_value(w, "service.name", "kata-agent");
	json_end_object(w);
	json_end_object(w);
}

static int encode_json(const struct trace_span *span, struct buf *out)
{
	struct json_writer w = {.out = out};

	json_begin_object(&w, NULL);
	put_context(&w, span);
	json_put_u64(&w, "parent_span_id", span->parent);
	json_put_string(&w, "span_kind", span->kind);
	json_put_string(&w, "name", span->name);
	put_time(&w, "start_time", span->from_ns);
	put_time(&w, "end_time", span->to_ns);
	put_attributes(&w, span);
	put_no_queue(&w, "events");
	put_no_queue(&w, "links");
	json_put_string(&w, "status_code", span->error ? "Error" : "Unset");
	json_put_string(&w, "status_message", span->error ? span->error : "");
	put_resource(&w);
	json_end_object(&w);
	return json_finish(&w);
}

int trace_span_encode(const struct trace_span *span, struct buf *out)
{
	auto_buf struct buf json = BUF_INIT;
	uint8_t header[HEADER_SIZE];
	int r = encode_json(span, &json);

	if (r < 0)
		return r;
	for (size_t i = 0; i < HEADER_SIZE; i++)
		header[i] = (uint8_t)((uint64_t)buf_len(&json) >> 8 * (HEADER_SIZE - 1 - i));
	if (!buf_reserve(out, HEADER_SIZE + buf_len(&json)))
		return -ENOMEM;
	r = buf_append(out, header, sizeof(header));
	return r < 0 ? r : buf_append(out, buf_slice(&json).p, buf_len(&json));
}

/* Lower case only, as the recommendation says. */
static bool parse_hex(const char *text, size_t len, uint64_t *ret)
{
	static const char digits[] = "0123456789abcdef";
	uint64_t n = 0;

	for (size_t i = 0; i < len; i++) {
		const char *digit = text[i] ? strchr(digits, text[i]) : NULL;

		if (!digit)
			return false;
		n = n << 4 | (uint64_t)(digit - digits);
	}
	*ret = n;
	return true;
}

bool trace_context_parse(const char *text, struct trace_context *ret)
{
	struct trace_context c;
	size_t len = strnlen(text, CONTEXT_LEN + 1);
	uint64_t version, flags;

	if (len < CONTEXT_LEN || !parse_hex(text, 2, &version) || version == 0xff)
		return false;
	/* Later versions may have more behind another dash. */
	if (version == 0 ? text[CONTEXT_LEN] != '\0'
			 : text[CONTEXT_LEN] != '\0' && text[CONTEXT_LEN] != '-')
		return false;
	if (text[TRACE_AT - 1] != '-' || text[PARENT_AT - 1] != '-' || text[FLAGS_AT - 1] != '-' ||
		!parse_hex(text + TRACE_AT, 16, &c.trace.high) ||
		!parse_hex(text + TRACE_AT + 16, 16, &c.trace.low) ||
		!parse_hex(text + PARENT_AT, 16, &c.parent) ||
		!parse_hex(text + FLAGS_AT, 2, &flags))
		return false;
	if ((c.trace.high == 0 && c.trace.low == 0) || c.parent == 0)
		return false;
	c.is_sampled = flags & SAMPLED;
	*ret = c;
	return true;
}
