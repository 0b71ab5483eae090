/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <inttypes.h>

#include "base/utf8.h"
#include "text/json.h"

static void put(struct json_writer *w, const char *text, size_t len)
{
	if (w->error == 0)
		w->error = buf_append(w->out, text, len);
}

static void put_escaped(struct json_writer *w, unsigned char c)
{
	static const char digits[] = "0123456789abcdef";
	char unicode[] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
	char simple[] = {'\\', (char)c};

	if (c == '"' || c == '\\')
		put(w, simple, sizeof(simple));
	else
		put(w, unicode, sizeof(unicode));
}

static void put_quoted(struct json_writer *w, const char *s)
{
	size_t len = strlen(s), from = 0, at = 0;

	put(w, "\"", 1);
	while (at < len && w->error == 0) {
		unsigned char c = (unsigned char)s[at];
		size_t n = utf8_sequence(s + at, len - at);

		if (n == 0) {
			w->error = -EILSEQ;
		} else if (c < 0x20 || c == 0x7f || c == '"' || c == '\\') {
			put(w, s + from, at - from);
			put_escaped(w, c);
			from = at + 1;
		}
		at += n;
	}
	put(w, s + from, at - from);
	put(w, "\"", 1);
}

static void start_value(struct json_writer *w, const char *key)
{
	if (w->need_comma)
		put(w, ",", 1);
	w->need_comma = true;
	if (key) {
		put_quoted(w, key);
		put(w, ":", 1);
	}
}

static void begin(struct json_writer *w, const char *key, const char *bracket)
{
	start_value(w, key);
	put(w, bracket, 1);
	w->depth++;
	w->need_comma = false;
}

static void end(struct json_writer *w, const char *bracket)
{
	assert(w->depth > 0);
	w->depth--;
	put(w, bracket, 1);
	w->need_comma = true;
}

void json_begin_object(struct json_writer *w, const char *key)
{
	begin(w, key, "{");
}

void json_end_object(struct json_writer *w)
{
	end(w, "}");
}

void json_begin_array(struct json_writer *w, const char *key)
{
	begin(w, key, "[");
}

void json_end_array(struct json_writer *w)
{
	end(w, "]");
}

static void put_word(struct json_writer *w, const char *key, const char *word)
{
	start_value(w, key);
	put(w, word, strlen(word));
}

void json_put_string(struct json_writer *w, const char *key, const char *s)
{
	if (!s) {
		put_word(w, key, "null");
		return;
	}
	start_value(w, key);
	put_quoted(w, s);
}

void json_put_u64(struct json_writer *w, const char *key, uint64_t n)
{
	start_value(w, key);
	if (w->error == 0)
		w->error = buf_printf(w->out, "%" PRIu64, n);
}

void json_put_u128(struct json_writer *w, const char *key, uint64_t high, uint64_t low)
{
	char digits[40], *at = digits + sizeof(digits);
	__extension__ unsigned __int128 n = high;

	n = n << 64 | low;
	*--at = '\0';
	do {
		*--at = (char)('0' + (int)(n % 10));
		n /= 10;
	} while (n > 0);
	put_word(w, key, at);
}

void json_put_i64(struct json_writer *w, const char *key, int64_t n)
{
	start_value(w, key);
	if (w->error == 0)
		w->error = buf_printf(w->out, "%" PRId64, n);
}

void json_put_bool(struct json_writer *w, const char *key, bool b)
{
	put_word(w, key, b ? "true" : "false");
}

int json_finish(struct json_writer *w)
{
	assert(w->depth == 0 || w->error < 0);
	return w->error;
}
