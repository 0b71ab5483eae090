/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A recursive descent reader; the recursion is bounded by VALUE_MAX_DEPTH. Why not json-c (0.16,
 * the one in Debian 12): even its strict mode turns integers past 2^64 into 2^64-1, lets the last
 * of two equal keys win and accepts overlong UTF-8, raw control characters and NaN; and it crashes,
 * or quietly shortens strings, when an allocation fails.
 */
#include "text/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/document.h"

struct reader {
	const uint8_t *start, *at, *end;
	struct document *doc;
	unsigned depth;
	struct err *err;
};

static int fail_at(struct reader *r, const uint8_t *where, const char *what)
{
	size_t line = 1, column = 1;

	for (const uint8_t *p = r->start; p < where; p++) {
		column = *p == '\n' ? 1 : column + 1;
		line += *p == '\n';
	}
	return err_set(r->err, EINVAL, "%s:%zu:%zu: %s", document_name(r->doc), line, column, what);
}

static int fail(struct reader *r, const char *what)
{
	return fail_at(r, r->at, r->at == r->end ? "unexpected end of text" : what);
}

static int no_memory(struct reader *r)
{
	return err_sys(r->err, ENOMEM, "read %s", document_name(r->doc));
}

static void skip_space(struct reader *r)
{
	while (r->at < r->end &&
		(*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
		r->at++;
}

static bool accept(struct reader *r, char c)
{
	if (r->at == r->end || *r->at != (uint8_t)c)
		return false;
	r->at++;
	return true;
}

static bool is_digit(const struct reader *r)
{
	return r->at < r->end && *r->at >= '0' && *r->at <= '9';
}

static int parse_hex4(struct reader *r, uint32_t *ret)
{
	uint32_t n = 0;

	for (int i = 0; i < 4; i++, r->at++) {
		uint8_t c = r->at < r->end ? *r->at : 0;

		if (c >= '0' && c <= '9')
			n = n << 4 | (uint32_t)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			n = n << 4 | (uint32_t)((c | 0x20) - 'a' + 10);
		else
			return fail(r, "expected four hexadecimal digits behind \\u");
	}
	*ret = n;
	return 0;
}

/* The at stands behind "\u". */
static int parse_unicode_escape(struct reader *r, char to[static 4], size_t *ret_len)
{
	const uint8_t *from = r->at - 2;
	uint32_t high, low;
	int e = parse_hex4(r, &high);

	if (e < 0)
		return e;
	if (high >= 0xd800 && high <= 0xdbff) {
		if (!accept(r, '\\') || !accept(r, 'u'))
			return fail_at(r, from, "half of a surrogate pair");
		e = parse_hex4(r, &low);
		if (e < 0)
			return e;
		if (low < 0xdc00 || low > 0xdfff)
			return fail_at(r, from, "half of a surrogate pair");
		high = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
	}
	if (high == 0)
		return fail_at(r, from, "a NUL character in a string");
	*ret_len = utf8_encode(high, to);
	return *ret_len ? 0 : fail_at(r, from, "half of a surrogate pair");
}

static int parse_escape(struct reader *r, char to[static 4], size_t *ret_len)
{
	static const char from[] = "\"\\/bfnrt", plain[] = "\"\\/\b\f\n\r\t";
	const char *which;

	if (r->at == r->end)
		return fail(r, "");
	which = memchr(from, *r->at, sizeof(from) - 1);
	if (!which && *r->at != 'u')
		return fail(r, "unknown escape in a string");
	r->at++;
	if (!which)
		return parse_unicode_escape(r, to, ret_len);
	to[0] = plain[which - from];
	*ret_len = 1;
	return 0;
}

/* How long the text of the string at `at` (behind its quote) is at most. */
static size_t raw_length(const struct reader *r)
{
	const uint8_t *p = r->at;

	while (p < r->end && *p != '"')
		p += *p == '\\' && r->end - p > 1 ? 2 : 1;
	return (size_t)(p - r->at);
}

/* The at stands behind the opening quote. */
static int parse_string(struct reader *r, const char **ret)
{
	char *text = document_alloc(r->doc, raw_length(r) + 1), *to = text;

	if (!text)
		return no_memory(r);
	while (!accept(r, '"')) {
		size_t n = utf8_sequence(r->at, (size_t)(r->end - r->at));

		if (r->at == r->end)
			return fail(r, "");
		if (n == 0)
			return fail(r, "invalid UTF-8");
		if (*r->at < 0x20)
			return fail(r, "a control character in a string");
		if (accept(r, '\\')) {
			int e = parse_escape(r, to, &n);

			if (e < 0)
				return e;
		} else {
			memcpy(to, r->at, n);
			r->at += n;
		}
		to += n;
	}
	*to = '\0';
	*ret = text;
	return 0;
}

static int skip_digits(struct reader *r)
{
	if (!is_digit(r))
		return fail(r, "expected a digit");
	while (is_digit(r))
		r->at++;
	return 0;
}

static int set_integer(struct reader *r, const uint8_t *from, struct value *v)
{
	bool negative = *from == '-';
	uint64_t n = 0;

	for (const uint8_t *p = from + negative; p < r->at; p++)
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *p - '0', &n))
			return fail_at(r, from, "integer out of range");
	if (negative && n > (uint64_t)INT64_MAX + 1)
		return fail_at(r, from, "integer out of range");
	v->type = VALUE_INT;
	v->u.integer.magnitude = n;
	v->u.integer.negative = negative && n != 0;
	return 0;
}

static int set_float(struct reader *r, const uint8_t *from, struct value *v)
{
	size_t len = (size_t)(r->at - from);
	char *text = document_alloc(r->doc, len + 1);

	if (!text)
		return no_memory(r);
	memcpy(text, from, len);
	text[len] = '\0';
	v->type = VALUE_FLOAT;
	v->u.number = strtod(text, NULL);
	return isfinite(v->u.number) ? 0 : fail_at(r, from, "number out of range");
}

static int parse_number(struct reader *r, struct value *v)
{
	const uint8_t *from = r->at;
	bool whole = true;
	int e;

	(void)accept(r, '-');
	if (accept(r, '0')) {
		if (is_digit(r))
			return fail(r, "a number with a leading zero");
	} else {
		e = skip_digits(r);
		if (e < 0)
			return e;
	}
	if (accept(r, '.')) {
		whole = false;
		e = skip_digits(r);
		if (e < 0)
			return e;
	}
	if (accept(r, 'e') || accept(r, 'E')) {
		whole = false;
		if (!accept(r, '+'))
			(void)accept(r, '-');
		e = skip_digits(r);
		if (e < 0)
			return e;
	}
	return whole ? set_integer(r, from, v) : set_float(r, from, v);
}

static int parse_word(struct reader *r, struct value *v)
{
	static const struct {
		const char *word;
		enum value_type type;
		bool boolean;
	} words[] = {{"true", VALUE_BOOL, true}, {"false", VALUE_BOOL, false},
		{"null", VALUE_NULL, false}};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		size_t len = strlen(words[i].word);

		if ((size_t)(r->end - r->at) < len || memcmp(r->at, words[i].word, len) != 0)
			continue;
		r->at += len;
		v->type = words[i].type;
		if (v->type == VALUE_BOOL)
			v->u.boolean = words[i].boolean;
		return 0;
	}
	return fail(r, "expected a value");
}

static int parse_value(struct reader *r, struct value *v);

static int new_value(struct reader *r, struct value **ret)
{
	int e = document_new_value(r->doc, VALUE_NULL, ret);

	if (e == -E2BIG)
		return err_set(r->err, E2BIG, "%s: more than %d values", document_name(r->doc),
			VALUE_MAX_COUNT);
	return e < 0 ? no_memory(r) : 0;
}

static int parse_array(struct reader *r, struct value *array)
{
	array->type = VALUE_ARRAY;
	skip_space(r);
	if (accept(r, ']'))
		return 0;
	do {
		struct value *element;
		int e = new_value(r, &element);

		if (e < 0)
			return e;
		value_append(array, element);
		e = parse_value(r, element);
		if (e < 0)
			return e;
	} while (accept(r, ','));
	return accept(r, ']') ? 0 : fail(r, "expected ',' or ']'");
}

static int parse_member(struct reader *r, struct value *object)
{
	const uint8_t *from;
	struct value *member;
	const char *key;
	int e;

	skip_space(r);
	from = r->at;
	if (!accept(r, '"'))
		return fail(r, "expected a key in double quotes");
	e = parse_string(r, &key);
	if (e < 0)
		return e;
	skip_space(r);
	if (!accept(r, ':'))
		return fail(r, "expected ':'");
	e = new_value(r, &member);
	if (e < 0)
		return e;
	e = value_add(object, key, member);
	if (e == -EEXIST)
		return fail_at(r, from, "this key is in the object already");
	if (e < 0)
		return fail_at(r, from, "too many keys that hash alike");
	return parse_value(r, member);
}

static int parse_object(struct reader *r, struct value *object)
{
	object->type = VALUE_TABLE;
	skip_space(r);
	if (accept(r, '}'))
		return 0;
	do {
		int e = parse_member(r, object);

		if (e < 0)
			return e;
	} while (accept(r, ','));
	return accept(r, '}') ? 0 : fail(r, "expected ',' or '}'");
}

/* With the white space on both sides of it. */
static int parse_value(struct reader *r, struct value *v)
{
	int e;

	skip_space(r);
	if (r->depth == VALUE_MAX_DEPTH && r->at < r->end && (*r->at == '{' || *r->at == '['))
		return fail(r, "nested too deep");
	r->depth++;
	if (accept(r, '{')) {
		e = parse_object(r, v);
	} else if (accept(r, '[')) {
		e = parse_array(r, v);
	} else if (accept(r, '"')) {
		v->type = VALUE_STRING;
		e = parse_string(r, &v->u.string);
	} else if (is_digit(r) || (r->at < r->end && *r->at == '-')) {
		e = parse_number(r, v);
	} else {
		e = parse_word(r, v);
	}
	r->depth--;
	skip_space(r);
	return e;
}

int json_parse(const char *name, struct slice text, size_t max_size, struct document **ret,
	struct err *err)
{
	struct reader r = {.start = text.p,
		.at = text.p,
		.end = text.len ? text.p + text.len : text.p,
		.err = err};
	auto_document struct document *doc = NULL;
	int e;

	if (text.len > max_size)
		return err_set(err, EFBIG, "%s: %zu bytes, more than %zu are not read", name,
			text.len, max_size);
	if (document_new(name, false, &doc) < 0)
		return err_sys(err, ENOMEM, "read %s", name);
	r.doc = doc;
	e = parse_value(&r, document_take_root(doc));
	if (e == 0 && r.at != r.end)
		e = fail(&r, "something behind the end of the value");
	if (e < 0)
		return e;
	*ret = take_ptr(&doc);
	return 0;
}
